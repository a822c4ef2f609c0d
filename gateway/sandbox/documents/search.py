"""``GET /search?text=&path=&startDate=&endDate=`` (API page 4.6)."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.sandbox.call import Answer, ApiError, Call
from gateway.sandbox.documents.tree import FileTree, Node
from gateway.sandbox.listing import listed


def search_answer(call: Call, tree: FileTree) -> Answer:
    """Files and folders below ``path`` whose name holds ``text``, or whose text does, changed between the dates (both included).

    Without case; nothing found is an empty list. Chosen by us, where the page only names the parameters. Raises ``ApiError``.
    """
    text = call.param("text").lower()
    start, end = _date(call, "startDate"), _date(call, "endDate")
    found = (node for node in tree.below(tree.at(call.param("path") or "/"), deep=True) if _holds(node, text))
    return listed([tree.document(node) for node in found if _between(node, start, end)], call)


def _holds(node: Node, text: str) -> bool:
    if text in node.path.rpartition("/")[2].lower():
        return True
    return node.mime.startswith("text/") and text in (node.content or b"").decode(errors="replace").lower()


def _between(node: Node, start: datetime | None, end: datetime | None) -> bool:
    modified = datetime.fromisoformat(node.modified)
    return (start is None or modified >= start) and (end is None or modified <= end)


def _date(call: Call, name: str) -> datetime | None:
    text = call.param(name)
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ApiError(400, f"Invalid value for {name}: expected an ISO date") from None
    return time.replace(tzinfo=UTC) if time and not time.tzinfo else time
