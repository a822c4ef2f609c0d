"""``/docs``: the document as a page, in a real browser, and nothing from elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from gateway.server.admin_routes import FILES, ROUTES
from gateway.server.docs_page import POLICY
from tests.admin.browser import visit
from tests.admin.conftest import Api, refused


def test_a_browser_shows_every_operation_and_asks_nobody_else(api: Api, tmp_path: Path) -> None:
    host = "{}:{}".format(*api.gateway.admin)
    page = visit(tmp_path, f"http://{host}/docs")

    shown = re.findall(r'<span class="opblock-summary-path" data-path="([^"]+)"', page.dom)
    assert sorted(shown) == sorted(route.path for route in ROUTES)
    assert page.dom.count('class="opblock-summary-method"') == len(ROUTES)
    assert page.console == ()
    assert page.hosts == {host}


def test_a_browser_is_told_to_load_nothing_else(api: Api) -> None:
    answer = api.call("GET", "/docs", key="")
    policy = dict(directive.split(" ", 1) for directive in answer.value("content-security-policy").split("; "))

    assert answer.value("content-security-policy") == POLICY
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert not [source for sources in policy.values() for source in sources.split() if source not in ("'none'", "'self'", "data:")]
    assert "://" not in answer.body.decode()


@pytest.mark.parametrize("name", FILES)
def test_what_the_page_consists_of_is_there_without_a_key(api: Api, name: str) -> None:
    page = api.call("GET", "/docs", key="").body.decode()
    answer = api.call("GET", f"/docs/{name}", key="")

    assert f'"docs/{name}"' in page
    assert (answer.status, bool(answer.body)) == (200, True)
    kinds = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "png": "image/png"}
    assert answer.value("content-type") == kinds[name.rpartition(".")[2]]


@pytest.mark.parametrize(
    "name", ["index.css", "swagger-ui.js", "LICENSE", "..%2f__init__.py", "..%2fcore.py", "%2e%2e", "page.js%00", "PAGE.JS"]
)
def test_no_other_file_is_given_out(api: Api, name: str) -> None:
    refused(api.call("GET", f"/docs/{name}"), 404, "not-found")


def test_the_code_of_the_package_is_never_run(api: Api) -> None:
    assert api.call("GET", "/docs/swagger-ui-bundle.js", key="").status == 200
    maps = Path(f"/proc/{api.gateway.process.pid}/maps").read_text("utf-8")
    assert "swagger" not in maps
    assert "swagger_ui" not in sys.modules
