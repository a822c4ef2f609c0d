"""A provider's figure, what the gateway makes of it, and the head-room between the two (API page 5.6)."""

from __future__ import annotations

from math import ceil

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.limits.quota import Quota, parse_quota
from gateway.settings import QuotaText

_MONTH_S = 28 * 86400  # the shortest: what is allowed a month may all be spent in it


class Figure(BaseModel):
    """One limit or concurrency of a preset, with its source.

    ``provider`` is what the provider grants, in the same form, None where it states nothing that could be compared; ``head_room``
    says why ours is smaller: Cloud Elements polls for events and runs bulk jobs by itself, and those calls never pass here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: QuotaText | None = Field(default=None, description="As under `limits`")
    concurrency: int | None = Field(default=None, gt=0, description="Calls at once")
    provider: QuotaText | int | None = Field(default=None, description="What the provider grants")
    head_room: str = Field(min_length=1, description="What is left free, and why")
    source: str = Field(min_length=1, description="Where the provider's figure stands")
    uncertain: str | None = Field(default=None, min_length=1, description="What is not certain about it")

    @model_validator(mode="after")
    def _comparable(self) -> Figure:
        if (self.limit is None) == (self.concurrency is None):
            raise ValueError("either a limit or a concurrency")
        if self.provider is not None and isinstance(self.provider, int) != (self.concurrency is not None):
            raise ValueError("the provider's figure in the form of ours")
        return self

    @property
    def text(self) -> str:
        """Ours, as people read it: ``75/10s``, ``8 at once``."""
        return self.limit or f"{self.concurrency} at once"

    @property
    def provider_text(self) -> str | None:
        """The provider's, as people read it."""
        return f"{self.provider} at once" if isinstance(self.provider, int) else self.provider

    @property
    def left_free(self) -> float | None:
        """The share of the provider's figure that is not used in the long run, from 0 to 1; None where it states none."""
        if self.provider is None:
            return None
        if isinstance(self.provider, int):
            return 1 - (self.concurrency or 0) / self.provider
        return 1 - rate(parse_quota(self.limit or "")) / rate(parse_quota(self.provider))


def rate(quota: Quota) -> float:
    """Calls a second that ``quota`` allows in the long run."""
    return quota.limit / (quota.period_s or _MONTH_S)


def most_within(quota: Quota, span_s: int) -> int:
    """The most calls that ``quota`` allows in any ``span_s`` seconds; for a day or month, in so many that begin with it."""
    if quota.kind == "gcra":
        return quota.most + span_s * quota.limit // quota.period_s
    return quota.limit * ceil(span_s / (quota.period_s or _MONTH_S))
