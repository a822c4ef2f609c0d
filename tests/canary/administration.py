"""What operators do, well and badly, by admin API and command line."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from urllib.parse import quote

from tests.canary.planted import secret
from tests.canary.scene import Scene

_WHERE = ("--environment", "dev", "--element", "rawelement")


def add(scene: Scene, customer: str, token: str, *options: str) -> None:
    """A mapping by command, its token from standard input."""
    arguments = ("instances", "add", *_WHERE, "--customer", customer, "--token-file", "-", "--json", *options)
    given = scene.planted.plant(token) + "\n"
    scene.handles[customer] = json.loads(scene.command(f"instances add ({customer})", *arguments, given=given))["handle"]


def keys(scene: Scene) -> None:
    """Caller keys: for services, for operators, rotated, revoked, and one that never was."""
    scene.at_once(lambda: scene.new_key("admin", "--scope", "admin"), lambda: scene.new_key("service"))
    post_key(scene, "platform", environments=["dev"], scopes=["platform:read", "platform:write"])
    post_key(scene, "narrow", environments=["dev"], customers=["narrow*"], methods=["GET"])
    post_key(scene, "rotated away")
    post_key(scene, "revoked")
    scene.keys["wrong"] = scene.planted.plant("caller key that never was", "gwk_abcdefghijkl_" + "Zz9Yx8Wv7Ut6" * 3 + "Sr5Qp4O")
    gone, rotated = (scene.keys[name].split("_")[1] for name in ("revoked", "rotated away"))
    rotate = ("keys", "rotate", rotated, "--overlap", "0s", "--json")
    _, text = scene.at_once(
        lambda: scene.command("keys revoke", "keys", "revoke", gone),
        lambda: scene.command("keys rotate", *rotate, but={"caller key rotated"}),
    )
    scene.keys["rotated"] = scene.planted.plant("caller key rotated", json.loads(text)["key"])


def post_key(scene: Scene, name: str, **more: object) -> None:
    """A caller key by admin API; only the answer that makes it may show it."""
    body = json.dumps({"name": name, **more}).encode()
    answer = json.loads(scene.admin(f"POST /keys ({name})", "POST", "/keys", body, but={f"caller key {name}"}))
    scene.keys[name] = scene.planted.plant(f"caller key {name}", answer["key"])


def post(scene: Scene, customer: str, token: str, **more: object) -> None:
    """A mapping by admin API."""
    body = {"environment": "dev", "customer": customer, "element": "rawelement", "token": scene.planted.plant(token), **more}
    scene.handles[customer] = json.loads(scene.admin(f"POST /instances ({customer})", "POST", "/instances", json.dumps(body).encode()))[
        "handle"
    ]


def mappings(scene: Scene) -> None:
    """Mappings by every way there is, with a token each."""
    plant = scene.planted.plant
    (scene.gateway.folder / "given.token").write_text(plant("token from a file"))
    file = ("--token-file", str(scene.gateway.folder / "given.token"))
    imported = {"environment": "dev", "customer": "lines", "element": "rawelement", "token": plant("token by import")}
    imported["event_signature_key"] = plant("event signature key by import")
    other = [{**imported, "environment": name, "customer": "everywhere"} for name in ("refused", "untrusted")]
    scene.at_once(
        lambda: add(scene, "commanded", "token by command"),
        lambda: scene.command("instances add (filed)", "instances", "add", *_WHERE, "--customer", "filed", *file),
        lambda: scene.command("instances import", "instances", "import", "-", given="\n".join(map(json.dumps, (imported, *other)))),
    )
    post(scene, "corrupted", "token of a corrupted row")
    post(scene, "swapped", "token of a swapped row")
    post(scene, "twice", "token of a first instance")
    post(scene, "twice", "token of a second instance", name="second")
    post(scene, "disabled", "token of a disabled instance")
    post(scene, "limited", "token of a limited instance", element="limited")
    for customer in ("posted", "patched"):
        post(scene, customer, f"token posted for {customer}", event_signature_key=plant(f"event signature key of {customer}"))
    change = {"token": plant("token by patch"), "event_signature_key": plant("event signature key by patch")}
    scene.admin("PATCH /instances", "PATCH", f"/instances/{scene.handles['patched']}", json.dumps(change).encode())
    scene.admin("PATCH disabled", "PATCH", f"/instances/{scene.handles['disabled']}", b'{"disabled": true}')
    rows = f"environment,customer,element,token\ndev,columns,rawelement,{plant('token by CSV')}\n"
    scene.admin("POST /instances:import as CSV", "POST", "/instances:import", rows.encode(), "text/csv")


def spoil(scene: Scene) -> None:
    """Damage one row's secret and put another's over a third's, as a faulty disk or somebody with the file could."""
    with closing(sqlite3.connect(scene.gateway.folder / "gateway.db", timeout=10)) as database:
        database.execute("UPDATE instances SET token = randomblob(60) WHERE handle = ?", (scene.handles["corrupted"],))
        database.execute(
            "UPDATE instances SET token = (SELECT token FROM instances WHERE handle = ?) WHERE handle = ?",
            (scene.handles["commanded"], scene.handles["swapped"]),
        )
        database.commit()


def bad_administration(scene: Scene) -> None:
    """Requests to the admin API that are refused, secrets in all of them."""
    token, organization, own = secret("token by command"), secret("organization secret"), scene.keys["service"]
    good = {"environment": "dev", "customer": "commanded", "element": "rawelement", "token": token}
    bodies: dict[str, object] = {
        "duplicate": good,
        "unknown environment": {**good, "environment": organization},
        "unknown field": {**good, token: token},
        "unknown field like a key": {**good, own: own},
        "token as a list": {**good, "token": [token, {"token": token}]},
        "token with a blank": {**good, "token": f"{token} {token}"},
        "too long": {**good, "token": token * 100},
        "token as number of the instance": {**good, "instance_id": token},
        "token as tags": {**good, "tags": token},
        "token as customer": {**good, "customer": token},
        "token as hub": {**good, "hub": token},
        "signature key of a wrong type": {**good, "event_signature_key": {"key": token}},
        "list": [good],
        "text": token,
    }
    for label, body in bodies.items():
        for method, path in (
            ("POST", "/instances"),
            ("PATCH", f"/instances/{scene.handles['commanded']}"),
            ("POST", "/keys"),
            ("POST", "/cache:purge"),
            ("POST", "/explain"),
        ):
            if method == "PATCH" and label in ("duplicate", "token as tags"):
                continue
            scene.admin(f"{method} {path.partition(':')[0]}: {label}", method, path, json.dumps(body).encode())
    for label, text in {
        "half": json.dumps(good)[:-4],
        "garbage": f"{token}\xff{own}",
        "twice": json.dumps(good) * 2,
        "deep": "[" * 9000 + token,
    }.items():
        scene.admin(f"POST /instances: JSON {label}", "POST", "/instances", text.encode("latin-1"))
        scene.admin(f"POST /instances:import: JSON {label}", "POST", "/instances:import", text.encode("latin-1"), "application/x-ndjson")
        scene.admin(f"POST /instances:import: CSV {label}", "POST", "/instances:import", text.encode("latin-1"), "text/csv")
    scene.admin("import: media type", "POST", "/instances:import", token.encode(), f"text/{own}")
    scene.admin("import: cells", "POST", "/instances:import", f"environment,token\n{token},{token},{token}\n".encode(), "text/csv")
    scene.admin(
        "keys: scopes", "POST", "/keys", json.dumps({"name": "x", "scopes": [token], "expires": token, "methods": [token]}).encode()
    )
    for path in (
        "/instances/{}",
        "/keys/{}",
        "/{}",
        "/instances?cursor={}",
        "/instances?{}=1",
        "/instances?limit={}",
        "/exchanges?limit={}",
        "/exchanges?path={}",
        "/exchanges/{}",
        "/exchanges:follow?cursor={}",
        "/keys?cursor={}",
        "/limits?cursor={}",
    ):
        for text in (quote(token, safe=""), own):
            for method in ("GET", "DELETE", "PUT"):
                scene.admin(f"{method} {path.format('…')}", method, path.format(text))
    scene.admin("rotate", "POST", f"/keys/{own}:rotate", json.dumps({"overlap": token}).encode())


def bad_commands(scene: Scene) -> None:
    """Commands that are refused, their secrets in standard input (an argument may hold none)."""
    token, own = secret("token by command"), scene.keys["service"]
    line = {"environment": "dev", "customer": "c", "element": "e", "token": [token], token: own}
    lines = "\n".join((json.dumps(line), token, json.dumps({**line, "environment": token}), json.dumps(line)[:-5]))
    add = ("instances", "add", *_WHERE, "--token-file", "-")
    scene.at_once(
        lambda: scene.command("add: token with blanks", *add, "--customer", "c", given=f"{token} {own}", status=2),
        lambda: scene.command("add: duplicate as JSON", *add, "--customer", "commanded", "--json", given=token, status=1),
        lambda: scene.command("import: bad lines as JSON", "instances", "import", "-", "--json", given=lines, status=1),
        lambda: scene.command(
            "import: bad CSV", "instances", "import", "-", "--format", "csv", given=f"{token}\n{own},{token}\n", status=1
        ),
        lambda: scene.command("check with spoiled rows", "check", status=2),
        lambda: scene.command("instances list", "instances", "list"),
        lambda: scene.command("instances export", "instances", "export"),
        lambda: scene.command("instances export as CSV", "instances", "export", "--format", "csv"),
        lambda: scene.command("keys list", "keys", "list", "--json"),
    )
