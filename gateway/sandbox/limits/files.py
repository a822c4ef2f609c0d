"""What a file may be (API page 8.1): beyond it, Cloud Elements answers 429."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FileLimits(BaseModel):
    """Octets and seconds of one upload or download. Cloud Elements takes 6 GB; files live in memory here, so it is 64 MiB."""

    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: int = Field(64 * 1024 * 1024, ge=1, le=1024**3)
    seconds: float = Field(3600.0, gt=0, le=3600)

    @property
    def too_large(self) -> str:
        """What the 429 says of a file of too many octets."""
        return f"The file exceeds the maximum size of {self.bytes} bytes"

    @property
    def too_slow(self) -> str:
        """What the 429 says of a file that took too long."""
        return f"The file was not moved within the maximum time of {self.seconds:g} s"
