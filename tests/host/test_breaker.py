"""A run that would remove too much removes nothing of any kind, until an operator confirmed exactly that list."""

from typing import Any

import pytest

from openlane_authentik import Schema
from openlane_authentik.emit.envelope import Removed
from openlane_authentik.host.attention import Attention, confirm, dismiss, list_attention, list_candidates
from openlane_authentik.host.errors import ConflictError, UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.testing import Directory, FakeAuthentik
from tests.host.in_process import (
    InProcess,
    changes_of,
    kinds_of,
    save_in_process,
    stored,
    sync_now,
    with_definition,
)
from tests.host.scripted import Script, save_scripted, scripted
from tests.host.support import row_of
from tests.support import SimulatedClock

Names = set[tuple[str, str, str]]


def _listed(host: Host, installation_id: str, attention_id: str) -> Names:
    """Give the whole list of a question, read some at a time."""
    found: list[tuple[str, str, str]] = []
    while some := list_candidates(host, installation_id, attention_id, offset=len(found), limit=7):
        found += [(one.schema, one.external_id, one.group_id or "") for one in some]
    assert len(found) == len(set(found))
    return set(found)


def _missing(host: Host, installation_id: str, script: Script) -> Names:
    """Give what the directory has and the script has not."""
    there = stored(host, installation_id)
    true: dict[Schema, set[tuple[str, str]]] = {
        Schema.ACCOUNT: {(key, "") for key in script.accounts},
        Schema.GROUP: {(key, "") for key in script.groups},
        Schema.MEMBERSHIP: set(script.memberships),
    }
    return {(schema.value, *key) for schema in Schema for key in there[schema].keys() - true[schema]}


def _one_question(host: Host, installation_id: str) -> Attention:
    (question,) = list_attention(host, installation_id)
    return question


def _removed(host: Host, installation_id: str, run: Any) -> Names:
    return {
        key for key, kind in kinds_of(changes_of(host, installation_id, run_id=run.id)).items() if kind == "removed"
    }


def _asking(host: Host, **request: Any) -> tuple[Host, Script, str, Attention]:
    """Give a directory of 60 people whose last run found only 18 of them, and what is asked of it."""
    opened, script, saved = scripted(host, **request)
    script.people(60, groups=2)
    sync_now(opened, saved.id)
    script.drop(*list(script.accounts)[18:])
    run = sync_now(opened, saved.id)
    question = _one_question(opened, saved.id)
    assert (run.status, run.exit_code, question.run_id) == ("COMPLETED", 0, run.id)
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 60
    return opened, script, saved.id, question


def test_a_source_with_a_third_of_its_users_removes_nobody(host: Host) -> None:
    """30 % of the users: nothing of any kind is removed, the operator reads how many of which, and the exact list."""
    opened, script, installation_id, question = _asking(host)
    assert question.message == "needs attention: 42 of 60 accounts, 84 of 120 memberships would be removed"
    assert question.counts["DirectoryAccount"] == {"present": 60, "removed": 42, "tripped": True}
    listed = _listed(opened, installation_id, question.id)
    assert listed == _missing(opened, installation_id, script)
    assert len(listed) == 42 + 84
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


@pytest.mark.parametrize("empty", list(Schema))
def test_an_empty_set_removes_nothing(host: Host, empty: Schema) -> None:
    """A set that was not empty and now is removes nothing of any kind, however few its records and wide the limits."""
    opened, script, saved = scripted(host, breaker_share=1.0, breaker_least=1000)
    script.people(3, groups=1)
    sync_now(opened, saved.id)
    if empty is Schema.ACCOUNT:
        script.accounts = {}
    if empty in {Schema.ACCOUNT, Schema.GROUP}:
        script.groups = {} if empty is Schema.GROUP else script.groups
    script.memberships = set()
    run = sync_now(opened, saved.id)
    assert _removed(opened, saved.id, run) == set()
    question = _one_question(opened, saved.id)
    assert question.counts[empty.value]["tripped"]
    assert _listed(opened, saved.id, question.id) == _missing(opened, saved.id, script)


@pytest.mark.parametrize(
    ("present", "gone", "share", "least", "asks"),
    [
        (100, 20, 0.2, 10, False),  # exactly 20 %
        (100, 21, 0.2, 10, True),
        (45, 9, 0.2, 10, False),
        (44, 9, 0.2, 10, False),  # more than 20 %, and fewer than 10
        (44, 10, 0.2, 10, True),
        (50, 10, 0.2, 10, False),  # 10, and exactly 20 %
        (50, 11, 0.2, 10, True),
        (100, 1, 0.0, 1, True),
        (100, 50, 0.5, 1, False),
        (100, 51, 0.5, 1, True),
        (100, 99, 1.0, 1, False),
        (100, 29, 0.29, 1, False),  # 0.29 * 100 is a little less than 29
    ],
)
def test_the_limits_are_exact(host: Host, present: int, gone: int, share: float, least: int, asks: bool) -> None:  # noqa: FBT001 - of a table
    """A run asks when it would remove more than the share, and at least so many, as each installation has it."""
    opened, script, saved = scripted(host, breaker_share=share, breaker_least=least)
    script.people(present)
    sync_now(opened, saved.id)
    script.drop(*list(script.accounts)[:gone])
    run = sync_now(opened, saved.id)
    assert bool(list_attention(opened, saved.id)) == asks
    assert len(_removed(opened, saved.id, run)) == (0 if asks else gone)


def test_limits_hold_for_each_schema(host: Host) -> None:
    """Too many memberships alone keep accounts from being removed too, as nothing of any kind is."""
    opened, script, saved = scripted(host)
    script.people(60, groups=2)
    sync_now(opened, saved.id)
    script.drop("u001")
    script.memberships = {pair for pair in script.memberships if pair[1] == "g0"}
    run = sync_now(opened, saved.id)
    counts = _one_question(opened, saved.id).counts
    assert {name: count["tripped"] for name, count in counts.items()} == {
        "DirectoryAccount": False,
        "DirectoryMembership": True,
    }
    assert _removed(opened, saved.id, run) == set()
    save_scripted(opened, saved.id, breaker_share=0.6)
    assert ("DirectoryAccount", "u001", "") in _removed(opened, saved.id, sync_now(opened, saved.id))


def test_confirmed_records_are_removed_by_the_next_proof(host: Host) -> None:
    """Confirmed, exactly the list is removed, by the run that proves it again and not by one that does not."""
    opened, script, installation_id, question = _asking(host)
    listed = _listed(opened, installation_id, question.id)
    assert confirm(opened, installation_id, question.id).status == "confirmed"
    script.reasons = dict.fromkeys(Schema, ["partial_sight"])
    run = sync_now(opened, installation_id)
    assert run.trigger == "manual"
    assert _removed(opened, installation_id, run) == set()
    script.reasons = {}
    run = sync_now(opened, installation_id)
    assert _removed(opened, installation_id, run) == listed
    (applied,) = list_attention(opened, installation_id, status=None)
    assert applied.status == "applied"
    # It was good for once.
    script.people(60, groups=2)
    sync_now(opened, installation_id)
    script.drop(*list(script.accounts)[18:])
    sync_now(opened, installation_id)
    assert _one_question(opened, installation_id).id != question.id


def test_who_came_back_is_not_removed_by_a_confirmation(host: Host) -> None:
    """Of a confirmed list only who is proven gone again is removed; others beside the list count against the limits."""
    opened, script, installation_id, question = _asking(host)
    confirm(opened, installation_id, question.id)
    script.accounts["u050"] = {"display_name": "Person 50"}
    gone = _missing(opened, installation_id, script)
    run = sync_now(opened, installation_id)
    assert _removed(opened, installation_id, run) == gone
    assert ("u050", "") in stored(opened, installation_id)[Schema.ACCOUNT]


def test_a_list_that_changed_replaces_the_old_one(host: Host) -> None:
    """When other records are missing by now the old list is superseded: it can't be confirmed, and the new one asks."""
    opened, script, installation_id, question = _asking(host)
    sync_now(opened, installation_id)
    assert _one_question(opened, installation_id).id == question.id, "the same records, the same question"
    script.drop("u017")
    sync_now(opened, installation_id)
    newer = _one_question(opened, installation_id)
    assert newer.id != question.id
    assert _listed(opened, installation_id, newer.id) == _missing(opened, installation_id, script)
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
    assert _removed(opened, installation_id, run) == set()
    assert len(_listed(opened, installation_id, _one_question(opened, installation_id).id)) == 57 * 3
    assert {one.status for one in list_attention(opened, installation_id, status=None)} == {"open", "superseded"}


def test_a_dismissed_question_is_asked_again(host: Host) -> None:
    """Dismissed, nothing is removed; the next run that finds the same missing asks anew."""
    opened, _, installation_id, question = _asking(host)
    assert dismiss(opened, installation_id, question.id).status == "dismissed"
    assert list_attention(opened, installation_id) == []
    sync_now(opened, installation_id)
    again = _one_question(opened, installation_id)
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


@pytest.mark.parametrize("why", ["partial_sight", "records_failed"])
def test_a_question_waits_while_nothing_is_proven(host: Host, why: str) -> None:
    """A run that could tell nothing of the listed records leaves the question open."""
    opened, script, installation_id, question = _asking(host)
    if why == "records_failed":
        script.failed = {Schema.ACCOUNT: 1}
    else:
        script.reasons = dict.fromkeys(Schema, [why])
    sync_now(opened, installation_id)
    assert _one_question(opened, installation_id).id == question.id


def test_a_question_of_accounts_is_applied_though_no_group_can_match(host: Host) -> None:
    """Where groups can never be proven a confirmation is used up all the same, and is no licence for later."""
    opened, script, saved = scripted(host)
    never = {schema: ["filter_never_matches"] for schema in (Schema.GROUP, Schema.MEMBERSHIP)}
    script.people(60)
    script.reasons = never
    sync_now(opened, saved.id)
    script.drop(*list(script.accounts)[18:])
    sync_now(opened, saved.id)
    confirm(opened, saved.id, _one_question(opened, saved.id).id)
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
    question = _one_question(opened, saved.id)
    assert _listed(opened, saved.id, question.id) == {("DirectoryAccount", uid, "") for uid in gone}
    assert _removed(opened, saved.id, run) == set()
    assert row_of(opened, saved.id).checkpoint is None
    script.accounts, script.removed = kept, None
    confirm(opened, saved.id, question.id)
    assert len(_removed(opened, saved.id, sync_now(opened, saved.id))) == 42
    assert script.seen[-1] is None


@pytest.mark.parametrize("kind", ["object_level", "internal_sa_none", "view_user_only", "none", "viewer"])
def test_whatever_a_token_sees_nobody_is_removed(host: Host, clock: SimulatedClock, kind: str) -> None:
    """A token of partial or no sight removes nobody and the run says why; a true loss of two thirds asks first."""
    directory = Directory.generate(users=60, groups=9, seed=8, clock=clock.now)
    fake = FakeAuthentik(directory, sleep=clock.sleep)
    fake.token("viewer")
    fake.token(kind)
    integration = InProcess(fake, clock)
    opened = with_definition(host, integration)
    saved = save_in_process(opened, fake)
    sync_now(opened, saved.id)
    there = {schema: records.keys() for schema, records in stored(opened, saved.id).items()}
    integration.kind = kind
    if kind == "viewer":
        own = fake.tokens.account("viewer")
        directory.delete_users([pk for pk in directory.users if pk != own][:40])
    clock.elapsed += 600
    run = sync_now(opened, saved.id)
    assert {schema: records.keys() for schema, records in stored(opened, saved.id).items()} == there
    told = {warning["code"] for warning in run.warnings or ()} | {run.error["code"] if run.error else ""}
    why = {
        "object_level": "partial_sight",
        "internal_sa_none": "partial_sight",
        "view_user_only": "no_permission_groups",
        "none": "no_permission_groups",
    }
    if kind == "viewer":
        assert run.mode == "delta"
        assert _one_question(opened, saved.id).counts["DirectoryAccount"]["removed"] == 40
    else:
        assert why[kind] in told
