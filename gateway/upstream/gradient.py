"""A limit of concurrency that follows latency: when calls take longer than they usually do, fewer go at once.

The idea is Gradient2 of Netflix's concurrency-limits: what calls take now is compared with what is usual. Up to half as much again is
tolerated; beyond that the limit shrinks by the ratio of the two. A head-room of the limit's square root lets it grow while all is well.

What is usual is learned while calls are few. Were it learned under load, load would become the usual case and the limit grow without
end, which is Gradient2's weakness. Where there is always load, the limit is lowered now and then to see what calls take without it, as
Envoy's gradient controller does; so an upstream that has become slower for good is found out, too.

All of it is looked at once a window, not with each call, so that one slow call is not a trend.
"""

from __future__ import annotations

from math import sqrt

_START = 20
_TOLERANCE = 1.5
_STEEPEST = 0.5
_SMOOTHING = 0.2  # the share of a window in a new estimate, and in what is usual
_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S = 0.1, 2.0
_FEWEST_CALLS = 10
_PROBE_EVERY_S = 60.0
_PROBE_DEPTH = 4  # tolerance and head-room let calls take up to three times as long as usual; at a quarter nothing of that is left
_PROBE_WINDOWS = 3  # one until few are under way, one until those that began among many have ended, one to look


class Gradient:
    """A limit between ``min_limit`` and ``max_limit``. ``now`` and durations are seconds, ``now`` never goes back (monotonic clock)."""

    __slots__ = ("_calls", "_estimate", "_max", "_min", "_most", "_probe_at", "_probing", "_sum_s", "_turn", "_usual_s", "limit")

    def __init__(self, min_limit: int, max_limit: int) -> None:
        """Raises ``ValueError`` where nothing lies between the two."""
        if not 1 <= min_limit <= max_limit:
            raise ValueError(f"an adaptive limit needs 1 <= min_limit <= max_limit, not {min_limit} and {max_limit}")
        self._min = min_limit
        self._max = max_limit
        self._estimate = float(min(max(min_limit, _START), max_limit))
        self.limit = int(self._estimate)
        self._usual_s = 0.0  # 0: nothing is known yet
        self._probing = 0  # windows that are left of a probe
        self._probe_at = self._turn = 0.0
        self._sum_s = 0.0
        self._calls = self._most = 0

    def learn(self, now: float, seconds: float, in_flight: int) -> bool:
        """A call took ``seconds``, and with it ``in_flight`` were under way. True: the limit has been looked at anew."""
        self._sum_s += seconds
        self._calls += 1
        self._most = max(self._most, in_flight)
        if now < self._turn or self._calls < _FEWEST_CALLS:
            return False
        short_s = max(self._sum_s / self._calls, 1e-6)
        self._look(now, short_s, in_flight)
        # Twice what a call takes: the next look sees calls that began under this limit.
        self._turn = now + min(max(2 * short_s, _SHORTEST_WINDOW_S), _LONGEST_WINDOW_S)
        self._sum_s = 0.0
        self._calls = self._most = 0
        return True

    def __repr__(self) -> str:
        return f"<Gradient {self.limit} of {self._min}..{self._max}, {self._usual_s:.3f} s is usual>"

    def _look(self, now: float, short_s: float, in_flight: int) -> None:
        if self._probing:
            self._probe(now, short_s, in_flight)
            return
        if self._usual_s == 0:
            self._learned(now, short_s)
        if self._most < self._estimate / 2:  # the limit keeps nobody away
            self._learned(now, self._usual_s + (short_s - self._usual_s) * _SMOOTHING)
            return
        if self._most >= self.limit and now >= self._probe_at:
            self._probing = _PROBE_WINDOWS
            self.limit = max(self._min, self.limit // _PROBE_DEPTH)
            return
        if self._usual_s > 2 * short_s:
            self._usual_s += (short_s - self._usual_s) * _SMOOTHING
        self._follow(short_s)

    def _follow(self, short_s: float) -> None:
        ratio = min(max(_TOLERANCE * self._usual_s / short_s, _STEEPEST), 1.0)
        fitting = self._estimate * ratio + sqrt(self._estimate)
        estimate = self._estimate + (fitting - self._estimate) * _SMOOTHING
        self._estimate = min(max(estimate, self._min), self._max)
        self.limit = int(self._estimate)

    def _probe(self, now: float, short_s: float, in_flight: int) -> None:
        if self._probing == _PROBE_WINDOWS and in_flight > self.limit:
            return
        self._probing -= 1
        if not self._probing:
            self._learned(now, short_s)
            self.limit = int(self._estimate)

    def _learned(self, now: float, usual_s: float) -> None:
        self._usual_s = usual_s
        self._probe_at = now + _PROBE_EVERY_S
