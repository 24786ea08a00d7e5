"""Whenever a set says complete, it is: a directory that changes and a network that fails, over thousands of schedules.

A sample runs with every test run, the rest as ``soak``. A failing seed says how to run it again.
"""

import pytest

from tests.property import simulation
from tests.property.simulation import Change, Schedule, drawn

SAMPLE = range(45)
SOAK = range(45, 1545)
SOAK_CHUNK = 50


@pytest.mark.parametrize("first", range(SAMPLE.start, SAMPLE.stop, 15))
def test_a_set_that_says_complete_is_complete(first: int) -> None:
    """Who and what lived through the whole run was handed over once, whenever the closing line says complete."""
    if wrong := simulation.failures(range(first, first + 15)):
        pytest.fail(wrong, pytrace=False)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(SOAK.start, SOAK.stop, SOAK_CHUNK))
def test_a_set_that_says_complete_is_complete_for_long(first: int) -> None:
    """The same, over more schedules than anybody has patience for."""
    if wrong := simulation.failures(range(first, first + SOAK_CHUNK)):
        pytest.fail(wrong, pytrace=False)


def test_the_claim_is_made_under_change() -> None:
    """Most runs prove their sets though the directory changes: never to claim anything would be no proof either."""
    outcomes = [simulation.run(drawn(seed)) for seed in range(40) if drawn(seed).changes]
    proven = sum(outcome.all_complete for outcome in outcomes)
    assert proven > len(outcomes) * 0.8, f"{proven} of {len(outcomes)}"


def test_the_simulation_catches_naive_offset_paging() -> None:
    """The same schedules catch a reader that pages by number, once, and then says complete."""
    schedules = [drawn(seed) for seed in range(120)]
    schedules = [schedule for schedule in schedules if schedule.changes and not schedule.glitches]
    false = [
        outcome.schedule.seed
        for outcome in (simulation.run(schedule, simulation.naive_reader) for schedule in schedules)
        if any("FALSE COMPLETE" in wrong for wrong in outcome.wrongs())
    ]
    assert len(false) >= 3, f"only {false} of {len(schedules)} schedules caught it"
    if wrong := simulation.failures(false):
        pytest.fail(wrong, pytrace=False)


def test_the_simulation_finds_nothing_wrong_with_naive_paging_of_a_quiet_directory() -> None:
    """Nothing is wrong with the naive reader but what drift does to it: the oracle does not cry wolf."""
    schedule = Schedule(seed=1, release="2025.12", users=90, page_size=20)
    assert simulation.run(schedule, simulation.naive_reader).wrongs() == []


def test_a_run_is_the_same_for_the_same_seed() -> None:
    """A seed tells the whole story: run again, it gives the same requests, records and claims."""
    schedule = next(drawn(seed) for seed in range(100) if drawn(seed).changes and drawn(seed).glitches)
    one, other = simulation.run(schedule), simulation.run(schedule)
    assert (one.requests, one.seen) == (other.requests, other.seen)


@pytest.mark.parametrize("release", simulation.RELEASES)
def test_a_quiet_directory_is_complete(release: str) -> None:
    """With nothing changing and nothing failing every set says complete, and each record was handed over once."""
    outcome = simulation.run(Schedule(seed=3, release=release, users=230, groups=25, ties=60, page_size=20))
    assert outcome.wrongs() == []
    assert outcome.all_complete
    assert {schema: set(keys) for schema, keys in outcome.seen.emitted.items()} == outcome.always


@pytest.mark.parametrize("release", simulation.RELEASES)
def test_users_deleted_after_they_were_read_do_not_cost_the_proof(release: str) -> None:
    """Two users deleted behind the reader: who remains was handed over, and every set still says complete."""
    # The last pages of users, in every release of the sample.
    changes = (Change(12, "delete_user_already_read", 1), Change(13, "delete_user_already_read", 2))
    outcome = simulation.run(Schedule(seed=5, release=release, users=200, page_size=20, changes=changes))
    assert outcome.wrongs() == []
    assert outcome.all_complete, outcome.told()


def test_users_in_the_hands_of_the_sink_survive_a_page_that_is_gone() -> None:
    """A page gone ends the other readers of the pass, and no user whom the sink was just taking is lost by it."""
    changes = tuple(Change(request, "delete_users_already_read", request) for request in range(10, 20))
    missing = [
        outcome.told()
        for outcome in (
            simulation.run(
                Schedule(seed=seed, release="2023.10", users=101, page_size=10, with_groups=False, changes=changes)
            )
            for seed in range(12)
        )
        if outcome.wrongs()
    ]
    assert not missing, missing[0]
