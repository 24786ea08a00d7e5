"""Who is there under another id is the same person: one history, and access held since the first day."""

import csv
import io
from typing import Any

import msgspec
import pytest

from openlane_authentik import Schema
from openlane_authentik.emit.envelope import Removed
from openlane_authentik.host.attention import list_attention
from openlane_authentik.host.host import Host
from openlane_authentik.host.runs import Run
from openlane_authentik.host.store.export import ExportFormat, export
from openlane_authentik.host.store.lists import Record, list_records
from tests.host.in_process import changes_of, episodes, kinds_of, replay, stored, sync_now
from tests.host.scripted import Script, scripted
from tests.support import SimulatedClock

MODES = ["delta", "full"]


def told(script: Script, mode: str, removed: list[Removed]) -> None:
    """Let the next run tell of accounts: a delta that hands over the successors only, or a full set."""
    if mode == "full":
        script.told = removed
        return
    successors = {one.successor for one in removed}
    script.accounts = {uid: fields for uid, fields in script.accounts.items() if uid in successors}
    script.removed = removed


def lines_of(host: Host, installation_id: str, run: Run) -> dict[tuple[str, str, str], str]:
    """Return what a run logged, by record."""
    return kinds_of(changes_of(host, installation_id, run_id=run.id))


def records_of(host: Host, installation_id: str, schema: Schema, **which: Any) -> dict[str, Record]:
    """Return accounts by id, or memberships by the group's."""
    page = list_records(host.database, schema, installation_id, limit=1000, **which)
    return {record.group_id or record.external_id: record for record in page.items}


def replayed(host: Host, installation_id: str) -> bool:
    """Return whether the whole change log tells the directory as it is."""
    empty: dict[Schema, Any] = {schema: {} for schema in Schema}
    return replay(empty, changes_of(host, installation_id)) == stored(host, installation_id)


@pytest.mark.parametrize("mode", MODES)
def test_one_person_under_another_id_is_the_same_person(host: Host, clock: SimulatedClock, mode: str) -> None:
    """The old account ends as replaced and names its successor, which goes on with access since the first day."""
    opened, script, saved = scripted(host)
    script.people(20, groups=2)
    first = sync_now(opened, saved.id)
    clock.elapsed += 60
    script.memberships -= {("u003", "g1")}
    told(script, mode, script.replace({"u003": "b"}, display_name="Married"))
    run = sync_now(opened, saved.id)
    assert (run.mode, list_attention(opened, saved.id)) == (mode, [])
    assert lines_of(opened, saved.id, run) == {
        ("DirectoryAccount", "u003", ""): "replaced",
        ("DirectoryAccount", "b", ""): "succeeded",
        ("DirectoryMembership", "u003", "g0"): "replaced",
        ("DirectoryMembership", "b", "g0"): "succeeded",
        ("DirectoryMembership", "u003", "g1"): "removed",
    }
    ended, begun = changes_of(opened, saved.id, run_id=run.id, schema=Schema.ACCOUNT)
    assert (ended.successor, ended.predecessor, ended.after) == ("b", None, None)
    assert (begun.successor, begun.predecessor, begun.before) == (None, "u003", ended.before)
    assert begun.fields == ["canonical_email", "display_name"]
    (old,), (new,) = episodes(opened, Schema.ACCOUNT, "u003"), episodes(opened, Schema.ACCOUNT, "b")
    assert (old.replaced_at, old.removed_at, old.out_of_scope_at) == (opened.now(), None, None)
    assert (new.predecessor, new.first_seen_at, new.last_seen_at) == ("u003", first.started_at, run.started_at)
    assert new.last_confirmed_run_id == run.id
    (group,) = records_of(opened, saved.id, Schema.MEMBERSHIP, account="b").values()
    assert (group.group_id, group.first_seen_at, group.last_seen_at) == ("g0", first.started_at, run.started_at)
    assert records_of(opened, saved.id, Schema.ACCOUNT)["b"].predecessor == "u003"
    assert run.counts is not None
    counts = run.counts["DirectoryAccount"]
    assert (counts["replaced"], counts["succeeded"], counts["added"], counts["removed"]) == (1, 1, 0, 0)
    assert counts["confirmed"] == 20
    assert replayed(opened, saved.id)


@pytest.mark.parametrize("mode", MODES)
def test_both_histories_are_one(host: Host, clock: SimulatedClock, mode: str) -> None:
    """From A to B to C: the history asked for by C has the lines of all three, memberships too, and since is A's."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    first = sync_now(opened, saved.id)
    for old, new in (("u003", "b"), ("b", "c")):
        clock.elapsed += 60
        whole = {uid: dict(fields) for uid, fields in script.accounts.items()}
        removed = script.replace({old: new})
        whole[new] = whole.pop(old)
        told(script, mode, removed)
        sync_now(opened, saved.id)
        script.accounts = whole
    lines = changes_of(opened, saved.id, external_id="c")
    assert [(line.schema[9:], line.external_id, line.kind) for line in lines] == [
        ("Account", "u003", "added"),
        ("Membership", "u003", "added"),
        ("Account", "u003", "replaced"),
        ("Membership", "u003", "replaced"),
        ("Account", "b", "succeeded"),
        ("Membership", "b", "succeeded"),
        ("Account", "b", "replaced"),
        ("Membership", "b", "replaced"),
        ("Account", "c", "succeeded"),
        ("Membership", "c", "succeeded"),
    ]
    assert {line.external_id for line in changes_of(opened, saved.id, external_id="u003")} == {"u003"}
    assert records_of(opened, saved.id, Schema.ACCOUNT)["c"].first_seen_at == first.started_at
    assert records_of(opened, saved.id, Schema.MEMBERSHIP, account="c")["g0"].first_seen_at == first.started_at
    assert replayed(opened, saved.id)


def test_a_restore_that_takes_the_ids_back_is_the_same_person_still(host: Host, clock: SimulatedClock) -> None:
    """From A to B and back to A: A has a second episode that goes on from B, and the history has each line once."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    first = sync_now(opened, saved.id)
    for successors in ({"u003": "b"}, {"b": "u003"}):
        clock.elapsed += 60
        script.told = script.replace(successors)
        sync_now(opened, saved.id)
    old, new = episodes(opened, Schema.ACCOUNT, "u003")
    assert (old.episode, new.episode, new.predecessor, new.first_seen_at) == (1, 2, "b", first.started_at)
    kinds = [line.kind for line in changes_of(opened, saved.id, external_id="u003", schema=Schema.ACCOUNT)]
    assert kinds == ["added", "replaced", "succeeded", "replaced", "succeeded"]
    assert replayed(opened, saved.id)


def test_the_past_has_the_old_id(host: Host, clock: SimulatedClock) -> None:
    """Lists and exports as of a run before it have the old id and not the new one; from that run on, the other way."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    then = stored(opened, saved.id)
    clock.elapsed += 60
    script.told = script.replace({"u003": "b"})
    sync_now(opened, saved.id)
    assert stored(opened, saved.id, as_of=1) == then
    assert stored(opened, saved.id, as_of=2) == stored(opened, saved.id)
    rows: dict[str, dict[str, str]] = {}
    for as_of, there, not_there in ((1, "u003", "b"), (2, "b", "u003"), (None, "b", "u003")):
        text = b"".join(export(opened.database, saved.id, ExportFormat.CSV, as_of=as_of)).decode("utf-8-sig")
        rows = {row["accountId"]: row for row in csv.DictReader(io.StringIO(text))}
        assert (rows[there]["groupId"], not_there in rows, len(rows)) == ("g0", False, 20)
    assert rows["b"]["since"] == rows["u004"]["since"]


@pytest.mark.parametrize("mode", MODES)
def test_without_groups_accounts_go_on_all_the_same(host: Host, clock: SimulatedClock, mode: str) -> None:
    """Where groups are not synced an account goes on; switched off in the same run, memberships left the scope."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    whole = dict(script.accounts)
    for successors in ({"u003": "b"}, {"b": "c"}):
        clock.elapsed += 60
        script.accounts, script.removed = dict(whole), None
        script.synced = (Schema.ACCOUNT,)
        removed = script.replace(successors)
        whole = dict(script.accounts)
        told(script, mode, removed)
        run = sync_now(opened, saved.id)
        logged = lines_of(opened, saved.id, run)
        accounts = {key[1]: kind for key, kind in logged.items() if key[0] == "DirectoryAccount"}
        assert accounts == {next(iter(successors)): "replaced", next(iter(successors.values())): "succeeded"}
        others = {kind for key, kind in logged.items() if key[0] != "DirectoryAccount"}
        assert others <= {"out_of_scope", "replaced", "succeeded"}
        assert not stored(opened, saved.id)[Schema.MEMBERSHIP]
    assert replayed(opened, saved.id)


@pytest.mark.parametrize("mode", MODES)
def test_a_successor_out_of_scope_takes_the_person_out_of_scope(host: Host, clock: SimulatedClock, mode: str) -> None:
    """When the filter keeps the successor out, person and memberships go on under the new id, out of scope.

    When the filter is cleared they come back, since when they were first seen under the old id.
    """
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    clock.elapsed += 60
    removed = script.replace({"u003": "b"})
    person = script.accounts["b"]
    script.drop("b")
    told(script, mode, removed)
    if mode == "full":
        script.left_out = {Schema.ACCOUNT: [("b",)]}
    run = sync_now(opened, saved.id)
    assert lines_of(opened, saved.id, run) == {
        ("DirectoryAccount", "u003", ""): "replaced",
        ("DirectoryAccount", "b", ""): "succeeded",
        ("DirectoryMembership", "u003", "g0"): "replaced",
        ("DirectoryMembership", "b", "g0"): "succeeded",
    }
    for as_of in (None, 2):
        there = stored(opened, saved.id, as_of=as_of)
        assert not {"u003", "b"} & {uid for schema in Schema for uid, _ in there[schema]}
    assert replayed(opened, saved.id)
    clock.elapsed += 60
    script.left_out, script.told, script.removed = {}, None, None if mode == "full" else []
    script.accounts["b"] = person
    script.memberships |= {("b", "g0")}
    run = sync_now(opened, saved.id)
    assert {kind for key, kind in lines_of(opened, saved.id, run).items() if key[1] == "b"} == {"in_scope"}
    assert replayed(opened, saved.id)
    for schema, group in ((Schema.ACCOUNT, ""), (Schema.MEMBERSHIP, "g0")):
        first = [episodes(opened, schema, uid, group)[0].first_seen_at for uid in ("u003", "b")]
        assert first[0] == first[1]


@pytest.mark.parametrize("mode", MODES)
def test_a_successor_that_is_gone_again_is_a_removal(host: Host, clock: SimulatedClock, mode: str) -> None:
    """Who is replaced, and under the new id absent when the reading ends, is no more: both are not there."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    clock.elapsed += 60
    removed = [*script.replace({"u003": "b"}), Removed(resource="b", evidence="absent")]
    told(script, mode, removed)
    if mode == "delta":
        script.accounts = {"b": {"display_name": "Person 3"}}
    run = sync_now(opened, saved.id)
    assert lines_of(opened, saved.id, run) == {
        ("DirectoryAccount", "u003", ""): "removed",
        ("DirectoryMembership", "u003", "g0"): "removed",
    }
    assert changes_of(opened, saved.id, run_id=run.id)[0].successor is None
    assert replayed(opened, saved.id)


def test_who_was_replaced_twice_in_one_run_has_the_last_id(host: Host, clock: SimulatedClock) -> None:
    """A run that tells from A to B, and from B, handed over before, to C: A is replaced by C, and B never was there."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    clock.elapsed += 60
    removed = script.replace({"u003": "b"})
    script.accounts["c"] = {"display_name": "Person 3"}
    script.memberships.add(("c", "g0"))
    script.told = [*removed, Removed(resource="b", evidence="replaced", successor="c")]
    run = sync_now(opened, saved.id)
    assert lines_of(opened, saved.id, run) == {
        ("DirectoryAccount", "u003", ""): "replaced",
        ("DirectoryAccount", "c", ""): "succeeded",
        ("DirectoryMembership", "u003", "g0"): "replaced",
        ("DirectoryMembership", "c", "g0"): "succeeded",
    }
    assert replayed(opened, saved.id)


def test_a_successor_that_is_there_beside_its_predecessor_takes_its_history(host: Host, clock: SimulatedClock) -> None:
    """When both are in the directory already, the older ends and the other goes on, since the first day of both."""
    opened, script, saved = scripted(host)
    script.people(20, groups=2)
    first = sync_now(opened, saved.id)
    clock.elapsed += 60
    script.accounts["b"] = {"display_name": "Person 3"}
    script.memberships.add(("b", "g0"))
    sync_now(opened, saved.id)
    clock.elapsed += 60
    script.drop("u003")
    script.memberships.add(("b", "g1"))
    script.accounts["b"] = {"display_name": "Renamed"}
    script.told = [Removed(resource="u003", evidence="replaced", successor="b")]
    run = sync_now(opened, saved.id)
    assert {kind for key, kind in lines_of(opened, saved.id, run).items() if key[1] == "b"} == {"succeeded"}
    (only,) = episodes(opened, Schema.ACCOUNT, "b")
    assert (only.predecessor, only.first_seen_at, only.last_seen_at) == ("u003", first.started_at, run.started_at)
    assert msgspec.json.decode(only.record)["display_name"] == "Renamed"
    of_b = records_of(opened, saved.id, Schema.MEMBERSHIP, account="b")
    assert {group: one.first_seen_at for group, one in of_b.items()} == dict.fromkeys(("g0", "g1"), first.started_at)
    assert stored(opened, saved.id, as_of=3) == stored(opened, saved.id)


def test_what_an_unproven_set_does_not_hand_over_goes_on_unseen(host: Host, clock: SimulatedClock) -> None:
    """Where memberships lack their proof, those that a successor is not seen in go on, as they were last seen."""
    opened, script, saved = scripted(host)
    script.people(20, groups=2)
    first = sync_now(opened, saved.id)
    clock.elapsed += 60
    script.told = script.replace({"u003": "b"})
    script.memberships -= {("b", "g1")}
    script.reasons = {Schema.MEMBERSHIP: ["memberships_differ"]}
    run = sync_now(opened, saved.id)
    of_b = records_of(opened, saved.id, Schema.MEMBERSHIP, account="b")
    assert {group: (one.first_seen_at, one.last_seen_at, one.last_confirmed_run_id) for group, one in of_b.items()} == {
        "g0": (first.started_at, run.started_at, run.id),
        "g1": (first.started_at, first.started_at, first.id),
    }
    assert replayed(opened, saved.id)
