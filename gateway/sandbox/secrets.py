"""Which secrets of users and of the organization are taken: those of the start, until ``/sandbox/secrets`` says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.sandbox.authorization import same
from gateway.sandbox.call import ApiError, Row

_MOST = 16


@dataclass(slots=True)
class Secrets:
    """``user`` and ``organization`` are those of the start. Any of ``users`` goes with any of ``organizations``; an empty list lets
    nobody in. The first of each is the one that answers show."""

    user: str = field(repr=False)
    organization: str = field(repr=False)
    users: list[str] = field(init=False, repr=False)
    organizations: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.users, self.organizations = [self.user], [self.organization]

    def takes(self, user: str | None, organization: str | None) -> bool:
        """Whether what was presented is right; what was not is left open."""
        return _among(user, self.users) and _among(organization, self.organizations)

    def load(self, document: Row) -> None:
        """``{"users": […], "organizations": […]}``; what is not named stays. Raises ``ApiError`` 400, and then nothing has changed."""
        unknown = set(document) - {"users", "organizations"}
        if unknown:
            raise ApiError(400, f"{min(unknown)[:40]}: expected users or organizations")
        users, organizations = (_texts(document, key, now) for key, now in self.document().items())
        self.users, self.organizations = users, organizations

    def document(self) -> dict[str, list[str]]:
        return {"users": list(self.users), "organizations": list(self.organizations)}


def _among(presented: str | None, good: list[str]) -> bool:
    return presented is None or any([same(presented, one) for one in good])  # noqa: C419 - all are compared, for time's sake


def _texts(document: Row, key: str, now: list[str]) -> list[str]:
    texts = document.get(key, now)
    if not isinstance(texts, list) or len(texts) > _MOST or not all(isinstance(text, str) and text for text in texts):
        raise ApiError(400, f"{key}: expected a list of at most {_MOST} texts, none of them empty")
    return texts
