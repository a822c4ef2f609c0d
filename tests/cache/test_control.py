"""What an answer says about its own caching, in ``Cache-Control`` and in ``CDN-Cache-Control`` (RFC 9111 §5.2.2, RFC 9213)."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.control import FOREVER_S, Control, _control, control_of
from gateway.exchange import Headers

NUMBERS = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"]
FLAGS = ["no-store", "no-cache", "private", "public", "must-revalidate", "must-understand"]


def said(general: str | None = None, targeted: str | None = None) -> Control:
    fields = (("Cache-Control", general), ("CDN-Cache-Control", targeted))
    return control_of(Headers([(name, value) for name, value in fields if value is not None]))


@pytest.mark.parametrize("name", FLAGS)
def test_each_flag_means_itself_alone(name: str) -> None:
    for spelling in (name, name.upper(), f" {name} ", f"ext=1,{name}", f'{name},ext="a, b"'):
        control = said(spelling)
        assert {flag for flag in FLAGS if getattr(control, flag.replace("-", "_"))} == {name}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("=60", 60.0),
        ('="60"', 60.0),
        ("=0", 0.0),
        ("=007", 7.0),
        ("=99999999999", FOREVER_S),
        ("", 0.0),
        ("=", 0.0),
        ("=-1", 0.0),
        ("=1.5", 0.0),
        ("=60s", 0.0),
        ("='60'", 0.0),
        (" =60", 0.0),
        ("=٦", 0.0),  # a digit, not an ASCII one
    ],
)
def test_each_number_and_at_its_strictest_where_it_cannot_be_read(name: str, value: str, seconds: float) -> None:
    control = said(name + value)
    assert {other: getattr(control, other.replace("-", "_")) for other in NUMBERS} == {**dict.fromkeys(NUMBERS), name: seconds}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("max-age=1, max-age=2", Control(max_age=1)),
        ("max-age=x, max-age=2", Control(max_age=0)),
        ("proxy-revalidate", Control(must_revalidate=True)),
        ("no-store, no-store", Control(no_store=True)),
        ("immutable, x-odd=1, 5=6, =, ;", Control()),
        ("max-age=60;no-store", Control(max_age=0)),
        ('x="no-store", max-age=5', Control(max_age=5)),
        (r'x="a\", no-store", max-age=5', Control(max_age=5)),
        ('x="unclosed, no-store', Control(no_store=True)),
        ("no_store", Control()),
        ("xno-store, no-storex", Control()),
    ],
)
def test_odd_values(value: str, expected: Control) -> None:
    assert said(value) == expected


def test_several_lines_are_one_value() -> None:
    assert control_of(Headers([("cache-control", "max-age=1"), ("CACHE-CONTROL", "no-store, max-age=2")])) == Control(
        max_age=1, no_store=True
    )


@pytest.mark.parametrize("name", ["no-cache", "private"])
@pytest.mark.parametrize(
    ("value", "whole", "fields"),
    [
        ("", True, set()),
        ('=""', True, set()),
        ('=" , "', True, set()),
        ('="Set-Cookie"', False, {"set-cookie"}),
        ('="X-A,x-b , X-A"', False, {"x-a", "x-b"}),
        ("=X-A", False, {"x-a"}),
    ],
)
def test_with_names_it_is_about_these_fields_only(name: str, value: str, whole: bool, fields: set[str]) -> None:
    control = said(name + value)
    flags, named = (control.no_cache, control.private), (control.no_cache_fields, control.private_fields)
    if name == "private":
        flags, named = flags[::-1], named[::-1]
    assert flags == (whole, False)
    assert named == (frozenset(fields), frozenset())


@pytest.mark.parametrize(
    ("value", "forbidden"),
    [
        ("must-revalidate", True),
        ("proxy-revalidate", True),
        ("no-cache", True),
        ("s-maxage=60", True),
        ('no-cache="x"', False),
        ("max-age=60", False),
        ("", False),
        ("stale-if-error=60", False),
    ],
)
def test_what_forbids_stale_answers(value: str, forbidden: bool) -> None:
    assert said(value).stale_forbidden is forbidden


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("max-age=60", Control(max_age=60, targeted=True)),
        ("max-age=60;x=1; y=?0;z", Control(max_age=60, targeted=True)),
        ('max-age=60;x="a, no-store"', Control(max_age=60, targeted=True)),
        ('ext="a, no-store", max-age=60', Control(max_age=60, targeted=True)),
        (r'ext="a\"b, no-store", max-age=60', Control(max_age=60, targeted=True)),
        ("no-store", Control(no_store=True, targeted=True)),
        ("no-store=?1", Control(no_store=True, targeted=True)),
        ("no-store=?0, max-age=60", Control(max_age=60, targeted=True)),
        ("no-store, no-store=?0, max-age=60", Control(max_age=60, targeted=True)),
        ("no-store=?0, no-store", Control(no_store=True, targeted=True)),
        ("max-age=60, max-age=70", Control(max_age=70, targeted=True)),  # of a repeated key the last
        ("max-age=-1", Control(max_age=0, targeted=True)),
        (' max-age=60 ,\tprivate="x-a, x-b"', Control(max_age=60, private_fields=frozenset({"x-a", "x-b"}), targeted=True)),
        ("max-age=60, x=tok/en:1, y=:YQ==:, z=1.5, *a=1", Control(max_age=60, targeted=True)),
    ],
)
def test_the_targeted_field_goes_before_the_general_one(value: str, expected: Control) -> None:
    assert said("max-age=5, public", value) == expected
    assert said(None, value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ",",
        "max-age=60,",
        ",max-age=60",
        "max-age=60 no-store",
        "max-age=60,,no-store",
        "Max-Age=60",
        "max-age =60",
        "max-age= 60",
        "max-age='60'",
        "max-age=60s",
        "max-age",
        "max-age=?1",
        'max-age="60"',
        "max-age=1.5",
        "max-age=1234567890123456",
        'x="unclosed',
        'x="\\a"',
        'x="ä"',
        "no-store;",
        "no-store;X=1",
        "no-store=?2",
        "&&&",
        "s-maxage=x",
        "no-store=(",
    ],
)
def test_a_targeted_field_that_is_no_dictionary_is_ignored_whole(value: str) -> None:
    assert said("max-age=5", value) == Control(max_age=5)
    assert said(None, value) == Control()


def test_long_values_are_read_and_not_remembered() -> None:
    _control.cache_clear()
    control = said("max-age=5, " + "x" * 2000, "max-age=60, x" + "y" * 65_536)
    assert control == Control(max_age=60, targeted=True)
    assert said("max-age=5, x=" + "x" * 1100) == Control(max_age=5)
    assert _control.cache_info().currsize == 0
    said("max-age=5")
    assert _control.cache_info().currsize == 1


@pytest.mark.parametrize(
    "value",
    [
        'a="' * 20_000,
        "a=" * 30_000,
        '"' * 65_536,
        "," * 65_536,
        'a="\\"' * 13_000,
        "a;b" * 20_000,
        "a=1;" * 16_000,
        " " * 65_536 + "a",
        "a" * 65_536,
        "?1," * 20_000,
    ],
)
def test_no_value_of_64_kib_takes_long(value: str) -> None:
    began = process_time()
    said(value, value)
    assert process_time() - began < 0.5


@given(st.text(), st.text())
def test_nothing_breaks_the_reading(general: str, targeted: str) -> None:
    control = said(general, targeted)
    for seconds in (control.max_age, control.s_maxage, control.stale_while_revalidate, control.stale_if_error):
        assert seconds is None or 0 <= seconds <= FOREVER_S
