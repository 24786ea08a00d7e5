"""Counting what becomes of each kind of record, and why."""

from collections import Counter

from openlane_authentik.emit.envelope import Counts
from openlane_authentik.filter import Verdict


class Tally:
    """The counts of one payload set.

    Attributes:
        emitted: Records emitted.
        filtered_by, failed_by: Records left out or failed, by cause.
    """

    def __init__(self) -> None:
        self.emitted = 0
        self.filtered_by: Counter[str] = Counter()
        self.failed_by: Counter[str] = Counter()

    def drop(self, verdict: Verdict) -> None:
        """Count a record that the filter did not keep."""
        (self.failed_by if verdict.failed else self.filtered_by)[verdict.reason] += 1

    @property
    def counts(self) -> Counts:
        """Give the sums; every record read is in exactly one."""
        filtered, failed = self.filtered_by.total(), self.failed_by.total()
        return Counts(read=self.emitted + filtered + failed, emitted=self.emitted, filtered=filtered, failed=failed)

    @property
    def only_lacked_fields(self) -> bool:
        """Whether every record was left out because it lacks a field that the filter names."""
        return (
            not self.emitted
            and not self.failed_by
            and bool(self.filtered_by)
            and all(cause.startswith("missing:") for cause in self.filtered_by)
        )
