"""From a request to a ``Call`` that fits its route, and from what its handler made to an answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError
from pydantic import BaseModel

from gateway.errors import BadRequest, BodyTooLarge, UnsupportedMediaType
from gateway.models import Versioned, parse
from gateway.server.routing import Body, Call, Route, names_in

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Make = Callable[[Call], Awaitable[BaseModel | web.StreamResponse | None]]
ACTOR = web.RequestKey("actor", str)

_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")
_STRONG = re.compile(r'(W/)?"([^"]*)"')
# curl says the second one of whatever is given to -d.
_JSON = re.compile(r"application/(?:json|x-www-form-urlencoded|[a-z0-9.-]+\+json)|text/json")


def served(route: Route, make: Make) -> Handler:
    """A handler for ``route`` that hands ``make`` what fits it, and answers what it makes."""

    async def serve(request: web.Request) -> web.StreamResponse:
        public = route.scope == "public"
        call = Call(
            request,
            None if public else parse(route.query, _query(request)),
            await _body(route.body, request) if route.body else None,
            versions_of(", ".join(request.headers.getall("If-Match", ()))) if route.if_match else None,
            request.get(ACTOR, ""),
        )
        made = await make(call)
        return made if isinstance(made, web.StreamResponse) else await _answer(route, made)

    return serve


def shown(model: BaseModel, status: int = 200) -> web.Response:
    """``model`` as JSON."""
    return web.Response(status=status, body=json.dumps(model.model_dump(mode="json")).encode(), content_type="application/json")


def versions_of(if_match: str) -> Collection[str] | None:
    """The versions that the value of an ``If-Match`` field names; None for any. ``BadRequest`` if it is none (RFC 9110 §13.1.1).

    A weak tag matches nothing: the comparison is a strong one (§8.8.3.2).
    """
    text = if_match.strip()
    if text in ("", "*"):
        return None
    if not _TAGS.fullmatch(text):
        raise BadRequest('If-Match: expected "*", or entity tags in quotes such as an ETag says')
    return frozenset(tag for weak, tag in _STRONG.findall(text) if not weak)


def _query(request: web.Request) -> dict[str, str]:
    twice = [name for name in request.query if len(request.query.getall(name)) > 1]
    if twice:
        raise BadRequest("each query parameter may stand there once")
    return dict(request.query)


async def _body(body: Body, request: web.Request) -> Any:
    octets = await _octets(request, body.most)
    if body.model is not None:
        if not octets and not body.required:
            return body.model()
        if "Content-Type" in request.headers and not _JSON.fullmatch(request.content_type):
            raise UnsupportedMediaType("expected the Content-Type application/json")
        return parse(body.model, octets)
    kind = body.media.get(request.content_type)
    if kind is None:
        raise UnsupportedMediaType(f"expected one of the Content-Types {', '.join(body.media)}")
    try:
        return octets.decode("utf-8"), kind
    except UnicodeDecodeError:
        raise BadRequest("the body is not UTF-8") from None


async def _octets(request: web.Request, most: int) -> bytes:
    too_large = BodyTooLarge(f"at most {most} octets are taken")
    if (request.content_length or 0) > most:
        raise too_large
    read = bytearray()
    try:
        async for chunk in request.content.iter_any():
            read += chunk
            if len(read) > most:
                raise too_large
    except (RequestPayloadError, web.PayloadAccessError):
        raise BadRequest("the body is not framed as it says") from None
    return bytes(read)


async def _answer(route: Route, made: BaseModel | None) -> web.Response:
    if made is None:
        return web.Response(status=route.answer.status)
    if "items" in type(made).model_fields:
        # In a thread: a long list takes milliseconds that calls would wait.
        return await asyncio.to_thread(shown, made, route.answer.status)
    answer = shown(made, route.answer.status)
    if route.answer.etag and isinstance(made, Versioned):
        answer.headers["ETag"] = f'"{made.version}"'
    if route.answer.location:
        answer.headers["Location"] = route.answer.location.format_map(made.model_dump(include=set(names_in(route.answer.location))))
    return answer
