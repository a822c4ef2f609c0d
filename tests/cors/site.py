"""A web site of an origin of its own, pages that call a gateway, and the browser that loads them."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# fetch() rejects with nothing but a TypeError where the browser does not let the page see the answer (Fetch §4.1).
_PAGE = """<!doctype html><title>calls</title><pre id="told"></pre><script>
const calls = CALLS;
(async () => {
  const told = [];
  for (const call of calls) {
    try {
      const answer = await fetch(call.url, {method: call.method, headers: call.headers, body: call.body});
      told.push({status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text()});
    } catch (error) {
      told.push({refused: error.name});
    }
  }
  document.getElementById("told").textContent = JSON.stringify(told) + "|end";
})();
</script>"""


@dataclass(frozen=True)
class PageCall:
    """One ``fetch`` of a page."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None


class Site:
    """Serves pages from 127.0.0.1 at a port of the system's choice while inside."""

    def __init__(self) -> None:
        self._pages: dict[str, bytes] = {}
        pages = self._pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path, b"")
                self.send_response(200 if page else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def page(self, *calls: PageCall) -> str:
        """The URL of a page that makes ``calls`` one after the other and writes what it saw of each."""
        path = f"/{len(self._pages)}"
        self._pages[path] = _PAGE.replace("CALLS", json.dumps([asdict(call) for call in calls])).encode()
        return self.origin + path


def chromium() -> str | None:
    """The browser's program, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def seen(url: str, profile: Path) -> list[dict[str, Any]]:
    """What the page at ``url`` saw of its calls, in a browser with a new profile in the folder ``profile``."""
    program = chromium()
    assert program is not None
    command = [
        *(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--no-proxy-server", f"--user-data-dir={profile}"),
        *("--virtual-time-budget=20000", "--dump-dom", url),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    told = re.search(r'<pre id="told">(.*)\|end</pre>', done.stdout, re.DOTALL)
    assert told, f"the page did not come to its end (exit status {done.returncode}):\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    found: list[dict[str, Any]] = json.loads(html.unescape(told[1]))
    return found
