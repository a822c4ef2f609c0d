"""The README's request in and request out are what goes over the wire."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.blocks import README, blocks
from tests.support.origin import Origin
from tests.support.processes import Canaries, running_gateway
from tests.support.raw import Caller

BASE = "/elements/api-v2"


def test_request_in_and_request_out(tmp_path: Path) -> None:
    came, left = (block.text.rstrip("\n") for block in blocks(README) if block.language == "http")
    with Origin() as origin, running_gateway(tmp_path, {"dev": f"http://{origin.authority}{BASE}"}, element="hubspot") as gateway:
        with Caller(gateway.data) as caller:
            caller.send(came.replace("gwk_…", gateway.key).replace("\n", "\r\n").encode() + b"\r\n\r\n")
            answer = caller.answer("GET")
        assert answer is not None
        assert answer.status == 200
        (request,) = origin.requests
    assert _abbreviated(request.head.decode(), origin.authority, gateway.canaries) == left


def _abbreviated(head: str, authority: str, canaries: Canaries) -> str:
    """The head as the page prints it: secrets named, ids shortened."""
    secrets = {canaries.of("acme"): "<instance token>", canaries.user: "<user secret>", canaries.organization: "<organization secret>"}
    for secret, name in secrets.items():
        head = head.replace(secret, name)
    head = head.replace(authority, "api.cloud-elements.com").replace("\r\n", "\n")
    head = re.sub(r"(?m)^(X-Request-Id: )[0-9a-f]{32}$", r"\1…", head)
    return re.sub(r"(?m)^(traceparent: 00-)[0-9a-f]{32}-[0-9a-f]{16}(-0[01])$", r"\1…\2", head)
