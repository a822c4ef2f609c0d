"""The image is built, its files are looked through, and the lines of docs/container.md and the service of compose.yaml work with it.

One test with many parts, because building takes a minute and tests of one file may be given to several workers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from gateway import __version__
from tests.container.contents import CHECKS
from tests.container.docker_lines import Docker, lines
from tests.container.engine import Container, Image, built_image, run_to_end, running
from tests.support.processes import ROOT

TAG = f"cloud-elements-gateway:{__version__}"
SECRETS = {"user": "sandbox-user", "organization": "sandbox-org"}
SANDBOX = {"GATEWAY__ENVIRONMENTS__DEV__BASE_URL": "http://127.0.0.1:9000/elements/api-v2"}
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
MISSING = [name for name in ("buildah", "debootstrap") if not shutil.which(name, path=PATH)]
WRITES = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x')"
# The build takes the symbols for debuggers away; each compiled module still has to load, above all those that may be absent.
LOADS = """
import importlib, pathlib, sysconfig, uvloop
packages = pathlib.Path(sysconfig.get_path("purelib"))
names = {".".join([*path.parent.relative_to(packages).parts, path.name.partition(".")[0]]) for path in packages.rglob("*.so")}
print(sum(importlib.import_module(name) is not None for name in names))
"""

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"the image cannot be built: apt-get install {' '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the image cannot be built: buildah and debootstrap need root here"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Image]:
    namespaces = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, check=False)
    if namespaces.returncode != 0:
        pytest.skip("no container can be run: root may not make namespaces here (CAP_SYS_ADMIN is missing)")
    with built_image(tmp_path / "engine", TAG) as built:
        yield built


def test_the_image(image: Image, tmp_path: Path, subtests: pytest.Subtests) -> None:
    for check in CHECKS:
        with subtests.test(check.__name__):
            check(image)
    with subtests.test("the page's lines"), ExitStack() as stack:
        follow_the_page(image, tmp_path, stack)
    with subtests.test("a folder that is not empty"):
        init_overwrites_nothing(image, tmp_path)
    with subtests.test("the service of compose.yaml"):
        follow_compose(image, tmp_path)


def follow_the_page(image: Image, folder: Path, stack: ExitStack) -> None:
    """Every line of "First start", with the sandbox in place of Cloud Elements, and calls between them."""
    shell = {"CE_DEV_USER_SECRET": SECRETS["user"], "CE_DEV_ORGANIZATION_SECRET": SECRETS["organization"]}
    docker = Docker(image, TAG, folder, shell, SANDBOX, stack)
    init, serve, create, add, check, stop, start = lines("First start")
    assert "The admin key, shown this once" in docker.do(init)
    docker.do(serve)
    container = docker.containers["gateway"][0]
    is_confined(container)
    with container.beside("gateway", "sandbox", until="Sandbox at"):
        key = json.loads(docker.do(create))["key"]
        (folder / "token").write_text(token(container), "utf-8")
        docker.do(add)
        docker.do(check)
        assert call(container, key) == 200
        assert container.request(8081, "GET", "/readyz")[0] == 200
        assert healthy(container)
    docker.do(stop)
    docker.do(start)
    container = docker.containers["gateway"][0]
    assert call(container, key) == 502, "key and mapping outlive the container; the sandbox does not"
    assert healthy(container)


def init_overwrites_nothing(image: Image, folder: Path) -> None:
    volume = folder / "gateway"
    before = {path.name: path.read_bytes() for path in volume.iterdir()}
    status, text = run_to_end(image, "init", "/data", volumes={"/data": volume})
    assert (status, "is there already" in text) == (1, True), text
    assert {path.name: path.read_bytes() for path in volume.iterdir()} == before
    assert {"gateway.toml", "master.keys", "gateway.db"} <= before.keys()
    assert {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in volume.iterdir() if path.suffix != ".toml"} == {(10001, 0o600)}


def follow_compose(image: Image, folder: Path) -> None:
    """What compose.yaml says of the gateway: its variables, its secrets as files, a read-only root."""
    document = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    service = document["services"]["gateway"]
    secrets = {name: secret_file(folder, name) for name in service["secrets"]}
    options: dict[str, Any] = {
        "volumes": {"/data": folder / "gateway"},
        "environ": service["environment"] | SANDBOX,
        "secrets": secrets,
        "tmpfs": service.get("tmpfs", ()),
        "read_only": service["read_only"],
    }
    assert service["volumes"] == ["gateway:/data"]
    with running(image, "sandbox", **options) as container:
        container.wait_for("Sandbox at")
        assert not healthy(container), "no gateway serves here"
    with running(image, **options) as container:
        container.wait_for("admin listener on")
        with container.beside("gateway", "sandbox", until="Sandbox at"):
            key = json.loads(container.execute("gateway", "keys", "create", "--name", "composed", "--json").stdout)["key"]
            assert call(container, key) == 200
            status, metrics = container.request(8081, "GET", "/metrics")
            assert (status, b"gateway_build_info" in metrics) == (200, True)
        assert container.stop() == 0, container.text


def is_confined(container: Container) -> None:
    """Process 1 is the gateway, as user 10001 without a capability, on a root that cannot be written."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{container.pid}/status").read_text("utf-8").splitlines())
    assert status["NSpid"].split()[-1] == "1"
    assert (status["Uid"], status["Gid"], status["Groups"].strip()) == ("\t".join(["10001"] * 4), "\t".join(["10001"] * 4), "")
    assert (status["CapEff"], status["CapBnd"], status["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
    for place in ("/x", "/usr/x", "/opt/gateway/x"):
        assert "Read-only file system" in container.execute("python3", "-c", WRITES, place).stderr
    assert container.execute("python3", "-c", WRITES, "/data/x").returncode == 0
    loaded = container.execute("python3", "-c", LOADS)
    assert int(loaded.stdout or 0) > 20, loaded.stderr
    (Path(f"/proc/{container.pid}/root/data/x")).unlink()


def healthy(container: Container) -> bool:
    kind, *command = container.image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    return container.execute(*command).returncode == 0


def token(container: Container) -> str:
    """The token of acme's HubSpot in the sandbox."""
    platform = {"Authorization": f"User {SECRETS['user']}, Organization {SECRETS['organization']}"}
    status, body = container.request(9000, "GET", "/elements/api-v2/instances?tags%5B%5D=acme", platform)
    assert status == 200
    return str(next(one["token"] for one in json.loads(body) if one["element"]["key"] == "hubspot"))


def call(container: Container, key: str) -> int:
    """The status of a call to the data port, for acme."""
    headers = {"Authorization": f"Bearer {key}", "Gateway-Customer": "acme", "Gateway-Element": "hubspot"}
    return container.request(8080, "GET", "/elements/api-v2/contacts?pageSize=1", headers)[0]


def secret_file(folder: Path, name: str) -> Path:
    """As the page makes it: for user 10001 alone."""
    path = folder / name
    path.write_text(SECRETS["user" if "user" in name else "organization"] + "\n", "utf-8")
    os.chown(path, 10001, 10001)
    path.chmod(0o400)
    return path
