"""Whatever is asked, the answer is one of the API's: never a 500, and an error is the error object."""

from __future__ import annotations

import random

import pytest

from .conftest import Api

_SEGMENTS = """
files folders contents metadata copy links revisions comments search storage bulk query jobs status cancel errors data objects
ping contacts accounts lists incidents invoices 60422 510001 %252F %252Freports %2F%2F readme.txt x %00 %FF %C3%A9 instances
configuration enabled count trace-logging elements oauth url token default hubs crm usage analytics times users authentication
secrets organizations 481101 hubspot quickbooks Contact
""".split()
_NAMES = """path text startDate where orderBy page pageSize nextPage fields q from to status tags[] keys[] interval overwrite size apiKey
apiSecret callbackUrl since pageOffset""".split()
_VALUES = """/readme.txt /reports / x ' %27a%27 -1 0 1e9 2019-01-01 select%20*%20from%20contacts name=%27a%27 true %00 %FF a%20desc
eyJwYWdlU2l6ZSI6MiwicGFnZSI6Mn0 999999999999999999999999999999 0001-01-01T00:00:00-23:00 9999-12-31T23:59:59-23:59""".split()
_FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\nId,LastName\n1,a\n\r\n--b\r\n'
    b'Content-Disposition: form-data; name="metaData"\r\n\r\n{"action": "upsert"}\r\n--b--\r\n'
)
_BODIES = [
    _FORM, b"", b"{}", b"null", b'{"path": "/a"}', b'{"path": "/reports/in"}', b'{"name": "/", "tags": ["a"]}', b'{"duration": 1e9}',
    b'{"configuration": {"a": 1}}', b'{"propertyValue": 1}', b'{"id": 1, "Id": {}}', b'{"updatedDate": 5, "number": {"a": null}}',
]  # fmt: skip
_TYPES = ("application/json", "multipart/form-data; boundary=b", "application/octet-stream", "text/plain")


@pytest.fixture
def everything() -> bool:
    return True


@pytest.mark.parametrize("seed", range(4))
async def test_no_call_breaks_it(api: Api, seed: int) -> None:
    choose = random.Random(seed).choice
    names = ["acme-hubspot", "acme-sfdc", "hooli-box", "hooli-dropboxv2", "hooli-quickbooks", "platform"]
    for number in range(150):
        behind = number % 8 == 0
        target = "".join(f"/{choose(_SEGMENTS)}" for _ in range(choose([1, 2, 3, 4])))
        target = f"/sandbox/instances/{choose(names[:3])}{target}" if behind else target
        target += "?" + "&".join(f"{choose(_NAMES)}={choose(_VALUES)}" for _ in range(choose([0, 1, 3])))
        alive = [name for name in names if name == "platform" or any(one.name == name for one in api.sandbox.instances)]
        method, kind, body = choose(["GET", "POST", "PUT", "PATCH", "DELETE"]), choose(_TYPES), choose(_BODIES)
        reply = await api(method, target, as_=choose(alive), data=body, headers={"Content-Type": kind})

        assert reply.status < 500, (method, target, body)
        if reply.status >= 400:
            assert {"requestId", "message"} <= set(reply.json) <= {"requestId", "message", "providerMessage"}
