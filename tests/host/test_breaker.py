"""A run that would remove too much removes nothing of any kind, until an operator confirmed exactly that list."""

from typing import Any

import pytest

from openlane_authentik import Schema
from openlane_authentik.emit.envelope import Removed
from openlane_authentik.host.attention import Attention, confirm, dismiss, list_attention, list_candidates
from openlane_authentik.host.errors import ConflictError, UnknownRecordError
from openlane_authentik.host.host import Host
from tests.host.asked import listed, missing, one_question, removed
from tests.host.in_process import (
    changes_of,
    kinds_of,
    stored,
    sync_now,
)
from tests.host.scripted import Script, scripted
from tests.host.support import row_of


def _asking(host: Host, **request: Any) -> tuple[Host, Script, str, Attention]:
    """Return a directory of 60 people whose last run found only 18 of them, and what is asked of it."""
    opened, script, saved = scripted(host, **request)
    script.people(60, groups=2)
    sync_now(opened, saved.id)
    script.drop(*list(script.accounts)[18:])
    run = sync_now(opened, saved.id)
    question = one_question(opened, saved.id)
    assert (run.status, run.exit_code, question.run_id) == ("COMPLETED", 0, run.id)
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 60
    return opened, script, saved.id, question


def test_a_source_with_a_third_of_its_users_removes_nobody(host: Host) -> None:
    """30 % of the users: nothing of any kind is removed, the operator reads how many of which, and the exact list."""
    opened, script, installation_id, question = _asking(host)
    assert question.message == "needs attention: 42 of 60 accounts, 84 of 120 memberships would be removed"
    assert question.counts["DirectoryAccount"] == {
        "present": 60,
        "removed": 42,
        "replaced": 0,
        "tripped": True,
        "unasked": 42,
        "unaskedInScope": 42,
        "removedLately": 0,
        "presentBefore": 60,
    }
    names = listed(opened, installation_id, question.id)
    assert names == missing(opened, installation_id, script)
    assert len(names) == 42 + 84
    first = list_candidates(opened, installation_id, question.id, limit=1)[0]
    assert first.display_name == "Person 18"
    # Only a full run finds again who is missing.
    assert row_of(opened, installation_id).checkpoint is None


def test_additions_go_on_while_nothing_is_removed(host: Host) -> None:
    """A run that asks still takes over who is new and what changed."""
    opened, script, installation_id, _ = _asking(host)
    script.accounts["new"] = {"display_name": "New"}
    script.accounts["u001"] = {"display_name": "Renamed"}
    run = sync_now(opened, installation_id)
    logged = kinds_of(changes_of(opened, installation_id, run_id=run.id))
    assert logged == {("DirectoryAccount", "new", ""): "added", ("DirectoryAccount", "u001", ""): "changed"}


def test_confirmed_records_are_removed_by_the_next_proof(host: Host) -> None:
    """Confirmed, exactly the list is removed, by the run that proves it again and not by one that does not."""
    opened, script, installation_id, question = _asking(host)
    names = listed(opened, installation_id, question.id)
    assert confirm(opened, installation_id, question.id).status == "confirmed"
    script.reasons = {schema: ["partial_visibility"] for schema in Schema}
    run = sync_now(opened, installation_id)
    assert run.trigger == "manual"
    assert removed(opened, installation_id, run) == set()
    script.reasons = {}
    run = sync_now(opened, installation_id)
    assert removed(opened, installation_id, run) == names
    (applied,) = list_attention(opened, installation_id, status=None)
    assert applied.status == "applied"
    # It was good for once.
    script.people(60, groups=2)
    sync_now(opened, installation_id)
    script.drop(*list(script.accounts)[18:])
    sync_now(opened, installation_id)
    assert one_question(opened, installation_id).id != question.id


def test_who_came_back_is_not_removed_by_a_confirmation(host: Host) -> None:
    """Of a confirmed list only who is proven gone again is removed; others beside the list count against the limits."""
    opened, script, installation_id, question = _asking(host)
    confirm(opened, installation_id, question.id)
    script.accounts["u050"] = {"display_name": "Person 50"}
    gone = missing(opened, installation_id, script)
    run = sync_now(opened, installation_id)
    assert removed(opened, installation_id, run) == gone
    assert ("u050", "") in stored(opened, installation_id)[Schema.ACCOUNT]


def test_a_list_that_changed_replaces_the_old_one(host: Host) -> None:
    """When other records are missing by now the old list is superseded: it can't be confirmed, and the new one asks."""
    opened, script, installation_id, question = _asking(host)
    sync_now(opened, installation_id)
    assert one_question(opened, installation_id).id == question.id, "the same records, the same question"
    script.drop("u017")
    sync_now(opened, installation_id)
    newer = one_question(opened, installation_id)
    assert newer.id != question.id
    assert listed(opened, installation_id, newer.id) == missing(opened, installation_id, script)
    for decide in (confirm, dismiss):
        with pytest.raises(ConflictError, match="superseded"):
            decide(opened, installation_id, question.id)
    assert len(stored(opened, installation_id)[Schema.ACCOUNT]) == 60
    confirm(opened, installation_id, newer.id)
    with pytest.raises(ConflictError, match="confirmed"):
        dismiss(opened, installation_id, newer.id)
    with pytest.raises(UnknownRecordError):
        confirm(opened, installation_id, "no such question")


def test_a_confirmed_list_that_grew_too_much_asks_again(host: Host) -> None:
    """When beside the confirmed records too many others are missing, all of them are asked about again."""
    opened, script, installation_id, question = _asking(host, breaker_least=5)
    confirm(opened, installation_id, question.id)
    script.drop(*list(script.accounts)[:15])
    run = sync_now(opened, installation_id)
    assert removed(opened, installation_id, run) == set()
    assert len(listed(opened, installation_id, one_question(opened, installation_id).id)) == 57 * 3
    assert {one.status for one in list_attention(opened, installation_id, status=None)} == {"open", "superseded"}


def test_a_dismissed_question_is_asked_again(host: Host) -> None:
    """Dismissed, nothing is removed; the next run that finds the same missing asks anew."""
    opened, _, installation_id, question = _asking(host)
    assert dismiss(opened, installation_id, question.id).status == "dismissed"
    assert list_attention(opened, installation_id) == []
    sync_now(opened, installation_id)
    again = one_question(opened, installation_id)
    assert again.id != question.id
    assert len(stored(opened, installation_id)[Schema.ACCOUNT]) == 60


@pytest.mark.parametrize("unproven", [False, True])
def test_a_source_that_recovers_resolves_the_question(host: Host, unproven: bool) -> None:  # noqa: FBT001 - of a table
    """When everybody listed was seen again nothing is asked any more, whether or not the run proved the rest."""
    opened, script, installation_id, question = _asking(host)
    script.people(60, groups=2)
    script.reasons = {Schema.GROUP: ["groups_kept_changing"]} if unproven else {}
    sync_now(opened, installation_id)
    (resolved,) = list_attention(opened, installation_id, status=None)
    assert (resolved.id, resolved.status) == (question.id, "resolved")
    assert len(stored(opened, installation_id)[Schema.ACCOUNT]) == 60


@pytest.mark.parametrize("why", ["partial_visibility", "records_failed"])
def test_a_question_waits_while_nothing_is_proven(host: Host, why: str) -> None:
    """A run that could tell nothing of the listed records leaves the question open."""
    opened, script, installation_id, question = _asking(host)
    if why == "records_failed":
        script.failed = {Schema.ACCOUNT: 1}
    else:
        script.reasons = {schema: [why] for schema in Schema}
    sync_now(opened, installation_id)
    assert one_question(opened, installation_id).id == question.id


def test_a_question_of_accounts_is_applied_though_no_group_can_match(host: Host) -> None:
    """Where groups can never be proven a confirmation is used up all the same, and is no licence for later."""
    opened, script, saved = scripted(host)
    never = {schema: ["filter_never_matches"] for schema in (Schema.GROUP, Schema.MEMBERSHIP)}
    script.people(60)
    script.reasons = never
    sync_now(opened, saved.id)
    script.drop(*list(script.accounts)[18:])
    sync_now(opened, saved.id)
    confirm(opened, saved.id, one_question(opened, saved.id).id)
    sync_now(opened, saved.id)
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 18
    assert [one.status for one in list_attention(opened, saved.id, status=None)] == ["applied"]


def test_a_delta_asks_too_and_the_next_run_is_full(host: Host) -> None:
    """A delta that says too many are gone removes nobody, confirms nobody unseen, and leaves no checkpoint."""
    opened, script, saved = scripted(host)
    script.people(60)
    sync_now(opened, saved.id)
    gone = list(script.accounts)[18:]
    script.accounts, kept = {}, dict(list(script.accounts.items())[:18])
    script.removed = [Removed(resource=uid, evidence="absent") for uid in gone]
    run = sync_now(opened, saved.id)
    question = one_question(opened, saved.id)
    assert listed(opened, saved.id, question.id) == {("DirectoryAccount", uid, "") for uid in gone}
    assert removed(opened, saved.id, run) == set()
    assert row_of(opened, saved.id).checkpoint is None
    script.accounts, script.removed = kept, None
    confirm(opened, saved.id, question.id)
    assert len(removed(opened, saved.id, sync_now(opened, saved.id))) == 42
    assert script.seen[-1] is None
