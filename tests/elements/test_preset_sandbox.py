"""The sandbox plays the elements that the presets know: where both know an element, they agree."""

from __future__ import annotations

from gateway.elements.preset import shipped
from gateway.sandbox.catalog import ELEMENTS
from gateway.sandbox.limits.table import TABLE


def test_both_know_the_same_hub() -> None:
    both = ELEMENTS.keys() & shipped().keys()

    assert len(both) >= 5
    assert {key: ELEMENTS[key].hub for key in both if ELEMENTS[key].hub not in shipped()[key].element.hubs} == {}


def test_what_the_sandbox_takes_at_once_is_not_exceeded() -> None:
    # Salesforce counts long calls alone, which no figure of ours says: its preset tells so.
    counted = [key for key in TABLE.keys() & shipped().keys() if TABLE[key].concurrency and not key.startswith("sfdc")]

    assert {"marketo", "xero", "netsuiteerpv2"} < set(counted)
    assert all(1 <= (shipped()[key].element.concurrency or 0) <= TABLE[key].concurrency for key in counted)


def test_every_netsuite_takes_one_call_at_a_time() -> None:
    keys = [key for key in shipped() if key.startswith("netsuite")]

    assert len(keys) == 8
    assert {shipped()[key].element.concurrency for key in keys} == {1}
