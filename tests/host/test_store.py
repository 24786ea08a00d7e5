"""What a run makes of the directory: episodes, their log, and what a run that proves nothing may do."""

import asyncio

import msgspec
import pytest

from openlane_authentik import Envelope, Schema
from openlane_authentik.clock import rfc3339
from openlane_authentik.errors import IntegrationError, Recovery
from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.host import Host
from openlane_authentik.host.sync import SUPERSEDED, execute
from openlane_authentik.testing import Directory, FakeAuthentik, Fault
from tests.host.in_process import (
    InProcess,
    changes_of,
    episodes,
    kinds_of,
    save_in_process,
    stored,
    sync_now,
    with_definition,
)
from tests.host.scripted import account, scripted
from tests.host.support import dump, request_run, row_of
from tests.support import SimulatedClock

# What tells of runs, and not of the directory.
_OF_RUNS = ("sync_run", "run_attempt", "installation")
_GROUP = Envelope(
    schema=Schema.GROUP, resource="g9", payload={}, record={"external_id": "g9", "last_seen_at": "2026-03-01"}
)


class _MendsItselfError(IntegrationError):
    code = "mends_itself"
    recovery = Recovery.RETRY


def _directory_of(host: Host) -> dict[str, object]:
    return {name: rows for name, rows in dump(host.database).items() if name not in _OF_RUNS}


def test_a_record_is_added_then_changed_with_its_fields(host: Host, clock: SimulatedClock) -> None:
    """The log says who was added, and of a change which fields, and the record before and after."""
    opened, script, saved = scripted(host)
    script.accounts = {"u1": {"display_name": "Ann", "status": "ACTIVE", "profile_hash": "1"}}
    first = sync_now(opened, saved.id)
    assert kinds_of(changes_of(opened, saved.id)) == {("DirectoryAccount", "u1", ""): "added"}
    clock.elapsed += 60
    script.accounts["u1"] = {"display_name": "Ann", "status": "INACTIVE", "profile_hash": "2"}
    second = sync_now(opened, saved.id)
    (line,) = changes_of(opened, saved.id, run_id=second.id)
    assert (line.kind, line.fields, line.at, line.run_number) == ("changed", ["status"], opened.now(), 2)
    assert line.before is not None
    assert line.after is not None
    before, after = msgspec.json.decode(line.before), msgspec.json.decode(line.after)
    assert (before["status"], after["status"]) == ("ACTIVE", "INACTIVE")
    assert {**before, "status": "", "profile_hash": ""} == {**after, "status": "", "profile_hash": ""}
    (episode,) = episodes(opened, Schema.ACCOUNT, "u1")
    assert (episode.first_seen_at, episode.last_seen_at) == (first.started_at, second.started_at)
    assert second.counts is not None
    assert second.counts["DirectoryAccount"]["changed"] == second.delta_count == 1


def test_an_unchanged_run_writes_confirmations_only(host: Host, clock: SimulatedClock) -> None:
    """A run that finds all as it was moves when and by which run each was seen last, and writes no line."""
    opened, script, saved = scripted(host)
    script.people(5, groups=2)
    sync_now(opened, saved.id)
    lines, there = changes_of(opened, saved.id), stored(opened, saved.id)
    clock.elapsed += 60
    again = sync_now(opened, saved.id)
    assert changes_of(opened, saved.id) == lines
    assert stored(opened, saved.id) == there
    assert again.delta_count == 0
    for schema, key in ((Schema.ACCOUNT, ("u001",)), (Schema.GROUP, ("g1",)), (Schema.MEMBERSHIP, ("u001", "g1"))):
        (episode,) = episodes(opened, schema, *key)
        assert (episode.last_seen_at, episode.last_confirmed_run_id) == (again.started_at, again.id)
        assert episode.first_seen_at < episode.last_seen_at


def test_who_is_removed_and_returns_begins_a_new_episode(host: Host, clock: SimulatedClock) -> None:
    """A removed person keeps the old episode with its end; the returning one is first seen anew, memberships too."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    script.drop("u003")
    clock.elapsed += 60
    gone = sync_now(opened, saved.id)
    gone_at = opened.now()
    expected = {("DirectoryAccount", "u003", ""): "removed", ("DirectoryMembership", "u003", "g0"): "removed"}
    assert kinds_of(changes_of(opened, saved.id, run_id=gone.id)) == expected
    clock.elapsed += 60
    script.people(20, groups=1)
    back = sync_now(opened, saved.id)
    assert kinds_of(changes_of(opened, saved.id, run_id=back.id)) == dict.fromkeys(expected, "returned")
    for schema, key in ((Schema.ACCOUNT, ("u003",)), (Schema.MEMBERSHIP, ("u003", "g0"))):
        old, new = episodes(opened, schema, *key)
        assert (old.episode, old.removed_at, old.out_of_scope_at) == (1, gone_at, None)
        assert old.last_confirmed_run_id not in {gone.id, back.id}
        assert (new.episode, new.removed_at, new.first_seen_at) == (2, None, back.started_at)


def test_a_failed_run_changes_nothing_but_the_ledger(host: Host, clock: SimulatedClock) -> None:
    """A run that fails at its very end, when all was handed over, leaves every record, line and checkpoint."""
    opened, script, saved = scripted(host)
    script.people(5, groups=1)
    sync_now(opened, saved.id)
    before, checkpoint = _directory_of(opened), row_of(opened, saved.id).checkpoint
    clock.elapsed += 60
    script.people(12, groups=2)
    script.drop("u001")
    script.error = _MendsItselfError("not today")
    failed = sync_now(opened, saved.id)
    assert (failed.status, failed.error and failed.error["code"]) == ("FAILED", "mends_itself")
    assert _directory_of(opened) == before
    assert row_of(opened, saved.id).checkpoint == checkpoint


def test_what_an_integration_raises_unknowingly_is_not_quoted(host: Host) -> None:
    """An unknown exception fails the run by its kind only, since its text may hold people's data."""
    opened, script, saved = scripted(host)
    script.error = ValueError("ann@example.test")
    failed = sync_now(opened, saved.id)
    assert failed.error is not None
    assert (failed.error["code"], "ann@" in str(failed.error)) == ("collection_failed", False)


def test_a_stale_attempt_changes_nothing(host: Host, clock: SimulatedClock) -> None:
    """An attempt that was given back while it collected is thrown away as a whole; the next one is taken over."""
    opened, script, saved = scripted(host)
    script.people(5, groups=1)
    run_id = request_run(opened, saved.id)
    before = _directory_of(opened)
    script.meanwhile = lambda: runs.give_back(opened.database, run_id, 1, clock.now())
    assert asyncio.run(execute(opened, run_id, 1, "worker-1")) == SUPERSEDED
    assert _directory_of(opened) == before
    assert row_of(opened, saved.id).checkpoint is None
    script.meanwhile = None
    assert asyncio.run(execute(opened, run_id, 1, "worker-1")) == SUPERSEDED
    assert asyncio.run(execute(opened, run_id, 2, "worker-2")) == "completed"
    with reading(opened.database) as held:
        attempts = runs.get_run(held, run_id).attempts
    assert [(attempt.attempt, attempt.outcome) for attempt in attempts or ()] == [(1, "lost"), (2, "completed")]
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 5


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"extra": [account("u001", last_seen_at="2026-03-01")]}, "the same key"),
        ({"lost": {Schema.ACCOUNT: 1}}, "5 records of DirectoryAccount were emitted, and 4 came"),
        ({"lost": {Schema.MEMBERSHIP: 2}}, "DirectoryMembership"),
        ({"synced": (Schema.GROUP, Schema.MEMBERSHIP)}, "without closing its accounts"),
        ({"synced": (Schema.ACCOUNT,), "extra": [_GROUP]}, "0 records of DirectoryGroup were emitted, and 1 came"),
    ],
    ids=["two of one key", "an account lost", "memberships lost", "accounts not closed", "groups not closed"],
)
def test_a_run_that_does_not_add_up_fails(host: Host, wrong: dict[str, object], told: str) -> None:
    """Two records with one key, records that were lost, and sets never closed fail the run, which changes nothing."""
    opened, script, saved = scripted(host)
    script.people(5, groups=1)
    sync_now(opened, saved.id)
    before = _directory_of(opened)
    for name, value in wrong.items():
        setattr(script, name, value)
    failed = sync_now(opened, saved.id)
    assert failed.error is not None, failed
    assert (failed.status, failed.error["code"]) == ("FAILED", "collection_failed")
    assert told in failed.error["message"]
    assert _directory_of(opened) == before


@pytest.mark.parametrize("why", ["partial_visibility", "users_kept_changing", "records_failed"])
def test_an_unproven_set_adds_and_never_removes(host: Host, clock: SimulatedClock, why: str) -> None:
    """Of sets without proof additions and changes are taken over, nothing ends, and the next run begins anew."""
    opened, script, saved = scripted(host)
    script.people(30, groups=2)
    sync_now(opened, saved.id)
    assert row_of(opened, saved.id).checkpoint is not None
    clock.elapsed += 60
    script.accounts = {"u001": {"display_name": "Renamed"}, "new": {"display_name": "New"}}
    script.groups, script.memberships = {"g9": {"display_name": "New"}}, {("new", "g9")}
    if why == "records_failed":
        script.failed = {Schema.ACCOUNT: 1}
    else:
        script.reasons = {schema: [why] for schema in Schema}
    run = sync_now(opened, saved.id)
    assert kinds_of(changes_of(opened, saved.id, run_id=run.id)) == {
        ("DirectoryAccount", "u001", ""): "changed",
        ("DirectoryAccount", "new", ""): "added",
        ("DirectoryGroup", "g9", ""): "added",
        ("DirectoryMembership", "new", "g9"): "added",
    }
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 31
    assert row_of(opened, saved.id).checkpoint is None
    assert run.sets is not None
    assert why in run.sets["DirectoryAccount"]["reasons"]
    sync_now(opened, saved.id)
    assert script.seen == [None, b"here", None]


def test_memberships_end_with_their_account_though_their_own_set_is_unproven(host: Host) -> None:
    """Who is proven to be gone holds nothing any more, even where the set of memberships lacks its own proof."""
    opened, script, saved = scripted(host, breaker_share=1.0)
    script.people(20, groups=2)
    sync_now(opened, saved.id)
    script.drop("u003")
    del script.groups["g1"]
    script.memberships = {(uid, "g0") for uid in script.accounts if uid != "u005"}
    script.reasons = {Schema.MEMBERSHIP: ["memberships_differ"]}
    sync_now(opened, saved.id)
    left = stored(opened, saved.id)[Schema.MEMBERSHIP]
    assert left.keys() == {(uid, "g0") for uid in script.accounts}


def test_an_outage_and_partial_visibility_of_a_real_directory_remove_nobody(host: Host, clock: SimulatedClock) -> None:
    """With a server that is down, and with a token that sees less, everybody stays, and the run says why."""
    directory = Directory.generate(users=60, groups=12, seed=3, clock=clock.now)
    fake = FakeAuthentik(directory, sleep=clock.sleep)
    integration = InProcess(fake, clock)
    opened = with_definition(host, integration)
    saved = save_in_process(opened, fake)
    fake.token("object_level")
    sync_now(opened, saved.id)
    there = {schema: set(records) for schema, records in stored(opened, saved.id).items()}
    fake.inject(Fault.status(503), nth=len(fake.requests) + 9, times=None)
    assert sync_now(opened, saved.id).status == "FAILED"
    fake.clear_faults()
    integration.kind = "object_level"
    run = sync_now(opened, saved.id)
    assert run.exit_code == 77
    assert "'code': 'partial_visibility'" in str(run.warnings)
    assert {schema: set(records) for schema, records in stored(opened, saved.id).items()} == there
    integration.kind = None
    run = sync_now(opened, saved.id)
    assert (run.mode, run.full_reason, run.exit_code) == ("full", "no_checkpoint", 0)
    assert sync_now(opened, saved.id).mode == "delta"


def test_a_delta_confirms_those_it_did_not_read(host: Host, clock: SimulatedClock) -> None:
    """A proven delta says of everybody it does not name that they are there unchanged; when they were read stays."""
    opened, script, saved = scripted(host)
    script.people(5)
    first = sync_now(opened, saved.id)
    clock.elapsed += 60
    script.accounts, script.removed = {"u001": {"display_name": "Renamed"}}, []
    delta = sync_now(opened, saved.id)
    (read,), (unread,) = episodes(opened, Schema.ACCOUNT, "u001"), episodes(opened, Schema.ACCOUNT, "u002")
    assert (read.last_confirmed_run_id, unread.last_confirmed_run_id) == (delta.id, delta.id)
    assert (read.last_seen_at, unread.last_seen_at) == (rfc3339(clock.now()), first.started_at)
    assert delta.mode == "delta"
