"""A file that comes in: one multipart field ``file``, or the bare octets (API page 4.2, 4.6)."""

from __future__ import annotations

from mimetypes import guess_type

from gateway.sandbox.call import ApiError, Call
from gateway.sandbox.documents.tree import FileTree, Node
from gateway.sandbox.limits.files import FileLimits
from gateway.sandbox.multipart import Part, parts


def uploaded(call: Call, tree: FileTree, limits: FileLimits) -> Node:
    """Write it at ``?path=``, else under its own name in the root. Raises ``ApiError`` 400 (also where ``?size=`` differs), 409, 415, and
    429 for a file that is too large."""
    part = _file(call)
    if len(part.content) > limits.bytes:
        raise ApiError(429, limits.too_large)
    path = call.param("path") or part.filename
    if not path:
        raise ApiError(400, "Missing required parameter: path")
    if path.endswith("/"):
        path += part.filename
    announced = call.param("size")
    if announced and announced != str(len(part.content)):
        raise ApiError(400, f"Invalid value for size: expected {len(part.content)}, the size of the file")
    return tree.put(path, part.content, part.mime or guess_type(path)[0] or "application/octet-stream", call.flag("overwrite"))


def _file(call: Call) -> Part:
    if call.headers.get("content-type", "").lower().startswith("application/octet-stream"):
        return Part("file", "", "", call.body or b"")
    for part in parts(call):
        if part.name == "file":
            return part
    raise ApiError(400, "Missing required field: file")
