"""``/files``, ``/folders``, ``/search`` and ``/storage`` (API page 4.6). What is meant stands in the path (an id) or in ``?path=``."""

from __future__ import annotations

from urllib.parse import quote

from gateway.sandbox.call import Answer, ApiError, Call, Row, not_found
from gateway.sandbox.documents.comments import comments_answer
from gateway.sandbox.documents.links import links_answer
from gateway.sandbox.documents.search import search_answer
from gateway.sandbox.documents.tree import MAX_TOTAL_BYTES, FileTree, Node
from gateway.sandbox.documents.upload import uploaded
from gateway.sandbox.instances import Instance
from gateway.sandbox.listing import listed
from gateway.sandbox.state import Sandbox

FAMILIES = frozenset({"files", "folders", "search", "storage"})
_ACTIONS = frozenset({"metadata", "copy", "links", "revisions", "comments", "contents"})


def documents_answer(sandbox: Sandbox, call: Call, instance: Instance, family: str, rest: list[str]) -> Answer:
    """Raises ``ApiError``; 409 where something is in the way, 429 for a file that is too large or took too long."""
    tree = instance.provider.files
    match family, rest:
        case "storage", []:
            call.allow("GET")
            return Answer({"total": MAX_TOTAL_BYTES, "used": tree.used()})
        case "search", []:
            call.allow("GET")
            return search_answer(call, tree)
        case (("files" | "folders"), []):
            return _collection(sandbox, call, tree, family)
        case (("files" | "folders"), [action, *more]) if action in _ACTIONS:
            return _action(sandbox, call, instance, family, tree.at(call.needs("path")), action, more)
        case (("files" | "folders"), [id_]):
            return _item(call, tree, family, _of_kind(tree.with_id(id_), family))
        case (("files" | "folders"), [id_, action, *more]) if action in _ACTIONS:
            return _action(sandbox, call, instance, family, tree.with_id(id_), action, more)
    raise not_found()


def _collection(sandbox: Sandbox, call: Call, tree: FileTree, family: str) -> Answer:
    if call.method == "POST":
        node = uploaded(call, tree, sandbox.limits.files) if family == "files" else tree.make_folder(_text(call.json(), "path"))
        return Answer(tree.document(node))
    call.allow("GET", "POST", "DELETE") if family == "files" else call.allow("POST", "DELETE")
    return _item(call, tree, family, _of_kind(tree.at(call.needs("path")), family))


def _item(call: Call, tree: FileTree, family: str, node: Node) -> Answer:
    call.allow("GET", "DELETE") if family == "files" else call.allow("DELETE")
    if call.method == "DELETE":
        tree.delete(node)
        return Answer()
    return download(node)


def _action(sandbox: Sandbox, call: Call, instance: Instance, family: str, node: Node, action: str, more: list[str]) -> Answer:
    tree, node = instance.provider.files, _of_kind(node, family)
    match family, action, more:
        case _, "metadata", []:
            call.allow("GET", "PATCH")
            return Answer(tree.document(_patched(tree, node, call.json()) if call.method == "PATCH" else node))
        case _, "copy", []:
            call.allow("POST")
            return Answer(tree.document(tree.copy(node, _text(call.json(), "path"))))
        case "folders", "contents", []:
            call.allow("GET")
            return listed([tree.document(one) for one in tree.below(node)], call, instance.element.max_page)
        case "files", "links", []:
            return links_answer(sandbox, call, instance, node)
        case "files", "revisions", []:
            call.allow("GET")
            return listed(node.revisions, call)
        case "files", "comments", _:
            return comments_answer(sandbox, call, node, more)
    raise not_found()


def download(node: Node) -> Answer:
    """The octets, under the file's name (RFC 6266: a plain name for old clients, the true one beside it where they differ)."""
    name = node.path.rpartition("/")[2]
    plain = "".join(letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else "_" for letter in name)
    disposition = f'attachment; filename="{plain}"' + ("" if plain == name else f"; filename*=UTF-8''{quote(name)}")
    return Answer(raw=node.content, headers={"Content-Type": node.mime or "application/octet-stream", "Content-Disposition": disposition})


def _of_kind(node: Node, family: str) -> Node:
    if node.directory != (family == "folders"):
        raise ApiError(404, f"No {family.removesuffix('s')} found with id {node.id}", "not_found")
    return node


def _patched(tree: FileTree, node: Node, changes: Row) -> Node:
    """``path`` moves, ``name`` renames, ``tags`` replaces; what else comes is read-only and passed over."""
    if "name" in changes:
        tree.move(node, node.path.rpartition("/")[0] + "/" + _text(changes, "name").replace("/", ""))
    if "path" in changes and _text(changes, "path") != node.path:
        tree.move(node, _text(changes, "path"))
    tags = changes.get("tags", node.tags)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ApiError(400, "Invalid value for tags: expected a list of texts")
    node.tags = list(tags)
    return node


def _text(body: Row, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(400, f"Missing required field: {name}")
    return value
