"""When an installation runs next: a fixed frequency, or the contract's adaptive rule. Nothing here reads or writes.

The adaptive rule asks often where much changes and seldom where nothing does: no change or an error doubles the
interval, some change halves it, many changes snap it to the shortest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_FACTOR: Final = 2
# Doubled more often than this, any frequency is above the longest wait.
_MOST_DOUBLINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what an interval moves.

    Attributes:
        shortest: In seconds.
        longest: In seconds.
        snap: From how many changes on the interval becomes the shortest at once.
    """

    shortest: int
    longest: int
    snap: int


INCREMENTAL: Final = Bounds(shortest=20 * _MINUTE, longest=_DAY, snap=200)
ALWAYS_FULL: Final = Bounds(shortest=_HOUR, longest=_DAY, snap=1000)
# Where a new installation begins; its first run moves it.
FIRST_INTERVAL: Final = INCREMENTAL.shortest


def bounds_of(*, incremental: bool) -> Bounds:
    """Return the bounds of an installation: those of one that always fetches everything, or can ask for less."""
    return INCREMENTAL if incremental else ALWAYS_FULL


def interval_after_run(interval: int, changes: int, bounds: Bounds) -> int:
    """Return the interval after a run that found so many changes."""
    if changes >= bounds.snap:
        return bounds.shortest
    return _within(interval // _FACTOR if changes else interval * _FACTOR, bounds)


def shorter(interval: int, found: int) -> int:
    """Return the interval after a run that a person asked for: it may call for more of them, and never for fewer.

    Otherwise four runs by hand in a minute would move the next one from 20 minutes to five hours.
    """
    return min(interval, found)


def interval_after_failure(interval: int, bounds: Bounds) -> int:
    """Return the interval after a run that failed."""
    return _within(interval * _FACTOR, bounds)


def due_after_run(frequency: int | None, interval: int, *, started: datetime, now: datetime) -> datetime:
    """Return when the next run is due after one that ended well.

    A fixed frequency counts from the start of the run, so that the length of a run does not add to it; a run that
    took longer than that is followed by the next at once, never by one in the past.
    """
    if frequency is None:
        return now + timedelta(seconds=interval)
    return max(now, started + timedelta(seconds=frequency))


def due_after_failure(frequency: int | None, interval: int, *, failures: int, now: datetime) -> datetime:
    """Return when the next run is due after so many that failed one after the other, the last of them just now.

    A fixed frequency doubles with each of them, up to a day, or the frequency itself where that is longer; the
    adaptive interval has doubled already.
    """
    if frequency is None:
        return now + timedelta(seconds=interval)
    doubled = frequency * _FACTOR ** min(failures, _MOST_DOUBLINGS)
    return now + timedelta(seconds=min(doubled, max(_DAY, frequency)))


def _within(interval: int, bounds: Bounds) -> int:
    return max(bounds.shortest, min(interval, bounds.longest))
