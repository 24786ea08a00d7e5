"""The users known, in the order of one of their timestamps: what the server's counts are held against."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Final

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.index import DirectoryIndex, Traits
from openlane_authentik.directory.keyset import Span

JOINED: Final = "date_joined"
UPDATED: Final = "last_updated"

_MOMENT: Final[dict[str, Callable[[Traits], int]]] = {
    JOINED: lambda traits: traits.joined,
    UPDATED: lambda traits: traits.updated,
}


@dataclass(frozen=True, slots=True)
class Trait:
    """Something authentik can count users by: everybody, the active, or one type.

    Attributes:
        name: The filter's parameter; "" for everybody.
        value: The filter's value.
    """

    name: str = ""
    value: str = ""

    @property
    def params(self) -> dict[str, str | int]:
        """Return the filter."""
        return {self.name: self.value} if self.name else {}

    def is_of(self, row: RawRecord) -> bool:
        """Whether a raw user has it."""
        told = row.get(self.name)
        return not self.name or told == self.value or (told is True and self.value == "true")


EVERYBODY: Final = Trait()
ACTIVE: Final = Trait("is_active", "true")


def type_trait(kind: str) -> Trait:
    """Return the trait of being of a type."""
    return Trait("type", kind)


class Axis:
    """The users known along one timestamp.

    Args:
        field: ``date_joined`` or ``last_updated``.
        index: Everybody known.
    """

    def __init__(self, field: str, index: DirectoryIndex) -> None:
        self.field = field
        moment = _MOMENT[field]
        users = sorted(index.traits(), key=moment)
        self._moments = array("q", map(moment, users))
        self._pks = array("q", (user.pk for user in users))
        self._sums = {ACTIVE: _running_sum(user.active for user in users)}
        for kind in index.kinds:
            self._sums[type_trait(kind)] = _running_sum(user.kind == kind for user in users)

    def __len__(self) -> int:
        return len(self._moments)

    def moment(self, rank: int) -> int:
        """Return the timestamp of the user of a rank, counted from 0."""
        return self._moments[rank]

    def count(self, span: Span, trait: Trait = EVERYBODY) -> int:
        """Count the users known of a span who have a trait."""
        first, last = self._bounds(span)
        if trait is EVERYBODY:
            return last - first
        sums = self._sums[trait]
        return sums[last] - sums[first]

    def ties(self, span: Span, least: int) -> list[tuple[int, int]]:
        """Return the timestamps that more than so many users known of a span share, and how many do."""
        first, last = self._bounds(span)
        shared = ((moment, sum(1 for _ in tie)) for moment, tie in groupby(self._moments[first:last]))
        return [(moment, number) for moment, number in shared if number > least]

    def pks(self, span: Span) -> set[int]:
        """Return the users known of a span."""
        first, last = self._bounds(span)
        return set(self._pks[first:last])

    def parts(self, span: Span, number: int) -> list[Span]:
        """Cut a span into at most so many parts with about as many known users in each.

        Users of one moment cannot be cut apart; a span that cannot be cut is returned as it is.
        """
        first, last = self._bounds(span)
        ranks = {first + (last - first) * part // number for part in range(1, number)}
        cuts = sorted({self._moments[rank] for rank in ranks if rank > first} - {span.start})
        bounds = [span.start, *(cut for cut in cuts if cut > self._moments[first]), span.end]
        return [Span(self.field, start, end) for start, end in pairwise(bounds)]

    def _bounds(self, span: Span) -> tuple[int, int]:
        first = 0 if span.start is None else bisect_left(self._moments, span.start)
        last = len(self._moments) if span.end is None else bisect_left(self._moments, span.end)
        return first, last


def _running_sum(marks: Iterable[bool]) -> "array[int]":
    return array("i", accumulate(marks, initial=0))
