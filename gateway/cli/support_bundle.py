"""What may leave the house about a call: nothing but what is listed here, and of that no name, no handle, no address of a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from gateway.paths import PREFIX

_ABOUT = (
    "Calls to Cloud Elements through a gateway of their customer. Names of end customers are replaced by a pseudonym, the same each time; "
    "queries, headers, bodies, credentials and handles are left out. Durations are in milliseconds, times in UTC."
)
_TAKEN = """elements_request_id request_id trace_id method path element instance_id status upstream_status upstream_calls provider_message
    problem outcome phase cache limited ms own_ms queue_ms upstream_ms bytes_up bytes_down""".split()
_TEXTS = ("path", "provider_message", "request_id")
"""What others than the gateway have worded."""
_GATEWAYS_OWN = re.compile(r"gw[ki]_\w+")
_EMAIL = re.compile(r"[\w.+-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63})+", re.IGNORECASE)


def bundle(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The document for a support ticket about ``items``, as ``GET /admin/v1/exchanges/{request_id}`` answers them."""
    return {"about": _ABOUT, "gateway": items[0]["gateway"] if items else "", "calls": [_call(item) for item in items]}


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    call: dict[str, Any] = {"time": datetime.fromisoformat(item["time"]).astimezone(UTC).isoformat(timespec="milliseconds")}
    call |= {name: item[name] for name in _TAKEN if name in item}
    if "path" in call:
        # What stands before it may name the customer, and never left.
        call["path"] = PREFIX + behind if (behind := item["path"].partition(PREFIX)[2].partition("?")[0]) else "/"
    customer, alias = item.get("customer"), item.get("customer_alias", "customer")
    if customer:
        call["customer"] = alias
    return call | {name: _redacted(call[name], customer, alias) for name in _TEXTS if name in call}


def _redacted(text: str, customer: str | None, alias: str) -> str:
    text = _EMAIL.sub("[email]", _GATEWAYS_OWN.sub("[handle]", text))
    if not customer:
        return text
    spellings = {customer, quote(customer, safe=""), quote(customer), customer.replace(" ", "+"), unquote(customer)}
    names = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))
    return re.sub(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])", lambda _: alias, text, flags=re.IGNORECASE)
