"""``multipart/form-data`` (RFC 7578), as files come in: the whole body is at hand, so it is cut at its boundary."""

from __future__ import annotations

from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message

from gateway.sandbox.call import ApiError, Call


@dataclass(frozen=True, slots=True)
class Part:
    """One field of the form; ``filename`` is ``""`` where it is no file, ``mime`` where no type is told."""

    name: str
    filename: str
    mime: str
    content: bytes = field(repr=False)


def parts(call: Call) -> list[Part]:
    """The fields of the form in order. Raises ``ApiError`` 415 where the body is no form, 400 for one that is broken."""
    kind = Message()
    kind["Content-Type"] = call.headers.get("content-type", "")
    if kind.get_content_type() != "multipart/form-data":
        raise ApiError(415, "Content type not supported, expected multipart/form-data")
    boundary = kind.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise _broken("no boundary")
    before, *pieces = (b"\r\n" + (call.body or b"")).split(b"\r\n--" + boundary.encode())
    if before or not pieces or not pieces[-1].startswith(b"--"):
        raise _broken("no part, or no end")
    return [_part(piece) for piece in pieces[:-1]]


def _part(piece: bytes) -> Part:
    head, blank, content = piece.partition(b"\r\n\r\n")
    if not blank:
        raise _broken("a part without a head")
    fields = message_from_bytes(head.lstrip(b"\r\n") + b"\r\n\r\n")
    name = fields.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise _broken("a part without a name")
    mime = fields.get_content_type() if fields["content-type"] else ""
    return Part(name, fields.get_filename() or "", mime, content)


def _broken(what: str) -> ApiError:
    return ApiError(400, f"Invalid multipart body: {what}")
