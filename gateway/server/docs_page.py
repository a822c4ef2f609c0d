"""``/openapi.json``, and ``/docs``, which shows it with the Swagger UI that the package swagger-ui-py brings along.

Of that package the files are taken, its code is never run. The page loads nothing from elsewhere and its policy would not let it: no
inline script, no frame around it, no request but to this listener.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec, module_from_spec

from aiohttp import web

from gateway.errors import NotFound
from gateway.server.admin_routes import FILES
from gateway.server.routing import Call

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the page. Scripts and styles are files of ours alone."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gateway: the admin API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<script src="docs/swagger-ui-bundle.js" defer></script>
<script src="docs/page.js" defer></script>
</head>
<body><div id="swagger-ui"></div><noscript>The same as JSON: <a href="openapi.json">openapi.json</a></noscript></body>
</html>
"""
_SCRIPT = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, defaultModelsExpandDepth: 0, tryItOutEnabled: true
});
"""
_OURS = {"page.js": _SCRIPT}
_MEDIA = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}


class DocsPage:
    """The verbs of the documentation."""

    async def openapi(self, _: Call) -> web.Response:
        return web.Response(body=await asyncio.to_thread(_document), content_type="application/json")

    async def docs(self, _: Call) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def docs_file(self, call: Call) -> web.Response:
        name = call.named("file")
        if name not in FILES:
            raise NotFound("the page has no such file")
        body = _OURS[name].encode() if name in _OURS else await asyncio.to_thread(_bundled, name)
        return web.Response(body=body, headers=_fields(name))


def _fields(name: str) -> Mapping[str, str]:
    media = _MEDIA[name[name.rindex(".") :]]
    charset = "" if media == "image/png" else "; charset=utf-8"
    return {"Content-Type": media + charset, "Cache-Control": "private, max-age=3600"}


def _bundled(name: str) -> bytes:
    """A file of Swagger UI; ``ModuleNotFoundError`` where its package is not installed."""
    spec = find_spec("swagger_ui")
    if spec is None:
        raise ModuleNotFoundError("swagger_ui")
    # A module that was never run: its files can be asked for, and its code stays where it is.
    return resources.files(module_from_spec(spec)).joinpath("static", name).read_bytes()


@lru_cache(maxsize=1)
def _document() -> bytes:
    from gateway.server.openapi import document  # noqa: PLC0415 - with its examples, for the few who ask

    return json.dumps(document(), ensure_ascii=False).encode()
