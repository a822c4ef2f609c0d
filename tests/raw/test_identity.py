"""Who is calling, and for whom: one value each, one spelling, nothing of it goes on (contract 2.1, 2.2; threats 1-3)."""

from __future__ import annotations

import pytest

from tests.support.cases import BASE, Case, Seen, ask
from tests.support.lane import Lane

X = f"GET {BASE}/x"
KEY, ACME = "X-Api-Key: @KEY@", "Gateway-Customer: acme"


def who(name: str, *lines: str, expect: int | str = 200, target: str = "~/x") -> Case:
    """Only ``lines`` say who calls and for whom."""
    return Case(name, ask(f"GET {target}", *lines, who=False), (expect,), (Seen(),) if expect == 200 else ())


def spoiled(name: str, *lines: str) -> Case:
    """Right identity, then ``lines``: refused."""
    return Case(name, ask("GET ~/x", *lines), ("bad-request",), ())


GOOD = [
    who("api-key", KEY, ACME),
    who("bearer", "Authorization: Bearer @KEY@", ACME),
    who("bearer-lower-case", "authorization: bearer @KEY@", "gateway-customer: acme"),
    who("bearer-two-blanks", "Authorization: Bearer  @KEY@", ACME),
    who("user", "Authorization: User @KEY@", ACME),
    who("user-organization", "Authorization: User @KEY@, Organization dev", ACME),
    who("user-element", "Authorization: User @KEY@, Organization dev, Element @HANDLE@"),
    who("user-element-colon", "Authorization: User @KEY@, Organization dev, Element: @HANDLE@"),
    who("user-any-order", "Authorization: Element @HANDLE@,Organization dev,User @KEY@"),
    who("user-lower-case", "Authorization: user @KEY@, organization dev, element @HANDLE@"),
    who("user-no-blanks", "Authorization: User @KEY@,Organization dev,Element @HANDLE@"),
    who("environment", KEY, ACME, "Gateway-Environment: dev"),
    who("element", KEY, ACME, "Gateway-Element: rawelement"),
    who("instance", KEY, "Gateway-Instance: @HANDLE@"),
    who("instance-path", KEY, "Gateway-Instance: dev/acme/rawelement"),
    who("bearer-before-api-key", "Authorization: Bearer @KEY@", "X-Api-Key: gwk_none_none", ACME),
    who("prefix", KEY, target="/c/acme/elements/api-v2/x"),
    who("prefix-element", KEY, target="/c/acme/rawelement/elements/api-v2/x"),
    who("prefix-environment", KEY, target="/e/dev/c/acme/elements/api-v2/x"),
    who("prefix-before-header", KEY, "Gateway-Customer: nobody", target="/c/acme/elements/api-v2/x"),
    who("prefix-environment-before-header", KEY, ACME, "Gateway-Environment: nowhere", target="/e/dev/elements/api-v2/x"),
]

NOBODY = [
    who("nothing", ACME, expect="unauthenticated"),
    who("api-key-wrong", "X-Api-Key: gwk_none_none", ACME, expect="unauthenticated"),
    who("api-key-empty", "X-Api-Key: ", ACME, expect="unauthenticated"),
    who("api-key-garbage", "X-Api-Key: \xff\xfe'; DROP TABLE keys; --", ACME, expect="unauthenticated"),
    who("api-key-longer", "X-Api-Key: @KEY@x", ACME, expect="unauthenticated"),
    who("api-key-list", "X-Api-Key: @KEY@, @KEY@", ACME, expect="unauthenticated|bad-request"),
    who("bearer-wrong", "Authorization: Bearer gwk_none_none", ACME, expect="unauthenticated"),
    who("bearer-empty", "Authorization: Bearer", ACME, expect="unauthenticated"),
    who("bearer-list", "Authorization: Bearer @KEY@, Bearer @KEY@", ACME, expect="unauthenticated|bad-request"),
    who("authorization-empty", "Authorization: ", ACME, expect="unauthenticated"),
    who("basic", "Authorization: Basic QEtFWUA6", ACME, expect="unauthenticated"),
    who("digest", 'Authorization: Digest username="a"', ACME, expect="unauthenticated"),
    who("scheme-missing", "Authorization: @KEY@", ACME, expect="unauthenticated"),
    who("user-wrong", "Authorization: User gwk_none_none, Organization dev, Element @HANDLE@", expect="unauthenticated"),
    who("user-missing", "Authorization: Organization dev, Element @HANDLE@", expect="unauthenticated"),
    who("user-twice", "Authorization: User @KEY@, User gwk_none_none", ACME, expect="unauthenticated|bad-request"),
    who("key-in-query", ACME, target="~/x?api_key=@KEY@&X-Api-Key=@KEY@", expect="unauthenticated"),
    who("key-in-cookie", "Cookie: X-Api-Key=@KEY@", ACME, expect="unauthenticated"),
    who("key-in-proxy-authorization", "Proxy-Authorization: Bearer @KEY@", ACME, expect="unauthenticated"),
    who("key-by-underscores", "X_Api_Key: @KEY@", ACME, expect="bad-request|unauthenticated"),
]

WHOM = [
    who("customer-unknown", KEY, "Gateway-Customer: nobody", expect="no-instance"),
    who("customer-case", KEY, "Gateway-Customer: ACME", expect="no-instance"),
    who("customer-list", KEY, "Gateway-Customer: acme, nobody", expect="no-instance|bad-request"),
    who("customer-star", KEY, "Gateway-Customer: *", expect="no-instance|bad-request"),
    who("customer-quoted", KEY, 'Gateway-Customer: "acme"', expect="no-instance|bad-request"),
    who("customer-injection", KEY, "Gateway-Customer: acme' OR '1'='1", expect="no-instance|bad-request"),
    who("customer-encoded-line-end", KEY, target="/c/acme%0d%0aX:1/elements/api-v2/x", expect="no-instance|bad-request"),
    who("customer-encoded-nul", KEY, target="/c/acme%00/elements/api-v2/x", expect="no-instance|bad-request"),
    who("customer-dots", KEY, target="/c/../elements/api-v2/x", expect="bad-request"),
    who("element-unknown", KEY, ACME, "Gateway-Element: none", expect="no-instance"),
    who("environment-unknown", KEY, ACME, "Gateway-Environment: nowhere", expect="unknown-environment|forbidden"),
    who("environment-unknown-prefix", KEY, ACME, target="/e/nowhere/elements/api-v2/x", expect="unknown-environment|forbidden"),
    who("instance-unknown", KEY, "Gateway-Instance: gwi_none", expect="no-instance"),
    who("handle-unknown", "Authorization: User @KEY@, Organization dev, Element gwi_none", expect="no-instance"),
    who("platform-without-scope", KEY, expect="forbidden"),
    # A customer that is said to be nobody must not turn an element call into a platform call.
    who("customer-empty", KEY, "Gateway-Customer: ", expect="bad-request|no-instance|forbidden"),
]

TWICE = [
    spoiled("key-twice", KEY),
    spoiled("key-twice-differ", "x-api-key: gwk_none_none"),
    spoiled("customer-twice", ACME),
    spoiled("customer-twice-differ", "Gateway-Customer: nobody"),
    spoiled("customer-twice-case", "gateway-customer: nobody"),
    spoiled("environment-twice", "Gateway-Environment: dev", "Gateway-Environment: dev"),
    spoiled("element-twice", "Gateway-Element: rawelement", "Gateway-Element: rawelement"),
    spoiled("instance-twice", "Gateway-Instance: @HANDLE@", "Gateway-Instance: @HANDLE@"),
    spoiled("authorization-twice", "Authorization: Bearer @KEY@", "Authorization: Bearer @KEY@"),
    spoiled("authorization-twice-other", "Authorization: Bearer @KEY@", "authorization: Basic Zm9v"),
    spoiled("explain-twice", "Gateway-Explain: 1", "Gateway-Explain: 1"),
    spoiled("customer-underscore", "Gateway_Customer: nobody"),
    spoiled("customer-underscore-upper-case", "GATEWAY_CUSTOMER: nobody"),
    spoiled("environment-underscore", "Gateway_Environment: prod"),
    spoiled("instance-underscore", "gateway_instance: @HANDLE@"),
    spoiled("key-underscores", "X_Api_Key: gwk_none_none"),
    spoiled("key-mixed", "X-Api_Key: gwk_none_none"),
    spoiled("customer-fold", "Gateway-Element: raw\r\n element"),
    spoiled("customer-line-feed", "X-A: 1\nGateway-Customer: nobody"),
    spoiled("customer-blank-before-colon", "Gateway-Customer : nobody"),
]


@pytest.mark.parametrize("case", [*GOOD, *NOBODY, *WHOM, *TWICE], ids=lambda case: case.id)
def test_identity(lane: Lane, case: Case) -> None:
    lane.check(case)


def test_a_key_reaches_its_own_customer_only(lane: Lane) -> None:
    mine = lane.gateway.new_key("mine", "--customer", "other-*").encode()
    for line, slug in (("Gateway-Customer: acme", "forbidden"), ("Gateway-Instance: @HANDLE@", "forbidden")):
        octets = ask("GET ~/x", "X-Api-Key: @MINE@", line, who=False).replace(b"@MINE@", mine)

        def asked(octets: bytes = octets) -> str:
            return str(lane.ask(octets).json()["type"])

        # A running gateway notices a new key within two seconds (contract 5).
        assert lane.origin.wait(lambda asked=asked: not asked().endswith("unauthenticated"), 3.0)  # type: ignore[misc]
        assert asked().endswith(f":{slug}")
    assert lane.own() == []


def test_a_platform_call_goes_without_a_token(lane: Lane) -> None:
    key = lane.gateway.new_key("platform", "--scope", "platform:read").encode()
    octets = ask("GET ~/elements", "X-Api-Key: @MINE@", who=False)
    assert lane.origin.wait(lambda: lane.ask(octets.replace(b"@MINE@", key)).status == 200, 3.0)
    lane.check_clean(lane.own()[-1], octets, platform=True)
    assert lane.own()[-1].target == f"{BASE}/elements"
