"""Provisioning by OAuth (API page 7.1, 7.2), both sides of it: the URL that Cloud Elements makes, and the provider's page behind it.

The provider's page asks nobody: it sends the browser straight back to the callback with a code, or with an error where its URL
carries ``deny=true``.
"""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import urlencode

from gateway.sandbox.call import Answer, ApiError, Call, Row, not_found
from gateway.sandbox.catalog import Element

PROVIDER = "/sandbox/provider/"
_PROXY = "https://auth.cloudelements.io/oauth"  # API page 7.5: callbackProxy=true
_DEFAULT_APP: Row = {"apiKey": "default-app", "apiSecret": "default-app", "callbackUrl": _PROXY}


def oauth_answer(call: Call, element: Element, rest: list[str]) -> Answer:
    """``/elements/{key}/oauth/**``. Raises ``ApiError`` 400 for a parameter that is missing and an element without OAuth."""
    if not element.authentication.startswith("oauth"):
        raise ApiError(400, f"{element.key} is not authorized by OAuth but by {element.authentication}")
    match rest:
        case ["url"]:
            call.allow("GET", "POST")
            return _url(call, element, call.json() if call.method == "POST" else _query(call))
        case ["url", "default"]:
            call.allow("GET")
            return _url(call, element, _DEFAULT_APP | {key: value for key, value in _query(call).items() if value})
        case ["token"] if element.authentication == "oauth1":
            call.allow("GET")
            key = _needed(_query(call), "apiKey", "apiSecret", "callbackUrl")["apiKey"]
            return Answer({"token": _digest("request token", element.key, key), "secret": _digest("request secret", element.key, key)})
    raise not_found()


def provider_answer(call: Call, element: Element) -> Answer:
    """The provider's page: 302 to the callback. Raises ``ApiError`` 400 where the URL is not one that ``oauth/url`` made."""
    call.allow("GET")
    callback = call.needs("redirect_uri")
    if not callback.startswith(("http://", "https://")):
        raise ApiError(400, "Invalid value for redirect_uri: expected an http URL")
    given = {"state": call.param("state")} if call.param("state") else {}
    if call.flag("deny"):
        given = {"error": "access_denied"} | given
    elif element.authentication == "oauth1":
        given = {"oauth_token": call.needs("oauth_token"), "oauth_verifier": _digest("verifier", call.param("oauth_token"))[:12]} | given
    else:
        given = {"code": _digest("code", element.key, call.needs("client_id"), callback)[:24]} | given
    return Answer(status=302, headers={"Location": f"{callback}{'&' if '?' in callback else '?'}{urlencode(given)}"})


def _url(call: Call, element: Element, given: Row) -> Answer:
    if element.authentication == "oauth1":
        asked = {"oauth_token": _needed(given, "requestToken")["requestToken"], "redirect_uri": str(given.get("callbackUrl") or _PROXY)}
    else:
        needed = _needed(given, "apiKey", "apiSecret", "callbackUrl")
        asked = {"response_type": "code", "client_id": needed["apiKey"], "redirect_uri": needed["callbackUrl"]}
        if str(given.get("callbackProxy")).lower() == "true":
            asked["redirect_uri"] = _PROXY
    asked |= {name: str(given[name]) for name in ("scope", "state") if given.get(name)}
    host = call.headers.get("host", "localhost")
    return Answer({"element": element.key, "oauthUrl": f"http://{host}{PROVIDER}{element.key}/authorize?{urlencode(asked)}"})


def _query(call: Call) -> Row:
    names = ("apiKey", "apiSecret", "callbackUrl", "scope", "state", "siteAddress", "callbackProxy", "requestToken")
    return {name: call.param(name) for name in names}


def _needed(given: Row, *names: str) -> dict[str, str]:
    missing = [name for name in names if not isinstance(given.get(name), str) or not given[name]]
    if missing:
        raise ApiError(400, f"Missing required parameter: {', '.join(missing)}")
    return {name: str(given[name]) for name in names}


def _digest(*of: str) -> str:
    return sha256("/".join(of).encode()).hexdigest()
