"""Counting what becomes of records."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik import Schema
from openlane_authentik.directory.index import Outcome
from openlane_authentik.emit.envelope import Counts
from openlane_authentik.operations.tally import MOST_EXAMPLES, Tally
from tests.support import KeepingSink

_CAUSES = st.dictionaries(st.sampled_from(["a", "b", "missing:x"]), st.integers(1, 50))


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 50), _CAUSES, _CAUSES)
def test_read_is_the_sum_of_the_rest(emitted: int, filtered: dict[str, int], failed: dict[str, int]) -> None:
    """Every record read is in exactly one of emitted, filtered and failed."""
    tally = Tally(Schema.ACCOUNT)
    tally.emitted = emitted
    tally.filtered_by = Counter(filtered)
    tally.failed_by = Counter(failed)
    counts = tally.counts
    assert counts.read == counts.emitted + counts.filtered + counts.failed
    assert (counts.emitted, counts.filtered, counts.failed) == (emitted, sum(filtered.values()), sum(failed.values()))


def test_a_record_is_counted_by_its_cause_and_by_its_outcome() -> None:
    """A record left out, one held back and one without identifier are counted apart, each under its cause."""
    tally = Tally(Schema.ACCOUNT)
    tally.emitted = 2
    tally.count(Outcome.FILTERED, "false")
    tally.count(Outcome.FILTERED, "missing:payload.type", 2)
    tally.count(Outcome.FAILED, "type_mismatch")
    tally.count(Outcome.UNNAMED, "no_uid", 3)
    assert tally.filtered_by == {"false": 1, "missing:payload.type": 2}
    assert tally.failed_by == {"type_mismatch": 1, "no_uid": 3}
    assert tally.counts == Counts(read=9, emitted=2, filtered=3, failed=4)
    assert tally.outcomes == {Outcome.KEPT: 2, Outcome.FILTERED: 3, Outcome.FAILED: 1, Outcome.UNNAMED: 3}


def test_the_sink_is_told_each_name_once() -> None:
    """Who is left out and who is held back is told by key, in order, once; who cannot be named is not."""
    tally, sink = Tally(Schema.MEMBERSHIP), KeepingSink()
    tally.name(Outcome.FILTERED, "false", "u1", "g1")
    tally.name(Outcome.UNNAMED, "no_uid", None)
    asyncio.run(tally.tell(sink))
    for number in range(MOST_EXAMPLES + 2):
        tally.name(Outcome.FAILED, "overflow", f"u{number}", "g2")
    asyncio.run(tally.tell(sink))
    asyncio.run(tally.tell(sink))
    held_back = [(f"u{number}", "g2") for number in range(MOST_EXAMPLES + 2)]
    assert sink.left_out == {Schema.MEMBERSHIP: [("u1", "g1")]}
    assert sink.held_back == {Schema.MEMBERSHIP: held_back}
    assert tally.examples == [(key, "overflow") for key in held_back[:MOST_EXAMPLES]]
