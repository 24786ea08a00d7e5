"""Who was handed over and is gone when the reading ends is not there: what was emitted, less the gone, is present."""

import pytest

from openlane_authentik import Schema
from openlane_authentik.emit.envelope import Removed
from openlane_authentik.host.host import Host
from tests.host.asked import one_question, removed
from tests.host.in_process import changes_of, episodes, kinds_of, stored, sync_now
from tests.host.scripted import scripted
from tests.support import SimulatedClock


def test_who_is_gone_when_the_reading_ends_is_removed(host: Host, clock: SimulatedClock) -> None:
    """Of a full set, who was there before ends as removed, and who was not never comes; the counts add up."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    first = sync_now(opened, saved.id)
    clock.elapsed += 60
    script.accounts["new"] = {"display_name": "New"}
    script.accounts["u001"] = {"display_name": "Renamed and deleted"}
    script.memberships.add(("new", "g0"))
    script.told = [Removed(resource=uid, evidence="absent") for uid in ("u001", "new")]
    run = sync_now(opened, saved.id)
    assert kinds_of(changes_of(opened, saved.id, run_id=run.id)) == {
        ("DirectoryAccount", "u001", ""): "removed",
        ("DirectoryMembership", "u001", "g0"): "removed",
    }
    (ended,) = episodes(opened, Schema.ACCOUNT, "u001")
    assert (ended.removed_at, ended.last_confirmed_run_id) == (opened.now(), first.id)
    present = stored(opened, saved.id)
    assert run.counts is not None
    for schema, emitted, gone in ((Schema.ACCOUNT, 21, 2), (Schema.MEMBERSHIP, 21, 2)):
        counts = run.counts[schema.value]
        assert (counts["emitted"], counts["gone"]) == (emitted, gone)
        assert counts["emitted"] - counts["gone"] == len(present[schema]) == counts["confirmed"]


def test_the_gone_count_against_the_limits(host: Host) -> None:
    """Too many of them ask the operator like any removals, and are confirmed by nobody meanwhile."""
    opened, script, saved = scripted(host)
    script.people(60)
    first = sync_now(opened, saved.id)
    script.told = [Removed(resource=uid, evidence="absent") for uid in list(script.accounts)[:42]]
    run = sync_now(opened, saved.id)
    assert removed(opened, saved.id, run) == set()
    assert one_question(opened, saved.id).counts["DirectoryAccount"]["removed"] == 42
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 60
    assert episodes(opened, Schema.ACCOUNT, "u001")[0].last_confirmed_run_id == first.id


@pytest.mark.parametrize("unnamed", [False, True])
def test_who_was_left_out_and_is_gone_was_removed(host: Host, unnamed: bool) -> None:  # noqa: FBT001 - of a table
    """Whom a run tells as left out and then as absent is gone, not out of scope; the end of the reading counts."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    script.drop("u001", "u002")
    script.left_out, script.unnamed = {Schema.ACCOUNT: [("u001",), ("u002",)]}, unnamed
    script.told = [Removed(resource="u001", evidence="absent")]
    run = sync_now(opened, saved.id)
    assert kinds_of(changes_of(opened, saved.id, run_id=run.id)) == {
        ("DirectoryAccount", "u001", ""): "removed",
        ("DirectoryMembership", "u001", "g0"): "removed",
        ("DirectoryAccount", "u002", ""): "out_of_scope",
        ("DirectoryMembership", "u002", "g0"): "out_of_scope",
    }


def test_who_is_out_of_scope_when_the_reading_ends_left_it(host: Host) -> None:
    """Whom a full set handed over and then calls out of scope left the scope."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    script.told = [Removed(resource="u001", evidence="out_of_scope")]
    run = sync_now(opened, saved.id)
    assert kinds_of(changes_of(opened, saved.id, run_id=run.id)) == {
        ("DirectoryAccount", "u001", ""): "out_of_scope",
        ("DirectoryMembership", "u001", "g0"): "out_of_scope",
    }
