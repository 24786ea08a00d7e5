"""The newest ``last_updated`` stamps: users who carry these are read, all others counted.

A count of the stamps before a moment sees every edit that moves a stamp across that moment. It cannot see an edit whose
old and new stamp lie on the same side, so the side on which new stamps appear is read instead. New stamps appear after
the newest known one. They may also appear some way before it: a row is stamped when it is saved and seen when its
transaction commits or a replica catches up, and the newest known stamp may come from a clock that ran ahead.
"""

from collections.abc import Iterable
from typing import Final

from openlane_authentik.directory.axis import UPDATED, Axis
from openlane_authentik.directory.keyset import Span
from openlane_authentik.directory.moments import FIRST_MICROS

LOOK_BACK_MICROS: Final = 3_600_000_000
FEWEST_READ: Final = 200
_MOST_LOOKED_BACK: Final = 2_000
_GROWTH: Final = 4


def newest_span(axis: Axis, anchors: Iterable[int], since: int | None = None) -> Span:
    """Return the span whose users are read.

    It holds the newest 200 known stamps, but not a tie of more than 200, and everything from an hour before each anchor
    on, unless that is more than 2,000 users and more than half of all, as after an import.

    Args:
        axis: The users known along ``last_updated``.
        anchors: Moments about which new stamps may appear, in microseconds.
        since: A moment from which everything is read, however much it is.
    """
    if not len(axis):
        return Span(UPDATED)
    starts = [axis.moment(max(0, len(axis) - FEWEST_READ))]
    starts += [
        anchor - LOOK_BACK_MICROS
        for anchor in anchors
        if axis.count(Span(UPDATED, anchor - LOOK_BACK_MICROS)) <= max(_MOST_LOOKED_BACK, len(axis) // 2)
    ]
    start = min(starts)
    # What is newer than a tie is all that has to be read: whoever is edited leaves the tie, and a count shows that.
    start = max([start, *(moment + 1 for moment, _ in axis.ties(Span(UPDATED, start), FEWEST_READ))])
    return Span(UPDATED, start if since is None else min(start, since))


def leaves_the_last_hour(axis: Axis, newest: Span) -> bool:
    """Whether the hour before the newest known stamp holds users who are not read and who cannot be counted either.

    A tie of more than 200 can: whoever is edited leaves it, and a rung on either side shows that.
    """
    if not len(axis) or newest.start is None:
        return False
    hour = Span(UPDATED, axis.moment(len(axis) - 1) - LOOK_BACK_MICROS, newest.start)
    return axis.count(hour) > sum(number for _, number in axis.ties(hour, FEWEST_READ))


def rungs(axis: Axis, newest: Span, anchors: Iterable[int]) -> list[int]:
    """Return the moments before which users are counted: where the reading begins, and ever farther apart before it.

    Args:
        axis: The users known along ``last_updated``.
        newest: What is read.
        anchors: See ``newest_span``; the hour before one is bounded by rungs where it is not read.
    """
    if newest.start is None:
        return []
    moments = {newest.start, *growing(axis, max(FEWEST_READ, axis.count(newest)))}
    # An hour that is not read is counted, at both its ends.
    ends = (end for anchor in anchors for end in (anchor - LOOK_BACK_MICROS, anchor))
    moments.update(end for end in ends if end < newest.start)
    # Who has no stamp lies before all time.
    return sorted(moment for moment in moments if moment > FIRST_MICROS)


def growing(axis: Axis, behind: int) -> set[int]:
    """Return moments behind each of which lie four times as many users as behind the one after it.

    Args:
        axis: The users known along a timestamp.
        behind: How many lie behind the newest of these moments, but for the factor.
    """
    moments: set[int] = set()
    while (behind := behind * _GROWTH) < len(axis):
        moment = axis.moment(len(axis) - behind)
        moments |= {moment, _behind_a_tie(axis, moment)}
    return moments


def _behind_a_tie(axis: Axis, moment: int) -> int:
    """Return the moment itself, or the next where so many users share it that they are counted and not read.

    All users have one ``last_updated`` after an upgrade that added the column, or after a change by SQL.
    """
    tie = axis.count(Span(axis.field, moment, moment + 1))
    return moment + 1 if tie > FEWEST_READ else moment
