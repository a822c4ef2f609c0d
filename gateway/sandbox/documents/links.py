"""Links to files (API page 4.6): they lead outside of the API, need no secret, and end."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

from gateway.sandbox.call import Answer, ApiError, Call, not_found
from gateway.sandbox.documents.tree import Node
from gateway.sandbox.draw import timestamp
from gateway.sandbox.instances import Instance
from gateway.sandbox.state import Sandbox

PREFIX = "/elements/files/"  # ours: the page only says that links use another path
LIFETIME_S = 4 * 3600


def links_answer(sandbox: Sandbox, call: Call, instance: Instance, node: Node) -> Answer:
    """GET makes a link that lives for four hours, DELETE ends every link to the file."""
    call.allow("GET", "DELETE")
    links = instance.provider.files.links
    if call.method == "DELETE":
        for token in [token for token, (id_, _) in links.items() if id_ == node.id]:
            del links[token]
        return Answer()
    until = sandbox.now().timestamp() + LIFETIME_S
    token = sha256(f"{instance.token}/{node.id}/{int(until)}".encode()).hexdigest()[:32]
    links[token] = (node.id, until)
    url = f"http://{call.headers.get('host', 'localhost')}{PREFIX}{instance.id}/{token}"
    provider = f"https://{instance.element.key}.provider.example/{node.id}"
    expires = timestamp(datetime.fromtimestamp(until, UTC))
    return Answer({"cloudElementsLink": url, "providerLink": provider, "providerViewLink": f"{provider}/view", "expires": expires})


def linked_file(sandbox: Sandbox, path: str) -> Node:
    """The file that a link's path leads to. Raises ``ApiError`` 404 for none, and for one that has ended or was revoked."""
    id_, _, token = path.removeprefix(PREFIX).partition("/")
    try:
        tree = sandbox.instances.get(id_).provider.files
        file_id, until = tree.links[token]
    except (ApiError, KeyError):
        raise not_found() from None
    if until <= sandbox.now().timestamp():
        raise ApiError(404, "This link has expired")
    return tree.with_id(file_id)
