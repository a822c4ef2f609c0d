"""What a write makes doubtful."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.invalidation import EVERYTHING, is_write, may_have_happened, segments, touched

PATHS = [
    "/contacts",
    "/contacts/7",
    "/contacts/8",
    "/contacts/7/notes",
    "/contacts/7/notes/1",
    "/contacts/7/notes/2",
    "/contacts/7/notes/1/files",
    "/contacts/7/notes/1/files/9",
    "/accounts",
    "/accounts/7",
    "/contactsx",
    "/",
]


@pytest.mark.parametrize(
    ("method", "path", "gone"),
    [
        ("POST", "/contacts", ["/contacts"]),
        ("PATCH", "/contacts/8", ["/contacts", "/contacts/8"]),
        ("DELETE", "/contacts/7", [p for p in PATHS if p.startswith("/contacts/7")] + ["/contacts"]),
        ("M-SEARCH", "/accounts/7", ["/accounts", "/accounts/7"]),
        ("PUT", "/contacts/7/notes/2", ["/contacts/7/notes/2", "/contacts/7/notes", "/contacts/7", "/contacts"]),
        ("POST", "/contacts/7/notes", ["/contacts/7/notes", "/contacts/7", "/contacts"]),
        ("POST", "/contacts/7", [p for p in PATHS if p.startswith("/contacts/7")] + ["/contacts"]),
        (
            "DELETE",
            "/contacts/7/notes/1/files/9",
            [
                "/contacts/7/notes/1/files/9",
                "/contacts/7/notes/1/files",
                "/contacts/7/notes/1",
                "/contacts/7/notes",
                "/contacts/7",
                "/contacts",
            ],
        ),
        ("DELETE", "/contacts", [p for p in PATHS if p.startswith("/contacts") and p != "/contactsx"]),
        ("PUT", "/contacts/7/merge", ["/contacts/7", "/contacts"]),
        ("PATCH", "//contacts//8/", ["/contacts", "/contacts/8"]),
        ("PATCH", "/Contacts/%38;v=1", ["/contacts", "/contacts/8"]),
        ("POST", "/elsewhere", []),
        ("POST", "/", ["/"]),
    ],
)
def test_touched(method: str, path: str, gone: list[str]) -> None:
    what = touched(method, path, element_call=True)

    assert sorted(p for p in PATHS if what.covers(segments(p))) == sorted(gone)


def test_a_write_on_the_instance_itself_touches_all_of_it() -> None:
    assert touched("PATCH", "/instances/configuration/3", element_call=True) == EVERYTHING
    assert touched("PATCH", "/instances/3", element_call=False) != EVERYTHING


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ()),
        ("/Contacts/Ab/NOTES/Cd", ("contacts", "Ab", "notes", "Cd")),
        ("/folders/%252Freports/contents", ("folders", "%2Freports", "contents")),
        ("/files/a%2Fb", ("files", "a/b")),
        ("//x;a=b///y;c/", ("x", "y")),
    ],
)
def test_segments(path: str, expected: tuple[str, ...]) -> None:
    assert segments(path) == expected


@pytest.mark.parametrize(
    ("method", "write"),
    [("GET", False), ("HEAD", False), ("OPTIONS", False), ("TRACE", False), ("POST", True), ("DELETE", True), ("get", True), ("X", True)],
)
def test_unknown_methods_are_writes(method: str, write: bool) -> None:
    assert is_write(method) is write


@pytest.mark.parametrize(("status", "happened"), [(200, True), (302, True), (400, False), (404, False), (500, True), (502, True)])
def test_only_a_refusal_says_that_nothing_happened(status: int, happened: bool) -> None:
    assert may_have_happened(status) is happened


@given(st.lists(st.sampled_from(["a", "b", "7", "c"]), min_size=1, max_size=6), st.sampled_from(["POST", "PUT", "DELETE", "FOO"]))
def test_a_write_always_touches_its_own_path(parts: list[str], method: str) -> None:
    path = "/" + "/".join(parts)

    assert touched(method, path, element_call=True).covers(segments(path))
