"""Which family answers a platform call, by the first segment of its path. What is in no table is not played: 404."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.sandbox.call import Answer, Call, not_found
from gateway.sandbox.platform.elements import elements_answer, hubs_answer
from gateway.sandbox.platform.instances import instances_answer
from gateway.sandbox.platform.login import login_answer, users_answer
from gateway.sandbox.platform.organization import accounts_answer, organizations_answer
from gateway.sandbox.state import Sandbox
from gateway.sandbox.usage.answers import usage_answer

_FAMILIES: Mapping[str, Callable[[Sandbox, Call, list[str]], Answer]] = {
    "accounts": accounts_answer,
    "authentication": login_answer,
    "elements": elements_answer,
    "hubs": hubs_answer,
    "instances": instances_answer,
    "organizations": organizations_answer,
    "usage": usage_answer,
    "users": users_answer,
}


def platform_answer(sandbox: Sandbox, call: Call) -> Answer:
    """The answer to a call that was admitted. Raises ``ApiError``."""
    head, *rest = call.path or ("",)
    family = _FAMILIES.get(head)
    if family is None:
        raise not_found()
    return family(sandbox, call, rest)
