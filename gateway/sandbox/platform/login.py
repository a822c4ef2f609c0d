"""Secrets by login (API page 1.4), and the users of the organization (3.5)."""

from __future__ import annotations

from gateway.sandbox.authorization import same
from gateway.sandbox.call import Answer, ApiError, Call, Row, not_found
from gateway.sandbox.draw import START, timestamp
from gateway.sandbox.instances import USER
from gateway.sandbox.state import Sandbox

PASSWORD = "sandbox-password"  # noqa: S105  known to everybody, as the two secrets are


def login_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """Raises ``ApiError`` 401 for a wrong name or password, and for a bearer token that no login gave."""
    match rest:
        case []:
            call.allow("POST")
            return _login(sandbox, call.json())
        case ["secrets"]:
            call.allow("GET")
            scheme, _, token = call.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not same(token.strip(), sandbox.login_token()):
                raise ApiError(401, "Invalid bearer token")
            return Answer({"userSecret": sandbox.user_secret, "organizationSecret": sandbox.organization_secret})
    raise not_found()


def _login(sandbox: Sandbox, body: Row) -> Answer:
    if body.get("username") != USER["emailAddress"] or not same(str(body.get("password", "")), PASSWORD):
        raise ApiError(401, "Invalid username or password")
    return Answer(
        {
            "id": USER["id"],
            "username": USER["emailAddress"],
            "token": sandbox.login_token(),
            "firstName": USER["firstName"],
            "lastName": USER["lastName"],
            "organizationId": 2202,
            "organizationName": "Sandbox",
            "accountId": 3301,
            "accountName": "Sandbox",
            "roles": [],
            "organizationAdmin": True,
            "createdDate": timestamp(START),
        }
    )


def users_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """``/users`` without an Element token: the one user, secret included. Raises ``ApiError`` 404 for another."""
    call.allow("GET")
    user = {
        "id": USER["id"],
        "email": USER["emailAddress"],
        "firstName": USER["firstName"],
        "lastName": USER["lastName"],
        "fullName": f"{USER['firstName']} {USER['lastName']}",
        "active": True,
        "enabled": True,
        "emailValid": True,
        "secret": sandbox.user_secret,
        "roles": [],
        "createdDate": timestamp(START),
    }
    match rest:
        case []:
            return Answer([user])
        case [name] if name in (str(USER["id"]), USER["emailAddress"]):
            return Answer(user)
        case [_]:
            raise ApiError(404, "No user found")
    raise not_found()
