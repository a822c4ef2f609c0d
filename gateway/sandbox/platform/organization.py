"""The organization and its accounts (API page 3.5)."""

from __future__ import annotations

from gateway.sandbox.call import Answer, Call, not_found
from gateway.sandbox.state import Sandbox


def organizations_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """``/organizations/me``, secret included. Raises ``ApiError`` 404 for another."""
    if rest != ["me"]:
        raise not_found()
    call.allow("GET")
    return Answer(
        {
            "id": 2202,
            "name": "Sandbox",
            "secret": sandbox.organization_secret,
            "externalId": "sandbox",
            "environment": "test",
            "status": "trial",
            "customerId": 1,
            "vdrVersion": "2.0",
            "active": True,
            "canCreatePeer": False,
            "twoFactorAuthEnabled": False,
        }
    )


def accounts_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """The platform's own accounts: what ``/accounts`` is without an Element token (API page 0.2 #3)."""
    if rest:
        raise not_found()
    call.allow("GET")
    return Answer(
        [
            {
                "id": 3301,
                "name": "Sandbox",
                "description": "The default account",
                "externalId": "sandbox",
                "type": "Default",
                "defaultAccount": True,
                "active": True,
                "companyId": 2202,
                "customerId": 1,
                "customerName": "Sandbox",
            }
        ]
    )
