"""Removals in slices: what the runs of 24 hours remove unasked counts together, by the clock of the host."""

import random

import pytest

from openlane_authentik import Schema
from openlane_authentik.host.attention import confirm, list_attention
from openlane_authentik.host.host import Host
from tests.host.asked import one_question
from tests.host.in_process import changes_of, stored, sync_now
from tests.host.scripted import Script, scripted
from tests.support import SimulatedClock

HOUR = 3600
DAY = 24 * HOUR


def _drop(script: Script, number: int) -> None:
    script.drop(*list(script.accounts)[:number])


def test_slices_of_a_day_count_together(host: Host, clock: SimulatedClock) -> None:
    """Five runs that each remove 19 % do not take a directory down unasked: the second asks, and says why."""
    opened, script, saved = scripted(host)
    script.people(200)
    sync_now(opened, saved.id)
    clock.elapsed += 2 * DAY
    sync_now(opened, saved.id)
    for _ in range(5):
        clock.elapsed += HOUR
        _drop(script, len(script.accounts) * 19 // 100)
        sync_now(opened, saved.id)
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 162
    question = one_question(opened, saved.id)
    assert question.message == (
        f"needs attention: {162 - len(script.accounts)} of 162 accounts (after 38 of 200 in the last 24 hours) "
        "would be removed"
    )
    assert question.counts["DirectoryAccount"]["presentBefore"] == 200


def test_what_is_a_day_old_counts_no_more(host: Host, clock: SimulatedClock) -> None:
    """The same slices a day apart are removed unasked: each is held against what was there 24 hours before."""
    opened, script, saved = scripted(host)
    script.people(200)
    sync_now(opened, saved.id)
    for _ in range(4):
        clock.elapsed += DAY
        _drop(script, len(script.accounts) * 19 // 100)
        sync_now(opened, saved.id)
        assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == len(script.accounts)
    assert list_attention(opened, saved.id, status=None) == []


def test_what_an_operator_confirmed_does_not_count_again(host: Host, clock: SimulatedClock) -> None:
    """After a confirmed list a day's share may go unasked as ever, and no more."""
    opened, script, saved = scripted(host)
    script.people(200)
    sync_now(opened, saved.id)
    clock.elapsed += DAY
    _drop(script, 100)
    sync_now(opened, saved.id)
    confirm(opened, saved.id, one_question(opened, saved.id).id)
    sync_now(opened, saved.id)
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 100
    clock.elapsed += HOUR
    _drop(script, 20)
    sync_now(opened, saved.id)
    assert list_attention(opened, saved.id) == []
    clock.elapsed += HOUR
    _drop(script, 16)
    sync_now(opened, saved.id)
    assert list_attention(opened, saved.id) == []
    clock.elapsed += HOUR
    _drop(script, 12)
    sync_now(opened, saved.id)
    assert one_question(opened, saved.id).counts["DirectoryAccount"]["removedLately"] == 36


def test_the_first_day_is_held_against_the_first_run(host: Host, clock: SimulatedClock) -> None:
    """Where nothing was there 24 hours ago, what the first run brought is what slices are held against."""
    opened, script, saved = scripted(host)
    script.people(100)
    sync_now(opened, saved.id)
    for gone in (15, 15):
        clock.elapsed += HOUR
        _drop(script, gone)
        sync_now(opened, saved.id)
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 85


def test_a_clock_set_back_forgets_no_slice(host: Host, clock: SimulatedClock) -> None:
    """What was removed at a time that is now in the future counts as of today."""
    opened, script, saved = scripted(host)
    script.people(200)
    sync_now(opened, saved.id)
    clock.elapsed += 30 * DAY
    _drop(script, 38)
    sync_now(opened, saved.id)
    clock.elapsed -= 20 * DAY
    _drop(script, 30)
    sync_now(opened, saved.id)
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 162


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 12), marks=pytest.mark.soak)], ids=["few", "many"])
def test_no_24_hours_take_more_than_the_limit_unasked(host: Host, clock: SimulatedClock, seeds: range) -> None:
    """Whatever comes and goes at whatever pace: of what was there at any moment no day removes more than the share."""
    for seed in seeds:
        chance = random.Random(f"slices {seed}")
        opened, script, saved = scripted(host, breaker_least=5)
        script.people(60)
        names, there, lines = 60, {}, []
        for _ in range(25):
            clock.elapsed += chance.choice([HOUR, 5 * HOUR, 11 * HOUR, DAY])
            _drop(script, min(len(script.accounts) - 1, chance.choice([0, 1, 3, 6, 12])))
            for _ in range(chance.choice([0, 0, 1, 4])):
                script.accounts[f"u{(names := names + 1):03}"] = {"display_name": "New"}
            run = sync_now(opened, saved.id)
            there[clock.elapsed] = len(stored(opened, saved.id)[Schema.ACCOUNT])
            lines += [(clock.elapsed, 1)] * len(changes_of(opened, saved.id, run_id=run.id, kind="removed"))
        first = min(there)
        for end in there:
            gone = sum(1 for at, _ in lines if end - DAY < at <= end)
            before = [number for at, number in there.items() if at <= end - DAY]
            base = before[-1] if before else there[first]
            assert gone < 5 or gone <= base * 0.2, (seed, end, gone, base)
