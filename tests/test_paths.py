"""Paths: byte for byte up, canonical in what we decide by, no way out of the prefix."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.errors import BadRequest, NotFound
from gateway.paths import canonical, hub_of, origin_form, refuse_dot_segments, shape, split_prefix, without_hub

PREFIX = "/elements/api-v2"
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=30)
plain = st.text("abcXYZ019-_~!$&'()*+,=:@.", min_size=1, max_size=8).filter(lambda text: text.strip("."))


def encoded(text: str, depth: int, upper: bool) -> str:
    """``text`` percent-encoded ``depth`` times."""
    for _ in range(depth):
        text = "".join(f"%{ord(one):02x}" if depth == 1 or one not in "0123456789abcdefABCDEF" else one for one in text)
    return text.upper() if upper else text


spelled = st.builds(encoded, st.just("."), st.integers(0, 3), st.booleans())
separators = st.builds(encoded, st.sampled_from("/\\"), st.integers(0, 3), st.booleans())
endings = st.one_of(
    st.just(""), st.builds(encoded, st.sampled_from(";?\0 \t"), st.integers(1, 3), st.booleans()), st.just(";"), st.just(";a=b")
)


@given(st.lists(plain, max_size=2), st.lists(spelled, min_size=1, max_size=2), separators, separators, endings, st.lists(plain, max_size=2))
def test_no_spelling_of_a_dot_segment_passes(
    before: list[str], dots: list[str], left: str, right: str, ending: str, after: list[str]
) -> None:
    path = "/" + "/".join(before) + left + "".join(dots) + ending + (right + "/".join(after) if after else "")

    with pytest.raises(BadRequest):
        refuse_dot_segments(path)


@pytest.mark.parametrize(
    "path",
    ["/..", "/a/..", "/a/../b", "/%2e%2e", "/%2E./b", "/..%2fb", "/..%5cb", "/..\\b", "/..;", "/..;x=y/b", "/..%00", "/..%00/b",
     "/.", "/./a", "/%2e",
     "/a/%252e%252e/b", "/a%2f..%2fb", "/a/..%3b/b", "/a/..%20/b", "/a/..%09", "/a/..%3fx", "/..%23", "/a/%25252e%25252e"],
)  # fmt: skip
def test_dot_segments_of_the_contract(path: str) -> None:
    with pytest.raises(BadRequest):
        refuse_dot_segments(path)
    with pytest.raises(BadRequest):
        split_prefix(PREFIX + path)


@pytest.mark.parametrize(
    "path",
    ["/", "", "/a.b", "/.hidden", "/..hidden", "/a..", "/...", "/a/b..c/d", "/folders/%252Freports/contents", "//vdrs/x",
     "/a%20b", "/%E2%82%AC", "/a;v=..",
     "/%", "/%zz", "/100%25", "/a%2eb", "/v1.0/x/"],
)  # fmt: skip
def test_other_dots_pass(path: str) -> None:
    refuse_dot_segments(path)
    assert split_prefix(PREFIX + path) == ((None, None, None), path)


@given(st.lists(plain, max_size=4).map("/".join), visible)
def test_path_and_query_go_through_byte_for_byte(path: str, query: str) -> None:
    rest = f"/{path}?{query}"

    assert split_prefix(PREFIX + rest) == ((None, None, None), rest)
    assert split_prefix("/e/dev/c/acme/hubspot" + PREFIX + rest) == (("dev", "acme", "hubspot"), rest)


@given(visible)
def test_a_query_may_hold_dot_segments(query: str) -> None:
    assert split_prefix(f"{PREFIX}/x?/../{query}")[1] == f"/x?/../{query}"


@pytest.mark.parametrize(
    ("prefix", "address"),
    [
        ("", (None, None, None)),
        ("/e/dev", ("dev", None, None)),
        ("/c/acme", (None, "acme", None)),
        ("/c/acme/hubspot", (None, "acme", "hubspot")),
        ("/e/dev/c/acme", ("dev", "acme", None)),
        ("/e/dev/c/acme/hubspot", ("dev", "acme", "hubspot")),
        ("/c/a%20b%C3%A9", (None, "a bé", None)),
        ("/c/elements", (None, "elements", None)),
        ("/c/elements/api-v2", (None, "elements", "api-v2")),
        ("/c/c/e", (None, "c", "e")),
        ("/e/c/c/e", ("c", "e", None)),
    ],
)
@pytest.mark.parametrize("rest", ["", "/", "/x", "?a=b", "//x/", "/elements/api-v2/x"])
def test_addresses_before_the_prefix(prefix: str, address: tuple[str | None, ...], rest: str) -> None:
    assert split_prefix(prefix + PREFIX + rest) == (address, rest)


@pytest.mark.parametrize(
    "target",
    ["/", "/elements", "/elements/api-v1/x", "/elements/api-v2x", "/ELEMENTS/api-v2/x", "//elements/api-v2/x",
     "/e/elements/api-v2", "/c//elements/api-v2/x",
     "/e/dev/e/dev/elements/api-v2/x", "/c/a/b/d/elements/api-v2/x", "/x/elements/api-v2/x", "/elements%2fapi-v2/x",
     "/?/elements/api-v2/x"],
)  # fmt: skip
def test_outside_of_the_prefix_there_is_nothing(target: str) -> None:
    with pytest.raises(NotFound):
        split_prefix(target)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a?b", "/a?b"),
        ("http://h/a?b", "/a?b"),
        ("HTTPS://h:1/a", "/a"),
        ("http://h", "/"),
        ("http://h?x", "?x"),
        ("//h/a", "//h/a"),
        ("/a%zz", "/a%zz"),
    ],
)
def test_the_origin_form(target: str, expected: str) -> None:
    assert origin_form(target) == expected


@pytest.mark.parametrize(
    "target", ["", "*", "a", "h:80", "ftp://h/a", "http:///a", "http://u@h/a", "/a#b", "/a b", "/a\tb", "/a\x00", "/é", "/a\n", "http://"]
)
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(BadRequest):
        origin_form(target)


@given(st.text(max_size=40))
def test_canonical_is_idempotent_and_clean(path: str) -> None:
    once = canonical(path)

    assert once.startswith("/")
    assert "//" not in once
    assert once == "/" or not once.endswith("/")
    assume("%" not in once)
    assert canonical(once) == once


@pytest.mark.parametrize(
    "path",
    [
        "/instances",
        "/Instances/",
        "//instances",
        "/%69nstances",
        "/%2569nstances",
        "/instances;x=y",
        "\\instances",
        "/INSTANCES%3b",
        "/instances%00",
        "/%2finstances",
    ],
)
def test_every_spelling_of_a_family_is_that_family(path: str) -> None:
    assert canonical(path) == "/instances"
    assert canonical(path + "/7") == "/instances/7" or path.endswith(("%3b", "%00", "x=y"))


@pytest.mark.parametrize(
    ("path", "rest", "hub"),
    [
        ("/hubs/crm/contacts", "/contacts", "crm"),
        ("/hubs/crm/contacts/7/", "/contacts/7/", "crm"),
        ("/hubs/anything//x", "//x", "anything"),
        ("//hubs//crm/x", "/x", "crm"),
        ("/contacts", "/contacts", None),
        ("/hubs", "/hubs", None),
        ("/hubs/crm", "/hubs/crm", None),
        ("/hubs/crm/", "/hubs/crm/", None),
        ("/hubs/crm/hubs/x/y", "/hubs/x/y", "crm"),
        ("/x/hubs/crm/contacts", "/x/hubs/crm/contacts", None),
    ],
)
def test_a_hub_is_not_part_of_the_resource(path: str, rest: str, hub: str | None) -> None:
    assert (without_hub(path), hub_of(path)) == (rest, hub)


@given(st.lists(st.text(max_size=50), max_size=12).map("/".join))
def test_a_shape_is_bounded_and_idempotent(path: str) -> None:
    label = shape(path)

    assert shape(label) == label
    assert len(label) <= 41 + 5 * 15
    assert label.count("/") <= 6


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/contacts", "/contacts"),
        ("/contacts/7", "/contacts/{id}"),
        ("/contacts/jane@acme.test", "/contacts/{id}"),
        ("/contacts/7/activities/8", "/contacts/{id}/activities/{id}"),
        ("//contacts//7/", "/contacts/{id}"),
        ("/ContactsCustom__c", "/ContactsCustom__c"),
        ("/7", "/{id}"),
        ("/contacts/acme", "/contacts/{id}"),
        ("", "/"),
        ("/", "/"),
        ("/a/" + "x/" * 20, "/a" + "/{id}" * 5),
        ("/" + "a" * 41, "/{id}"),
    ],
)
def test_shapes(path: str, expected: str) -> None:
    assert shape(path) == expected


@given(st.from_regex(r"[A-Za-z0-9]{12,40}", fullmatch=True))
def test_an_id_behind_a_resource_is_never_in_a_shape(value: str) -> None:
    assert value not in shape(f"/contacts/{value}/x")
