"""``/files/{id}/comments`` (API page 4.6)."""

from __future__ import annotations

from gateway.sandbox.call import Answer, ApiError, Call, not_found
from gateway.sandbox.documents.tree import Node
from gateway.sandbox.draw import timestamp
from gateway.sandbox.listing import listed
from gateway.sandbox.state import Sandbox


def comments_answer(sandbox: Sandbox, call: Call, node: Node, rest: list[str]) -> Answer:
    """Raises ``ApiError``; 404 for a comment that is not there."""
    if not rest:
        call.allow("GET", "POST")
        if call.method == "GET":
            return listed(node.comments.values(), call)
        id_ = str(max(map(int, node.comments), default=0) + 1)
        node.comments[id_] = {**call.json(), "id": id_, "createdDate": timestamp(sandbox.now())}
        return Answer(node.comments[id_])
    if len(rest) > 1:
        raise not_found()
    call.allow("GET", "DELETE")
    if rest[0] not in node.comments:
        raise ApiError(404, f"No comment found with id {rest[0][:40]}")
    if call.method == "DELETE":
        del node.comments[rest[0]]
        return Answer()
    return Answer(node.comments[rest[0]])
