"""``ETag`` and ``If-Match`` (RFC 9110 §8.8.3, §13.1.1): nobody overwrites what somebody else changed in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.server.admin_calls import versions_of
from tests.admin.conftest import PREFIX, TOKEN, Api, refused

FORMER = '"00000000000000000000000000000000"'


def etag(api: Api, path: str) -> str:
    answer = api.call("GET", PREFIX + path)
    assert answer.status == 200, answer.body
    return answer.value("etag")


@pytest.fixture
def path(api: Api) -> str:
    """A mapping of its own."""
    return f"/instances/{api.instance()['handle']}"


@pytest.fixture
def key_path(api: Api) -> str:
    """A caller key of its own."""
    return f"/keys/{api.key()['id']}"


@pytest.mark.parametrize(
    "change", [{"disabled": True}, {"tags": ["a"]}, {"token": TOKEN + "-other"}, {"event_signature_key": "s"}], ids=str
)
def test_each_change_makes_another_etag_and_the_answer_has_it(api: Api, path: str, change: dict[str, Any]) -> None:
    before = etag(api, path)
    assert etag(api, path) == before
    answer = api.call("PATCH", PREFIX + path, f"If-Match: {before}", body=change)

    assert answer.status == 200, answer.body
    assert answer.value("etag") == etag(api, path) != before
    refused(api.call("PATCH", PREFIX + path, f"If-Match: {before}", body=change), 412, "precondition-failed")


def test_what_is_made_says_where_it_is_and_its_etag(api: Api) -> None:
    new = {"environment": "dev", "customer": "located", "element": "counted", "token": TOKEN}
    for where, body in (("/instances", new), ("/keys", {"name": "located"})):
        answer = api.call("POST", PREFIX + where, body=body)
        found = api.call("GET", answer.value("location"))
        assert found.status == 200, answer.fields
        assert found.value("etag") == answer.value("etag")
        assert found.json().items() <= answer.json().items()


@pytest.mark.parametrize("tag", [FORMER, 'W/"x"', '"a", "b"', '""'])
def test_a_change_under_another_etag_changes_nothing(api: Api, path: str, tag: str) -> None:
    before = api.call("GET", PREFIX + path)
    for method, body in (("PATCH", {"disabled": True}), ("PATCH", {}), ("DELETE", None)):
        refused(api.call(method, PREFIX + path, f"If-Match: {tag}", body=body), 412, "precondition-failed")
    after = api.call("GET", PREFIX + path)

    assert (after.json(), after.value("etag")) == (before.json(), before.value("etag"))


def test_a_weak_tag_never_matches(api: Api, path: str) -> None:
    refused(api.call("DELETE", PREFIX + path, f"If-Match: W/{etag(api, path)}"), 412, "precondition-failed")


def test_any_of_several_tags_is_enough_in_one_line_or_many(api: Api, path: str) -> None:
    assert api.call("PATCH", PREFIX + path, f"If-Match: {FORMER}, {etag(api, path)}", body={"disabled": True}).status == 200
    assert api.call("PATCH", PREFIX + path, f"If-Match: {FORMER}", f"If-Match: {etag(api, path)}", body={"tags": ["x"]}).status == 200


@pytest.mark.parametrize("fields", [(), ("If-Match: *",)], ids=["absent", "any"])
def test_without_a_condition_all_is_as_ever(api: Api, path: str, key_path: str, fields: tuple[str, ...]) -> None:
    assert api.call("PATCH", PREFIX + path, *fields, body={"disabled": True}).status == 200
    assert api.call("DELETE", PREFIX + path, *fields).status == 204
    assert api.call("POST", f"{PREFIX}{key_path}:rotate", *fields).status == 200
    assert api.call("DELETE", PREFIX + key_path, *fields).status == 204


@pytest.mark.parametrize("text", ["x", "''", '"a', '"a" "b"', '"a",', '*, "a"', 'w/"a"', '"a\tb"'])
def test_what_is_no_condition_is_refused(api: Api, path: str, text: str) -> None:
    assert "If-Match" in refused(api.call("DELETE", PREFIX + path, f"If-Match: {text}"), 400, "bad-request")["detail"]
    assert etag(api, path)


def test_what_does_not_exist_is_404_whatever_the_condition(api: Api) -> None:
    for tag in ("*", FORMER):
        refused(api.call("DELETE", f"{PREFIX}/instances/gwi_nothing", f"If-Match: {tag}"), 404, "no-instance")
        refused(api.call("POST", f"{PREFIX}/keys/nothing:rotate", f"If-Match: {tag}"), 404, "not-found")


def test_a_rotation_makes_another_etag_even_where_it_shows_nothing_new(api: Api, key_path: str) -> None:
    before = etag(api, key_path)
    answer = api.call("POST", f"{PREFIX}{key_path}:rotate", f"If-Match: {before}", body={"overlap": "0s"})

    assert answer.status == 200, answer.body
    assert answer.value("etag") == etag(api, key_path) != before
    refused(api.call("POST", f"{PREFIX}{key_path}:rotate", f"If-Match: {before}"), 412, "precondition-failed")
    refused(api.call("DELETE", PREFIX + key_path, f"If-Match: {before}"), 412, "precondition-failed")
    assert api.call("DELETE", PREFIX + key_path, f"If-Match: {answer.value('etag')}").status == 204


def test_of_many_who_saw_the_same_one_alone_changes_it(api: Api, path: str) -> None:
    """Compared in the transaction that changes it."""
    seen = etag(api, path)

    def change(number: int) -> int:
        return api.call("PATCH", PREFIX + path, f"If-Match: {seen}", body={"tags": [f"by {number}"]}).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(change, range(16)))

    assert sorted(statuses) == [200] + [412] * 15
    assert api.call("GET", PREFIX + path).json()["tags"] == [f"by {statuses.index(200)}"]


@pytest.mark.parametrize(
    ("text", "versions"),
    [("", None), (" * ", None), ('"a"', {"a"}), ('"a" ,\t"b,c"', {"a", "b,c"}), ('W/"a", "b"', {"b"}), ('W/"a"', set()), ('""', {""})],
)
def test_versions_of(text: str, versions: set[str] | None) -> None:
    assert versions_of(text) == versions


def test_versions_of_what_is_none() -> None:
    with pytest.raises(BadRequest):
        versions_of("a" * 5000)
