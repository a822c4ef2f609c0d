"""The circuit breaker again, slowly: every report is kept, everything is counted anew each time. What ``test_breaker`` compares with."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.upstream.breaker import BreakerSettings


@dataclass(eq=False)
class Call:
    """One call that was let through: in which round it went, and as what."""

    round: int
    probe: bool


@dataclass
class Oracle:
    """``phase`` is closed, open, probing or ramping; ``round`` changes with each opening and each set of probes."""

    settings: BreakerSettings
    phase: str = "closed"
    round: int = 0
    reports: list[tuple[float, bool, bool]] = field(default_factory=list)  # time, failed, slow
    opened: list[float] = field(default_factory=list)  # for how long, since it was last closed
    until: float = 0.0
    probes: list[Call] = field(default_factory=list)
    proofs: list[bool] = field(default_factory=list)  # of the probes that succeeded: slow?
    shares: list[float] = field(default_factory=list)  # of the arrivals on the ramp
    admitted: int = 0

    def counted(self, now: float) -> tuple[int, int, int]:
        """Calls, failures and slow ones of the ten last tenths of the window, this one the last."""
        tenth = self.settings.window_s / 10
        last = [report for report in self.reports if now // tenth - report[0] // tenth < 10]
        return len(last), sum(failed for _, failed, _ in last), sum(slow for _, _, slow in last)

    def goes(self, now: float) -> bool:
        if self.phase == "closed" or now >= self.until:
            return True
        if self.phase == "open":
            return False
        if self.phase == "probing":
            return len(self.probes) + len(self.proofs) < self.settings.probes
        return 0.9 + sum(self.shares) + self.share(now) - self.admitted >= 1 - 1e-9

    def share(self, now: float) -> float:
        return max(0.1, 1 - (self.until - now) / self.settings.ramp_s)

    def arrive(self, now: float) -> Call | None:
        goes = self.goes(now)
        if self.phase == "ramping" and now >= self.until:
            self.recover()
        if self.phase == "ramping":
            self.shares.append(self.share(now))
            self.admitted += goes
        if not goes:
            return None
        full = len(self.probes) + len(self.proofs) >= self.settings.probes
        if self.phase == "open" or (self.phase == "probing" and full):
            self.proofs = [] if self.phase == "open" else self.proofs
            self.phase, self.round, self.probes = "probing", self.round + 1, []
        call = Call(self.round, self.phase == "probing")
        if call.probe:
            self.probes.append(call)
            self.until = now + max(self.settings.open_s, 60)
        return call

    def report(self, call: Call, now: float, failed: bool, slow: bool) -> None:
        if call.round != self.round:
            return
        if call.probe and self.phase == "probing":
            self.probes.remove(call)
            self.prove(now, failed, slow)
            return
        if self.phase == "ramping" and now >= self.until:
            self.recover()
        self.reports.append((now, failed, slow))
        calls, failures, slow_ones = self.counted(now)
        fewest = self.settings.minimum_calls
        if self.phase == "ramping":
            fewest = (fewest + 3) // 4
        ill = failures / calls >= self.settings.error_ratio or slow_ones / calls >= self.settings.slow_ratio
        if calls >= fewest and ill:
            self.open(now)

    def nothing(self, call: Call) -> None:
        if call in self.probes:
            self.probes.remove(call)

    def prove(self, now: float, failed: bool, slow: bool) -> None:
        self.proofs.append(slow)
        if failed:
            self.open(now)
        elif len(self.proofs) == self.settings.probes:
            if sum(self.proofs) / len(self.proofs) >= self.settings.slow_ratio:
                self.open(now)
            else:
                self.phase, self.until, self.shares, self.admitted, self.reports = "ramping", now + self.settings.ramp_s, [], 0, []

    def open(self, now: float) -> None:
        seconds = min(self.settings.open_s * 2 ** len(self.opened), self.settings.max_open_s)
        self.opened.append(seconds)
        self.phase, self.until, self.round, self.probes = "open", now + seconds, self.round + 1, []

    def recover(self) -> None:
        self.phase, self.reports, self.opened = "closed", [], []
