"""How commands find the running gateway and show their key; what they say when that fails."""

from __future__ import annotations

import http.server
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from cryptography import x509

from gateway.cli.remote_place import place_of
from gateway.config import ConfigError
from tests.cli.followed import Watched, environ, watched
from tests.tls.authority import Authority
from tests.tls.served import Template, serving

HERE_BY_NAME = x509.DNSName("localhost")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("remote")) as scene:
        scene.call("/x", "X-Request-Id: known")
        yield scene


def told(scene: Watched, *words: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """``gateway trace known`` with these options; without a key, unless ``more`` has one."""
    env = {name: value for name, value in scene.environ().items() if name != "GATEWAY_ADMIN_KEY"} | more
    done: subprocess.CompletedProcess[str] = scene.run("trace", "known", "--json", *words, env=env, given=given)
    for key in (scene.admin_key, scene.gateway.key):
        assert key.rpartition("_")[2] not in done.stdout + done.stderr, "a key was shown"
    return done


def test_a_key_comes_from_a_file_standard_input_or_the_environment(scene: Watched, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(scene.admin_key + "\r\n")
    good = [
        told(scene, "--key-file", str(file)),
        told(scene, "--key-file", "-", given=scene.admin_key),
        told(scene, GATEWAY_ADMIN_KEY=scene.admin_key),
        told(scene, "--key-file", str(file), GATEWAY_ADMIN_KEY="gwk_wrong"),
    ]
    assert [done.returncode for done in good] == [0] * 4
    assert {json.loads(done.stdout)["items"][0]["request_id"] for done in good} == {"known"}


def test_on_a_terminal_the_key_is_asked_for_and_not_echoed(scene: Watched) -> None:
    ours, theirs = pty.openpty()
    env = environ(scene.gateway.admin, "")
    words = [sys.executable, "-m", "gateway", "trace", "known", "--json", "-c", str(scene.gateway.folder / "gateway.toml")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, env=env, stdin=theirs, start_new_session=True, text=True, **pipes) as process:  # type: ignore[call-overload]
        prompt = process.stderr.read(len("Admin key: "))
        os.write(ours, scene.admin_key.encode() + b"\n")
        stdout, stderr = process.communicate(timeout=60)
    os.write(theirs, b"end")
    echoed = os.read(ours, 1000)
    os.close(ours)
    os.close(theirs)
    assert (prompt, process.returncode) == ("Admin key: ", 0)
    assert json.loads(stdout)["items"]
    assert scene.admin_key.encode() not in echoed
    assert scene.admin_key not in stdout + stderr


@pytest.mark.parametrize("given", ["", "two words", "gwk_é", "gwk_a\ngwk_b"])
def test_what_is_no_key_is_wrong_usage_and_not_repeated(scene: Watched, given: str) -> None:
    done = told(scene, "--key-file", "-", given=given)
    assert done.returncode == 2
    assert "--key-file" in done.stderr
    assert not given or given not in done.stderr


def test_without_a_key_somebody_must_say_where_it_is(scene: Watched, tmp_path: Path) -> None:
    for done in (told(scene), told(scene, "--key-file", str(tmp_path / "none"))):
        assert done.returncode == 2
        assert "--key-file" in done.stderr


def test_a_wrong_key_is_told_what_to_do(scene: Watched) -> None:
    unknown, weak = told(scene, GATEWAY_ADMIN_KEY="gwk_abcdefghijkl_" + "x" * 43), told(scene, GATEWAY_ADMIN_KEY=scene.gateway.key)
    assert (unknown.returncode, weak.returncode) == (1, 1)
    for done, status, advice in ((unknown, 401, "GATEWAY_ADMIN_KEY"), (weak, 403, "--scope admin")):
        problem = json.loads(done.stderr)
        assert problem["status"] == status
        assert advice in problem["detail"]


def test_nobody_there(scene: Watched) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = scene.run("trace", "known", "--url", url)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: The gateway does not answer: {url}: nobody listens there; does `gateway serve` run")


class Stranger(http.server.BaseHTTPRequestHandler):
    """Something else that speaks HTTP."""

    def do_GET(self) -> None:
        body = b'{"detail": "CANARY"}' if self.path.endswith("json") else b"<h1>CANARY\x1b[31m</h1>"
        self.send_response(200 if "page" in self.path else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("call_id", ["page", "json", "x"])
def test_somebody_else_there(scene: Watched, call_id: str) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = scene.run("trace", call_id, "--url", f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert done.returncode == 1
    assert "expected the admin listener of a gateway" in done.stderr
    assert "CANARY" not in done.stderr


def test_something_that_is_no_http_there(scene: Watched) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"220 mail.example CANARY\r\n")

        threading.Thread(target=greet, daemon=True).start()
        done = scene.run("trace", "known", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
    assert done.returncode == 1
    assert "does not speak HTTP" in done.stderr
    assert "CANARY" not in done.stderr


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str], tuple[str, int]]]:
    """The folder of a gateway whose admin listener speaks TLS for a name that is not its address, a command's environment, its address."""
    folder = tmp_path_factory.mktemp("secure")
    template = Template.make(folder / "template", admin=("--scope", "admin"))
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    authority.certificate(HERE_BY_NAME).store(folder, "server")
    Authority("other").certificate(HERE_BY_NAME).store(folder, "other")
    template.copy(folder, "http://127.0.0.1:9", "[listen.admin_tls]", 'certificate = "server.pem"', 'key = "server.key"')
    with serving(folder) as served:
        yield folder, environ(served.listeners["admin"], template.keys["admin"][1]), served.listeners["admin"]


def asked(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gateway", "trace", "nobody", *words]
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


def test_tls_with_the_certificate_that_the_configuration_names(secure: tuple[Path, dict[str, str], tuple[str, int]]) -> None:
    folder, env, _ = secure
    assert "No call that is remembered has this id" in asked(env, "-c", str(folder / "gateway.toml")).stderr


def test_tls_with_another_certificate_is_no_gateway_of_ours(secure: tuple[Path, dict[str, str], tuple[str, int]], tmp_path: Path) -> None:
    folder, env, _ = secure
    shutil.copytree(folder, tmp_path / "copy")
    shutil.copy(folder / "other.pem", tmp_path / "copy" / "server.pem")
    done = asked(env, "-c", str(tmp_path / "copy" / "gateway.toml"))
    assert done.returncode == 1
    assert "its certificate is not trusted" in done.stderr


def test_tls_by_url(secure: tuple[Path, dict[str, str], tuple[str, int]]) -> None:
    folder, env, (host, port) = secure
    url = ("--url", f"https://localhost:{port}")
    assert "No call that is remembered" in asked(env, *url, "--ca-file", str(folder / "ca.pem")).stderr
    assert "its certificate is not trusted" in asked(env, *url).stderr
    assert "certificate is not trusted" in asked(env, "--url", f"https://{host}:{port}", "--ca-file", str(folder / "ca.pem")).stderr
    assert asked(env, *url, "--ca-file", str(folder / "server.key")).returncode == 2
    assert "does it speak HTTPS?" in asked(env, "--url", f"http://{host}:{port}").stderr


def test_plain_http_where_tls_is_expected(scene: Watched) -> None:
    host, port = scene.gateway.admin
    assert "does it speak plain HTTP?" in scene.run("trace", "known", "--url", f"https://{host}:{port}").stderr


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("0.0.0.0:81", "http://127.0.0.1:81"),
        ("[::]:81", "http://[::1]:81"),
        ("10.1.2.3:81", "http://10.1.2.3:81"),
        ("admin.test:81", "http://admin.test:81"),
    ],
)
def test_where_the_configuration_says_that_it_listens(tmp_path: Path, said: str, url: str) -> None:
    (tmp_path / "gateway.toml").write_text(f'listen.admin = "{said}"\n')
    assert place_of(tmp_path / "gateway.toml", None, None).url == url


def test_a_port_that_the_system_chooses_must_be_said(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('listen.admin = "127.0.0.1:0"\n')
    with pytest.raises(typer.BadParameter, match="say the address"):
        place_of(tmp_path / "gateway.toml", None, None)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("HTTP://[::1]/", "http://[::1]:80"),
        ("https://gateway.test", "https://gateway.test:443"),
        ("http://u:p@127.0.0.1", None),
        ("http://127.0.0.1:99999", None),
        ("http://127.0.0.1/path", None),
        ("127.0.0.1:8081", None),
        ("", None),
    ],
)
def test_a_url(url: str, shown: str | None) -> None:
    if shown is None:
        with pytest.raises(typer.BadParameter, match="expected a URL"):
            place_of(Path("none"), url, None)
    else:
        assert place_of(Path("none"), url, None).url == shown


def test_a_certificate_that_is_gone_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    text = 'listen.admin = "127.0.0.1:81"\n[listen.admin_tls]\ncertificate = "server.pem"\nkey = "server.key"\n'
    (tmp_path / "gateway.toml").write_text(text)
    for content in (None, b"", b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"):
        if content is not None:
            (tmp_path / "server.pem").write_bytes(content)
        with pytest.raises(ConfigError, match=r"listen\.admin_tls\.certificate: found no readable PEM certificate in server\.pem"):
            place_of(tmp_path / "gateway.toml", None, None)
