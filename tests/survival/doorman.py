"""An origin that checks credentials as Cloud Elements does: 401 without a word of whose secret is bad (API page 1.3, 1.5)."""

from __future__ import annotations

import json
import re
import threading

from tests.support.origin import BODY, Behaviour, Origin, head, ok, script
from tests.support.wire import Recorded, Wire

_PARTS = re.compile(r"(User|Organization|Element) ([^,\s]+)")
_INSTANCE = re.compile(r"/instances/(\d+)$")
REFUSAL = {"requestId": "5f1c", "message": "Invalid Organization or User Secret, or invalid Element token provided."}


def refusal(document: object = REFUSAL) -> bytes:
    body = json.dumps(document).encode()
    return head("401 Unauthorized", "Content-Type: application/json", f"Content-Length: {len(body)}") + body


class Doorman(Origin):
    """``users`` are the user secrets that are good now; ``tokens`` by instance number, where they are not the ones planted.

    ``document`` is the body of its refusals. ``calls`` and ``probes`` are what was let in or not, as (path, user secret, token, status).
    """

    def __init__(self, *users: str) -> None:
        self.users = set(users)
        self.tokens: dict[int, str] = {}
        self.dead: set[str] = set()
        self.document: object = REFUSAL
        self.calls: list[tuple[str, str, str, int]] = []
        self.probes: list[tuple[str, str, str, int]] = []
        self._lock = threading.Lock()
        super().__init__()

    def behaviour(self, request: Recorded) -> Behaviour:
        return self._let_in

    def _let_in(self, wire: Wire, request: Recorded) -> None:
        wire.read_body(request)
        said = dict(_PARTS.findall(request.values("authorization")[0]))
        user, token = said.get("User", ""), said.get("Element", "")
        path = request.target.partition("?")[0]
        good = user in self.users and token not in self.dead
        with self._lock:
            (self.calls if token else self.probes).append((path, user, token, 200 if good else 401))
        if not good:
            wire.send(refusal(self.document if token else REFUSAL))
            return
        answer = BODY
        if not token and (found := _INSTANCE.search(path)):
            answer = json.dumps({"id": int(found[1]), "token": self.tokens.get(int(found[1]), "")}).encode()
        elif not token:
            answer = json.dumps([{"id": 1000}]).encode()
        script(ok(answer, "Cache-Control: no-store"))(wire, request)
