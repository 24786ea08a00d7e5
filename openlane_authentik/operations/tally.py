"""Counting what becomes of each kind of record, and naming what is left out or held back."""

from collections import Counter
from typing import Any, Final

from openlane_authentik.directory.index import Outcome
from openlane_authentik.emit.envelope import Counts, Schema
from openlane_authentik.emit.sink import Sink

Key = tuple[str, ...]

MOST_EXAMPLES: Final = 5
# What stands for the cause of what did not change since another run judged it.
EARLIER: Final = "as in an earlier run"


class Tally:
    """The counts of one payload set, and the records still to be named to the sink.

    Args:
        schema: Of the set.

    Attributes:
        emitted: Records emitted.
        filtered_by, failed_by: Records left out or failed, by cause.
        examples: A few of those on which the filter failed, each with its cause.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.emitted = 0
        self.filtered_by: Counter[str] = Counter()
        self.failed_by: Counter[str] = Counter()
        self.examples: list[tuple[Key, str]] = []
        self._unnamed = 0
        self._left_out: list[Key] = []
        self._held_back: list[Key] = []

    def count(self, outcome: Outcome, cause: str, times: int = 1) -> None:
        """Count records that are not emitted."""
        (self.filtered_by if outcome is Outcome.FILTERED else self.failed_by)[cause] += times
        self._unnamed += times if outcome is Outcome.UNNAMED else 0

    def name(self, outcome: Outcome, cause: str, *key: Any, example: bool = True) -> None:
        """Remember a record that is left out or held back, by its key, until the sink is told.

        Args:
            outcome: What became of it; one without identifier cannot be named.
            cause: Why.
            key: As the sink takes it.
            example: Whether it may be told as an example of those on which the filter failed.
        """
        if outcome is Outcome.FILTERED:
            self._left_out.append(key)
        elif outcome is Outcome.FAILED:
            self._held_back.append(key)
            if example and len(self.examples) < MOST_EXAMPLES:
                self.examples.append((key, cause))

    @property
    def untold(self) -> int:
        """How many records the sink is still to be told of."""
        return len(self._left_out) + len(self._held_back)

    async def tell(self, sink: Sink) -> None:
        """Tell the sink of the records remembered so far."""
        left_out, self._left_out = self._left_out, []
        held_back, self._held_back = self._held_back, []
        if left_out:
            await sink.leave_out(self.schema, left_out)
        if held_back:
            await sink.hold_back(self.schema, held_back)

    @property
    def counts(self) -> Counts:
        """Return the sums; every record read is in exactly one."""
        filtered, failed = self.filtered_by.total(), self.failed_by.total()
        return Counts(read=self.emitted + filtered + failed, emitted=self.emitted, filtered=filtered, failed=failed)

    @property
    def outcomes(self) -> Counter[Outcome]:
        """How many records became what."""
        counts = self.counts
        return Counter(
            {
                Outcome.KEPT: counts.emitted,
                Outcome.FILTERED: counts.filtered,
                Outcome.FAILED: counts.failed - self._unnamed,
                Outcome.UNNAMED: self._unnamed,
            }
        )
