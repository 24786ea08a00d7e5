"""When an installation runs next: the contract's table, and what holds for every history of runs."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlane_authentik.host.runs.schedule import (
    ALWAYS_FULL,
    FIRST_INTERVAL,
    INCREMENTAL,
    Bounds,
    bounds_of,
    due_after_failure,
    due_after_run,
    interval_after_failure,
    interval_after_run,
)
from tests.support import START

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("bounds", "interval", "changes", "then"),
    [
        (INCREMENTAL, 2 * HOUR, 0, 4 * HOUR),  # no change doubles
        (INCREMENTAL, 2 * HOUR, 1, HOUR),  # some change halves
        (INCREMENTAL, 2 * HOUR, 199, HOUR),
        (INCREMENTAL, DAY, 200, 20 * MINUTE),  # many snap to the shortest
        (INCREMENTAL, 20 * MINUTE, 1, 20 * MINUTE),  # never below the shortest
        (INCREMENTAL, 23 * HOUR, 0, DAY),  # never above the longest
        (ALWAYS_FULL, 4 * HOUR, 999, 2 * HOUR),
        (ALWAYS_FULL, DAY, 1000, HOUR),
        (ALWAYS_FULL, HOUR, 5, HOUR),
        (ALWAYS_FULL, 20 * MINUTE, 0, HOUR),  # one that stopped being incremental
    ],
)
def test_adaptive_rule_is_the_contracts(bounds: Bounds, interval: int, changes: int, then: int) -> None:
    """No change doubles the interval, some change halves it, many snap it to the shortest, within the bounds."""
    assert interval_after_run(interval, changes, bounds) == then


def test_bounds_are_the_contracts() -> None:
    """20 minutes to a day and 200 changes for an incremental sync; from an hour and 1,000 for one that reads all."""
    assert bounds_of(incremental=True) == Bounds(20 * MINUTE, DAY, 200)
    assert bounds_of(incremental=False) == Bounds(HOUR, DAY, 1000)


@given(
    st.lists(st.one_of(st.none(), st.integers(min_value=0, max_value=5000)), max_size=40),
    st.sampled_from([INCREMENTAL, ALWAYS_FULL]),
)
def test_interval_stays_within_its_bounds(history: list[int | None], bounds: Bounds) -> None:
    """Whatever runs find, and however often they fail (None), the interval is never out of bounds."""
    interval = FIRST_INTERVAL
    for changes in history:
        interval = (
            interval_after_failure(interval, bounds)
            if changes is None
            else interval_after_run(interval, changes, bounds)
        )
        assert bounds.shortest <= interval <= bounds.longest


@given(st.integers(min_value=0, max_value=3 * DAY), st.one_of(st.none(), st.integers(min_value=1, max_value=3 * DAY)))
def test_next_run_is_never_in_the_past(took: int, frequency: int | None) -> None:
    """A fixed frequency counts from the start of the run; after a run that took longer the next is due at once."""
    now = START + timedelta(seconds=took)
    due = due_after_run(frequency, HOUR, started=START, now=now)
    if frequency is None:
        assert due == now + timedelta(hours=1)
    else:
        assert due == max(now, START + timedelta(seconds=frequency))


def test_fixed_frequency_backs_off() -> None:
    """Each failure in a row doubles the wait, up to a day; a frequency above a day waits itself."""
    waits = [
        (due_after_failure(HOUR, 0, failures=failures, now=START) - START).total_seconds() for failures in range(1, 7)
    ]
    assert waits == [2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY, DAY]
    assert due_after_failure(7 * DAY, 0, failures=3, now=START) == START + timedelta(days=7)
    assert due_after_failure(60, 0, failures=10_000, now=START) == START + timedelta(days=1)


def test_adaptive_failure_waits_its_doubled_interval() -> None:
    """An error doubles the interval, and that is the wait."""
    interval = interval_after_failure(HOUR, INCREMENTAL)
    assert interval == 2 * HOUR
    assert due_after_failure(None, interval, failures=4, now=START) == START + timedelta(hours=2)
