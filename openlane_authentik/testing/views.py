"""Sorted, filtered views over a table that follow its changes, so that a page costs its own size and no more."""

import random
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self

from openlane_authentik.testing.raw import RawRecord, microseconds

NEVER: Final = 1 << 62
"""Stands for a null instant: PostgreSQL sorts nulls last, and first when descending."""

Entry = tuple[tuple[Any, ...], Any]
"""The values a row is ordered by, then its key."""

_VIEWS_KEPT: Final = 48
_REBUILD_SHARE: Final = 8


class _Descending:
    """A text that sorts the other way round."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __lt__(self, other: Self) -> bool:
        return other.text < self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True, slots=True)
class Field:
    """A column rows can be ordered by; ``unique`` ones leave no ties."""

    name: str
    instant: bool = False
    unique: bool = False

    def value(self, row: RawRecord) -> Any:
        """What a row is compared by."""
        held = row[self.name]
        if self.instant:
            return NEVER if held is None else microseconds(held)
        return held


@dataclass(frozen=True, slots=True)
class Ordering:
    """Columns to order by, each ascending or descending."""

    columns: tuple[tuple[Field, bool], ...]

    @property
    def unique(self) -> bool:
        """Whether no two rows can tie."""
        return any(field.unique for field, _ in self.columns)

    def key(self, row: RawRecord) -> tuple[Any, ...]:
        """What a row is sorted by."""
        return tuple(
            _turned(field.value(row)) if descending else field.value(row) for field, descending in self.columns
        )


def _turned(value: Any) -> Any:
    return _Descending(value) if isinstance(value, str) else -value


@dataclass(frozen=True, slots=True)
class Predicate:
    """Which rows pass; ``identity`` tells equal predicates, ``candidates`` spares the walk over all rows."""

    identity: Hashable
    passes: Callable[[RawRecord], bool]
    candidates: Callable[[], Iterable[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """Instants strictly between two bounds, in microseconds; null instants are never within."""

    above: int
    below: int

    def holds(self, value: int) -> bool:
        """Whether an instant lies within."""
        return self.above < value < self.below


@dataclass(frozen=True, slots=True)
class Query:
    """What rows are asked for, and in what order."""

    ordering: Ordering
    predicates: tuple[Predicate, ...] = ()
    ranges: tuple[tuple[Field, Range], ...] = ()

    def is_within(self, row: RawRecord) -> bool:
        """Whether a row's instants lie within all ranges."""
        return all(span.holds(field.value(row)) for field, span in self.ranges)


class Selection:
    """The rows that answer a query: their count, and any page of them."""

    def __init__(self, entries: Sequence[Entry], start: int, stop: int, *, tied: bool) -> None:
        self._entries = entries
        self._start = start
        self._stop = max(start, stop)
        self._tied = tied

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._stop - self._start

    def page(self, first: int, size: int) -> list[Any]:
        """The keys of the rows from ``first`` (0 is the first) on.

        Rows that tie come in another order on every page: PostgreSQL promises none, so reading page after page in an
        order over a column that is not unique repeats some rows and never shows others.
        """
        begin = self._start + first
        end = min(begin + size, self._stop)
        if not self._tied:
            return [entry[1] for entry in self._entries[begin:end]]
        return self._page_of_ties(begin, end)

    def _page_of_ties(self, begin: int, end: int) -> list[Any]:
        keys: list[Any] = []
        position = begin
        while position < end:
            values = self._entries[position][0]
            run_start = max(bisect_left(self._entries, (values,)), self._start)
            run_stop = min(self._end_of_run(values, position), self._stop)
            run = [entry[1] for entry in self._entries[run_start:run_stop]]
            if len(run) > 1:
                random.Random(begin).shuffle(run)  # noqa: S311 - reproducible disorder
            keys.extend(run[position - run_start : end - run_start])
            position = run_stop
        return keys

    def _end_of_run(self, values: tuple[Any, ...], position: int) -> int:
        low, high = position, len(self._entries)
        while low < high:
            middle = (low + high) // 2
            if values < self._entries[middle][0]:
                high = middle
            else:
                low = middle + 1
        return low


class Scattered:
    """Rows within instants of columns that do not lead the order: counted first, put in order only as far as asked.

    Args:
        ordered: All rows that pass the predicates, in the order asked for.
        within: The keys that lie within the ranges.
        rows: The records by key.
        query: What was asked for.
    """

    def __init__(
        self, ordered: Sequence[Entry], within: Sequence[Any], rows: Mapping[Any, RawRecord], query: Query
    ) -> None:
        self._ordered = ordered
        self._within = within
        self._rows = rows
        self._query = query

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._within)

    def page(self, first: int, size: int) -> list[Any]:
        """The keys of the rows from ``first`` on; see ``Selection.page``."""
        ordering = self._query.ordering
        # Walking the order until the page is full beats sorting, unless few rows lie within the ranges.
        expected_walk = (first + size) * len(self._ordered) // max(1, len(self._within))
        if ordering.unique and expected_walk < len(self._within):
            found = (key for _, key in self._ordered if self._query.is_within(self._rows[key]))
            return list(islice(found, first, first + size))
        entries = sorted((ordering.key(self._rows[key]), key) for key in self._within)
        return Selection(entries, 0, len(entries), tied=not ordering.unique).page(first, size)


class _View:
    """All rows that pass, sorted; follows the table's journal of changed keys."""

    def __init__(self, table: "Table", ordering: Ordering, predicates: tuple[Predicate, ...]) -> None:
        self._table = table
        self._ordering = ordering
        self._predicates = predicates
        self.entries: list[Entry] = []
        self._values: dict[Any, tuple[Any, ...]] = {}
        self._seen = 0
        self._build()

    def follow(self) -> None:
        """Take in what changed since the last time."""
        changes = self._table.changes
        if self._seen == len(changes):
            return
        if (len(changes) - self._seen) * _REBUILD_SHARE > len(self.entries):
            self._build()
            return
        for pk in set(changes[self._seen :]):
            self._take_in(pk)
        self._seen = len(changes)

    def _build(self) -> None:
        self._seen = len(self._table.changes)
        rows = self._table.rows
        narrowing = next((p.candidates for p in self._predicates if p.candidates), None)
        candidates = rows.values() if narrowing is None else [rows[pk] for pk in narrowing()]
        key = self._ordering.key
        self._values = {row["pk"]: key(row) for row in candidates if self._passes(row)}
        self.entries = sorted((values, pk) for pk, values in self._values.items())

    def _passes(self, row: RawRecord) -> bool:
        return all(predicate.passes(row) for predicate in self._predicates)

    def _take_in(self, pk: Any) -> None:
        row = self._table.rows.get(pk)
        values = self._ordering.key(row) if row is not None and self._passes(row) else None
        before = self._values.pop(pk, None)
        if before is not None:
            del self.entries[bisect_left(self.entries, (before, pk))]
        if values is not None:
            self._values[pk] = values
            insort(self.entries, (values, pk))


class Table:
    """Rows by key with a journal of the keys that changed, answering queries through cached views.

    A first query in an order sorts all rows; later ones take in what changed. A range over the column that leads the
    order is two bisections; a range over another column walks the rows within it.
    """

    def __init__(self, rows: Mapping[Any, RawRecord], changes: Sequence[Any]) -> None:
        self.rows = rows
        self.changes = changes
        self._views: OrderedDict[tuple[Any, ...], _View] = OrderedDict()

    def select(self, query: Query) -> Selection | Scattered:
        """The rows that answer a query."""
        tied = not query.ordering.unique
        entries = self._view(query.ordering, query.predicates).entries
        if not query.ranges:
            return Selection(entries, 0, len(entries), tied=tied)
        (field, within), *others = query.ranges
        if not others and query.ordering.columns[0] == (field, False):
            return Selection(entries, *_bounds(entries, within), tied=tied)
        leading = self._led_by(field, query.predicates).entries
        start, stop = _bounds(leading, within)
        keys = [key for _, key in leading[start:stop]]
        if others:
            keys = [key for key in keys if query.is_within(self.rows[key])]
        return Scattered(entries, keys, self.rows, query)

    def _led_by(self, field: Field, predicates: tuple[Predicate, ...]) -> _View:
        identities = tuple(predicate.identity for predicate in predicates)
        for ordering, *others in self._views:
            if ordering.columns[0] == (field, False) and tuple(others) == identities:
                return self._view(ordering, predicates)
        return self._view(Ordering(((field, False),)), predicates)

    def _view(self, ordering: Ordering, predicates: tuple[Predicate, ...]) -> _View:
        identity = (ordering, *(predicate.identity for predicate in predicates))
        view = self._views.pop(identity, None)
        if view is None:
            view = _View(self, ordering, predicates)
        view.follow()
        self._views[identity] = view
        if len(self._views) > _VIEWS_KEPT:
            self._views.popitem(last=False)
        return view


def _bounds(entries: Sequence[Entry], within: Range) -> tuple[int, int]:
    # A shorter tuple sorts before every longer one that begins with it: this finds the first entry past a bound.
    start = bisect_left(entries, ((within.above + 1,),))
    return start, bisect_left(entries, ((min(within.below, NEVER),),))
