"""The files and folders of one instance: a path means at most one of them, and so does an id.

Where a provider knows its files by their path (Dropbox, S3), the id *is* the path, percent-encoded once, so that it stands in a URL
encoded twice (``%252Freports``, API page 4.6), and a file that moves has another id. Elsewhere ids are opaque and stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from posixpath import basename, dirname
from urllib.parse import quote

from gateway.sandbox.call import ApiError, Row
from gateway.sandbox.draw import timestamp

MAX_TOTAL_BYTES = 512 * 1024 * 1024


@dataclass(slots=True)
class Node:
    """A file, or a folder where ``content`` is None."""

    id: str
    path: str
    created: str
    modified: str
    content: bytes | None = field(default=None, repr=False)
    mime: str = ""
    tags: list[str] = field(default_factory=list)
    revisions: list[Row] = field(default_factory=list)
    comments: dict[str, Row] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.content or b"")

    @property
    def directory(self) -> bool:
        return self.content is None


class FileTree:
    """``now`` stamps what is written; ``salt`` makes the opaque ids."""

    def __init__(self, salt: str, by_path: bool, now: Callable[[], datetime]) -> None:
        self.salt = salt
        self._by_path = by_path
        self._now = now
        self._made = 0
        self._nodes: dict[str, Node] = {}
        self._ids: dict[str, Node] = {}
        self.links: dict[str, tuple[str, float]] = {}  # token: the file's id, and when the link ends (POSIX seconds)
        self._add(Node(self._new_id("/"), "/", self._time(), self._time()))

    def at(self, path: str) -> Node:
        """What is at a path; raises ``ApiError`` 404."""
        node = self._nodes.get(normal(path))
        if node is None:
            raise ApiError(404, f"No file or folder found with path {path[:200]}", "not_found")
        return node

    def with_id(self, id_: str) -> Node:
        """Raises ``ApiError`` 404."""
        node = self._ids.get(id_)
        if node is None:
            raise ApiError(404, f"No file or folder found with id {id_[:200]}", "not_found")
        return node

    def put(self, path: str, content: bytes, mime: str, overwrite: bool = False) -> Node:
        """Write a file, its folders as needed. Raises ``ApiError`` 409 where one is there and may not be replaced, or no room is left."""
        path = normal(path)
        there = self._nodes.get(path)
        if there and (there.directory or not overwrite):
            raise ApiError(409, f"A {'folder' if there.directory else 'file'} with path {path} exists already", "conflict")
        if self.used() - (there.size if there else 0) + len(content) > MAX_TOTAL_BYTES:
            raise ApiError(409, "Insufficient storage", "insufficient_space")
        if there is None:
            self._folders(dirname(path))
            there = self._add(Node(self._new_id(path), path, self._time(), self._time()))
        there.content, there.mime, there.modified = content, mime, self._time()
        there.revisions.append({"id": str(len(there.revisions) + 1), "size": len(content), "modifiedDate": there.modified})
        return there

    def make_folder(self, path: str) -> Node:
        """Raises ``ApiError`` 409 where something is there already."""
        path = normal(path)
        if path in self._nodes:
            raise ApiError(409, f"A folder with path {path} exists already", "conflict")
        return self._folders(path)

    def delete(self, node: Node) -> None:
        """The file, or the folder with all below it. Raises ``ApiError`` 400 for the root."""
        if node.path == "/":
            raise ApiError(400, "The root folder cannot be deleted")
        for one in [*self.below(node, deep=True), node]:
            del self._nodes[one.path], self._ids[one.id]
            self.links = {token: link for token, link in self.links.items() if link[0] != one.id}

    def move(self, node: Node, path: str) -> Node:
        """Raises ``ApiError`` 409 where something is there, 400 for a folder into itself."""
        path = self._free(node, path)
        moving, start = [node, *self.below(node, deep=True)], len(node.path)
        for one in moving:
            del self._nodes[one.path], self._ids[one.id]
        self._folders(dirname(path))
        for one in moving:
            one.path = path + one.path[start:]
            one.id = self._path_id(one.path) if self._by_path else one.id
            self._add(one)
        return node

    def copy(self, node: Node, path: str) -> Node:
        """Raises ``ApiError`` 409 where something is there, 400 for a folder into itself."""
        path = self._free(node, path)
        if node.content is not None:
            return self.put(path, node.content, node.mime)
        inside = self.below(node, deep=True)
        made = self.make_folder(path)
        for one in inside:
            target = path + one.path[len(node.path) :]
            if one.content is None:
                self._folders(target)
            else:
                self.put(target, one.content, one.mime)
        return made

    def below(self, folder: Node, deep: bool = False) -> list[Node]:
        """What is in a folder, by path; with ``deep`` in all folders inside too."""
        start = folder.path.rstrip("/") + "/"
        found = (node for path, node in self._nodes.items() if path.startswith(start) and path != "/")
        return sorted((node for node in found if deep or "/" not in node.path[len(start) :]), key=lambda node: node.path)

    def parent(self, node: Node) -> Node:
        return self._nodes[dirname(node.path)]

    def used(self) -> int:
        """Octets in all files."""
        return sum(node.size for node in self._nodes.values())

    def document(self, node: Node) -> Row:
        """The file object of API page 4.6."""
        return {
            "id": node.id,
            "name": basename(node.path) or "/",
            "path": node.path,
            "createdDate": node.created,
            "modifiedDate": node.modified,
            "size": node.size,
            "directory": node.directory,
            "tags": list(node.tags),
            "refId": sha256(f"{self.salt}/ref/{node.path}".encode()).hexdigest()[:16],
            "parentFolderId": self.parent(node).id,
            "properties": {} if node.directory else {"mimeType": node.mime},
        }

    def _free(self, node: Node, path: str) -> str:
        path = normal(path)
        if path in self._nodes:
            raise ApiError(409, f"A file or folder with path {path} exists already", "conflict")
        if node.directory and path.startswith(node.path.rstrip("/") + "/"):
            raise ApiError(400, "A folder cannot go into itself")
        return path

    def _folders(self, path: str) -> Node:
        """The folder at ``path``, made with all above it where it is not there. Raises ``ApiError`` 409 where a file is in the way."""
        node = self._nodes.get(path)
        if node is None:
            self._folders(dirname(path))
            return self._add(Node(self._new_id(path), path, self._time(), self._time()))
        if not node.directory:
            raise ApiError(409, f"A file with path {path} exists already", "conflict")
        return node

    def _add(self, node: Node) -> Node:
        self._nodes[node.path] = self._ids[node.id] = node
        return node

    def _new_id(self, path: str) -> str:
        self._made += 1
        return self._path_id(path) if self._by_path else str(int(sha256(f"{self.salt}/file/{self._made}".encode()).hexdigest()[:11], 16))

    @staticmethod
    def _path_id(path: str) -> str:
        return quote(path, safe="")

    def _time(self) -> str:
        return timestamp(self._now())


def normal(path: str) -> str:
    """With a slash in front, none at the end and none doubled. Raises ``ApiError`` 400 for none at all or one that climbs."""
    parts = [part for part in path.split("/") if part]
    if not path or any(part in (".", "..") or "\0" in part for part in parts):
        raise ApiError(400, "Invalid path: expected /folder/name")
    return "/" + "/".join(parts)
