"""The sandbox plays the elements that the presets know: where both know an element, they agree."""

from __future__ import annotations

from typing import Literal

import pytest

from gateway.elements.preset import shipped
from gateway.sandbox.catalog import ELEMENTS
from gateway.sandbox.limits.forms import FORMS, Breach
from gateway.sandbox.limits.table import TABLE

BREACHES: list[Literal["rate", "daily", "concurrency"]] = ["rate", "daily", "concurrency"]


def test_both_know_the_same_hub() -> None:
    both = ELEMENTS.keys() & shipped().keys()

    assert len(both) >= 5
    assert {key: ELEMENTS[key].hub for key in both if ELEMENTS[key].hub not in shipped()[key].element.hubs} == {}


def said(text: str) -> str:
    """As signals are compared: case and white space aside."""
    return "".join(text.lower().split())


@pytest.mark.parametrize("key", sorted(TABLE.keys() & shipped().keys()))
@pytest.mark.parametrize("kind", BREACHES)
def test_a_refusal_shows_itself_as_the_preset_says(key: str, kind: Literal["rate", "daily", "concurrency"]) -> None:
    answer = FORMS[TABLE[key].form](ELEMENTS[key], Breach(kind, 10, 10.0, 1.0), "request-id")
    body = said(answer.encoded().decode())
    signals = shipped()[key].element.limit_signals

    assert any(answer.status == signal.status and said(signal.contains or "") in body for signal in signals)


def test_a_record_that_holds_the_number_is_no_refusal() -> None:
    body = said('[{"id": "606", "score": 607, "note": "615"}]')

    assert not any(one.contains and said(one.contains) in body for one in shipped()["marketo"].element.limit_signals)
