"""Who goes next of those that wait for one budget: deficit round robin between callers, strict order within one.

Each caller has a line of its own. The lines are visited in turn; a visit adds one to what the line may spend (its deficit), and a call
goes when the deficit covers its cost. So a caller with ten times the calls of another delays that one by at most one call for each of
its own, and one whose calls cost more goes less often. Callers of interactive work come before batch work, but for a share of the
budget that batch keeps as long as it waits (Shreedhar and Varghese, "Efficient fair queuing using deficit round robin", 1995).

Choosing changes nothing: the one chosen may have to wait, and another may come in the meantime. ``take`` is what counts.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

NOBODY: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Waiter:
    """One call that waits. ``place`` is for the one who waits; ``octets`` are what it holds in memory meanwhile. One that has waited
    ``before``, and was refused by its provider, stands before the others of its caller."""

    caller: str
    batch: bool = False
    cost: int = 1
    octets: int = 0
    before: bool = False
    place: Any = field(default=None, repr=False)


class _Line:
    """The waiting calls of one caller."""

    __slots__ = ("calls", "deficit", "units")

    def __init__(self) -> None:
        self.calls: deque[Waiter] = deque()
        self.deficit = 0
        self.units = 0

    def visits(self) -> int:
        """How many visits until its first call may go."""
        return max(1, self.calls[0].cost - self.deficit)


class _Class:
    """The lines of one priority, the next to be visited first. One that still has deficit for its next call is not visited anew."""

    def __init__(self) -> None:
        self.lines: OrderedDict[str, _Line] = OrderedDict()
        self.units = 0
        self._visited: _Line | None = None

    def __len__(self) -> int:
        return sum([len(line.calls) for line in self.lines.values()])

    def push(self, waiter: Waiter) -> None:
        line = self.lines.get(waiter.caller)
        if line is None:
            line = self.lines[waiter.caller] = _Line()
        if waiter.before:
            line.calls.appendleft(waiter)
            line.deficit = 0  # it was saved for another call
        else:
            line.calls.append(waiter)
        line.units += waiter.cost
        self.units += waiter.cost

    def first(self, held: Container[str]) -> Waiter | None:
        """The call that goes next, of the callers that are not ``held``."""
        best: Waiter | None = None
        fewest = 0
        for caller, line in self.lines.items():
            if caller in held:
                continue
            if line is self._visited and line.deficit >= line.calls[0].cost:
                return line.calls[0]
            visits = line.visits()
            if best is None or visits < fewest:
                best, fewest = line.calls[0], visits
        return best

    def take(self, waiter: Waiter, held: Container[str]) -> None:
        """``waiter``, the first of its line, goes: every line on the way to it has been visited as often as that took."""
        taken = self.lines[waiter.caller]
        if taken is not self._visited or taken.deficit < waiter.cost:
            visits = taken.visits()
            before = True
            for caller, line in list(self.lines.items()):
                if caller in held and line is not taken:
                    continue
                line.deficit += visits if before or line is taken else visits - 1
                if before:
                    self.lines.move_to_end(caller)
                if line is taken:
                    before = False
        taken.deficit -= waiter.cost
        self._visited = taken
        self._drop(waiter, taken)

    def remove(self, waiter: Waiter) -> bool:
        line = self.lines.get(waiter.caller)
        if line is None or waiter not in line.calls:
            return False
        if line.calls[0] is waiter:
            line.deficit = 0  # it was saved for this call
        self._drop(waiter, line)
        return True

    def _drop(self, waiter: Waiter, line: _Line) -> None:
        line.calls.remove(waiter)
        line.units -= waiter.cost
        self.units -= waiter.cost
        if not line.calls:
            del self.lines[waiter.caller]

    def ahead(self, waiter: Waiter, held: Container[str]) -> int:
        """What goes before ``waiter`` if it comes now, its own cost not counted."""
        own = self.lines.get(waiter.caller)
        before_it = own.units if own and not waiter.before else 0
        rounds = waiter.cost + before_it
        total, before = 0, True
        for caller, line in self.lines.items():
            if caller in held and line is not own:
                continue
            if line is own:
                total += before_it
                before = False
            else:
                total += min(line.units, rounds if own is None or before else rounds - 1)
        return total


class FairQueue:
    """The calls that wait for one budget. ``batch_percent`` of it goes to batch work while interactive work waits, too."""

    def __init__(self, batch_percent: int) -> None:
        self._percent = batch_percent
        self._classes = (_Class(), _Class())
        self._credit = 0  # of batch, in hundredths

    def __len__(self) -> int:
        return len(self._classes[0]) + len(self._classes[1])

    @property
    def units(self) -> int:
        """What all of them cost together."""
        return self._classes[0].units + self._classes[1].units

    def push(self, waiter: Waiter) -> None:
        """``waiter`` joins at the end of its caller's line."""
        self._classes[waiter.batch].push(waiter)

    def first(self, held: Container[str] = NOBODY) -> Waiter | None:
        """The call that goes next, of the callers that are not ``held`` back by something of their own; None if there is none."""
        interactive, batch = self._classes[0].first(held), self._classes[1].first(held)
        if interactive is None or batch is None:
            return interactive or batch
        return batch if self._credit >= batch.cost * (100 - self._percent) else interactive

    def take(self, waiter: Waiter, held: Container[str] = NOBODY) -> None:
        """``waiter``, which ``first`` named for the same ``held``, goes."""
        others = self._classes[not waiter.batch]
        self._classes[waiter.batch].take(waiter, held)
        if waiter.batch:
            self._credit = max(0, self._credit - waiter.cost * (100 - self._percent)) if others.units else 0
        elif others.units:
            self._credit += waiter.cost * self._percent
        if not self._classes[1].units:
            self._credit = 0

    def remove(self, waiter: Waiter) -> bool:
        """``waiter`` leaves without having gone; whether it was there."""
        return self._classes[waiter.batch].remove(waiter)

    def ahead(self, waiter: Waiter, held: Container[str] = NOBODY) -> int:
        """What will have gone before ``waiter`` if it comes now, should nobody else come; who is ``held`` does not go."""
        own, other = self._classes[waiter.batch], self._classes[not waiter.batch]
        ahead = own.ahead(waiter, held)
        if not other.units:
            return ahead
        if waiter.batch:  # of ninety that go, ten are batch
            return ahead + min(
                other.units, (ahead + waiter.cost) * (100 - self._percent) // self._percent if self._percent else other.units
            )
        return ahead + min(other.units, (ahead * self._percent + self._credit) // (100 - self._percent))
