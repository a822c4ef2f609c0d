"""Tokens and page numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.call import ApiError, Call
from gateway.sandbox.paging import Page, decode_token, encode_token, requested_page


def page_of(query: str, largest: int = 5000) -> Page:
    return requested_page(Call("GET", ("contacts",), query), largest)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", Page(1, 200)),
        ("nextPage=", Page(1, 200)),
        ("page=0&pageSize=5", Page(1, 5)),
        ("page=3&pageSize=5", Page(3, 5)),
        ("nextPage=eyJwYWdlU2l6ZSI6MiwicGFnZSI6Mn0", Page(2, 2)),
        ("nextPage=eyJwYWdlU2l6ZSI6MiwicGFnZSI6Mn0%3D&page=9&pageSize=9", Page(2, 2)),
    ],
)
def test_the_page_that_is_asked_for(query: str, page: Page) -> None:
    assert page_of(query) == page


def test_a_size_beyond_the_provider_s_is_cut_with_a_remark_only_when_asked_for() -> None:
    assert page_of("", 100) == Page(1, 100)
    assert (page_of("pageSize=101", 100).size, "100" in page_of("pageSize=101", 100).remark) == (100, True)
    assert page_of("pageSize=100", 100).remark == ""


@given(st.integers(1, 40), st.integers(0, 200))
def test_following_tokens_visits_each_row_once_in_order(size: int, total: int) -> None:
    seen: list[int] = []
    page, token = Page(1, size), "first"
    while token:
        part, token = page.cut(total)
        seen += range(total)[part]
        page = decode_token(token, size) if token else page

    assert seen == list(range(total))


@given(st.integers(1, 10**9), st.integers(1, 5000))
def test_a_token_needs_no_escaping_and_no_padding(number: int, size: int) -> None:
    token = encode_token(number, size)

    assert token.isalnum()
    assert decode_token(token, 5000) == Page(number, size)


@given(st.text())
def test_no_other_text_breaks_it(token: str) -> None:
    status = 0
    try:
        decode_token(token, 5000)
    except ApiError as error:
        status = error.status

    assert status in (0, 400)


@pytest.mark.parametrize("token", ["e30", "W10", "eyJwYWdlIjowLCJwYWdlU2l6ZSI6MX0", "eyJwYWdlIjp0cnVlLCJwYWdlU2l6ZSI6MX0", "é", "===="])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(ApiError):
        decode_token(token, 5000)
