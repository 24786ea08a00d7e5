"""Counting what becomes of records."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.emit.envelope import Counts
from openlane_authentik.filter import Verdict
from openlane_authentik.operations.tally import Tally

_LEFT_OUT = Verdict(kept=False, failed=False, reason="false")
_LACKS = Verdict(kept=False, failed=False, reason="missing:payload.type")
_FAILED = Verdict(kept=False, failed=True, reason="type_mismatch")
_CAUSES = st.dictionaries(st.sampled_from(["a", "b", "missing:x"]), st.integers(1, 50))


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 50), _CAUSES, _CAUSES)
def test_read_is_the_sum_of_the_rest(emitted: int, filtered: dict[str, int], failed: dict[str, int]) -> None:
    """Every record read is in exactly one of emitted, filtered and failed."""
    tally = Tally()
    tally.emitted = emitted
    tally.filtered_by = Counter(filtered)
    tally.failed_by = Counter(failed)
    counts = tally.counts
    assert counts.read == counts.emitted + counts.filtered + counts.failed
    assert (counts.emitted, counts.filtered, counts.failed) == (emitted, sum(filtered.values()), sum(failed.values()))


def test_a_verdict_is_counted_by_its_reason() -> None:
    """A record left out and one that failed are counted apart, each under its reason."""
    tally = Tally()
    for verdict in (_LEFT_OUT, _LACKS, _LACKS, _FAILED):
        tally.drop(verdict)
    assert tally.filtered_by == {"false": 1, "missing:payload.type": 2}
    assert tally.failed_by == {"type_mismatch": 1}
    assert tally.counts == Counts(read=4, emitted=0, filtered=3, failed=1)


@pytest.mark.parametrize(
    ("emitted", "verdicts", "lacked"),
    [
        (0, [_LACKS, _LACKS], True),
        (0, [], False),
        (1, [_LACKS], False),
        (0, [_LACKS, _LEFT_OUT], False),
        (0, [_LACKS, _FAILED], False),
    ],
)
def test_a_set_emptied_by_a_lacking_field_is_told_from_one_emptied_by_choice(
    emitted: int, verdicts: list[Verdict], *, lacked: bool
) -> None:
    """Only when every record lacked a field the filter names is nothing of the kind in its scope."""
    tally = Tally()
    tally.emitted = emitted
    for verdict in verdicts:
        tally.drop(verdict)
    assert tally.only_lacked_fields == lacked
