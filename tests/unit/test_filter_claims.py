"""What a sync claims under a filter: read completely, or a snapshot; who is left out, held back, and gone."""

import re
from typing import Any

import pytest

from openlane_authentik import DirectorySyncConfig, Schema, UserInput
from openlane_authentik.emit.envelope import RunWarning
from openlane_authentik.testing import RELEASES
from tests.support import World

# Fails where ``level`` is no number; what has none is kept.
LEVEL = UserInput(filter_expr="!has(payload.attributes.level) || payload.attributes.level < 5")
TYPO = UserInput(filter_expr="payload.is_activ == true")
PEOPLE = UserInput(filter_expr="payload.type == 'internal'")
NOBODY = [
    "payload.is_activ == true",
    "payload.is_activ",
    "payload.name == 'nobody is called so'",
    "payload.attributes.x.y == 1",
    "size(payload.name) > 1000",
    "resource == 'x'",
    "payload.pk < 0 && false",
    "payload.pk == payload.name",
    "false",
]


def _people(world: World) -> list[int]:
    account = world.fake.tokens.account("viewer")
    return [pk for pk in world.directory.users if pk != account and world.directory.raw_user(pk)["groups"]]


def _uid(world: World, pk: int) -> str:
    uid: str = world.directory.raw_user(pk)["uid"]
    return uid


def _claims(world: World) -> dict[Schema, tuple[bool, bool, list[str]]]:
    return {
        schema: (closing.read_complete, closing.snapshot_complete, closing.reasons)
        for schema, closing in world.sink.closings.items()
    }


def _removed(world: World) -> dict[str, str]:
    return {one.resource: one.evidence for one in world.sink.closings[Schema.ACCOUNT].removed or ()}


def _warning(world: World, code: str) -> RunWarning:
    (found,) = [warning for warning in world.sink.runs[0].warnings if warning.code == code]
    return found


@pytest.mark.parametrize("expression", NOBODY)
def test_a_set_that_a_filter_emptied_is_read_completely_and_no_snapshot(expression: str) -> None:
    """Whichever way a filter keeps nobody: all are named as left out, no set is a snapshot, a warning says which.

    The run gives its checkpoint and exits 0.
    """
    world = World()
    result = world.sync(user_input=UserInput(filter_expr=expression))
    assert _claims(world) == dict.fromkeys(Schema, (True, False, ["filter_kept_nothing"]))
    assert {uid for (uid,) in world.sink.left_out[Schema.ACCOUNT]} == {
        user["uid"] for user in world.directory.users.values()
    }
    assert {pk for (pk,) in world.sink.left_out[Schema.GROUP]} == set(world.directory.groups)
    message = _warning(world, "filter_kept_nothing").message
    for schema in Schema:
        assert f"{world.sink.closings[schema].counts.filtered} {schema} (" in message
    assert result.run.exit_code == 0
    assert result.checkpoint is not None


@pytest.mark.parametrize("release", [pytest.param(one, marks=pytest.mark.soak) for one in RELEASES] + ["2023.10"])
@pytest.mark.parametrize("without_groups", [False, True])
def test_only_the_kinds_that_are_synced_are_warned_of(release: str, *, without_groups: bool) -> None:
    """With groups switched off nothing is said of groups, whatever the filter would make of them."""
    world = World(release)
    user_input = UserInput(filter_expr="payload.type == 'internal'", disable_group_sync=without_groups)
    run = world.sync(user_input=user_input, kind="viewer_via_group").run
    assert run.exit_code == 0
    assert world.sink.closings[Schema.ACCOUNT].snapshot_complete
    told = " ".join(warning.message for warning in run.warnings)
    assert ("DirectoryGroup" in told) is not without_groups
    assert ("DirectoryMembership" in told) is not without_groups
    assert "DirectoryAccount" not in told


def test_an_empty_kind_is_not_emptied_by_a_filter() -> None:
    """Where there is no group at all, the empty sets are snapshots, whatever the filter says of groups."""
    world = World()
    for group in list(world.directory.groups):
        world.directory.delete_group(group)
    world.sync(user_input=PEOPLE)
    assert _claims(world) == dict.fromkeys(Schema, (True, True, []))
    assert [warning.code for warning in world.sink.runs[0].warnings] == ["filter_never_matches"]


def test_a_delta_warns_of_an_emptied_set_by_whom_it_knows() -> None:
    """That nobody known is kept is told by every delta, though nobody changed; one who is kept again ends it."""
    none = UserInput(filter_expr="!has(payload.type) || payload.name == 'The only one'")
    world = World()
    checkpoint = world.proven(none)
    result = world.sync(checkpoint, none)
    number = len(world.directory.users)
    assert result.run.mode == "delta"
    assert _claims(world)[Schema.ACCOUNT] == (True, False, ["filter_kept_nothing"])
    assert (
        f"{number} DirectoryAccount ({number} as in an earlier run)" in _warning(world, "filter_kept_nothing").message
    )
    assert (result.run.exit_code, result.checkpoint is not None) == (0, True)
    world.directory.update_user(_people(world)[0], name="The only one")
    result = world.sync(result.checkpoint, none)
    assert result.run.mode == "delta"
    assert _claims(world) == {
        Schema.ACCOUNT: (True, False, []),
        Schema.GROUP: (True, True, []),
        Schema.MEMBERSHIP: (True, True, []),
    }


def test_who_is_deleted_while_a_filter_keeps_nobody_is_gone() -> None:
    """Deleted under a mistyped filter: a delta names them, and so does the full run of the mended filter by lack."""
    world = World()
    first = world.proven()
    emptied = world.sync(first, TYPO)
    assert emptied.run.full_reason == "scope_changed"
    one, other = _people(world)[:2]
    gone = [_uid(world, one), _uid(world, other)]
    world.directory.delete_user(one)
    delta = world.sync(emptied.checkpoint, TYPO)
    assert delta.run.mode == "delta"
    assert _removed(world) == {gone[0]: "absent"}
    world.directory.delete_user(other)
    world.sync(delta.checkpoint)
    assert _claims(world) == dict.fromkeys(Schema, (True, True, []))
    assert not {envelope.resource for envelope in world.sink.of(Schema.ACCOUNT)} & set(gone)


@pytest.mark.parametrize("release", [pytest.param(one, marks=pytest.mark.soak) for one in RELEASES] + ["2023.10"])
def test_an_account_on_which_the_filter_fails_holds_back_itself(release: str) -> None:
    """It is named, its memberships are with it, everything else is as it would be, and a warning names it: exit 0."""
    world = World(release)
    pk = _people(world)[0]
    world.directory.update_user(pk, attributes={"level": "high"}, email="held@example.test", name="Held Back")
    result = world.sync(user_input=LEVEL, kind="viewer_via_group")
    uid = _uid(world, pk)
    held_back = ["records_held_back"]
    assert _claims(world) == {
        Schema.ACCOUNT: (True, False, held_back),
        Schema.GROUP: (True, True, []),
        Schema.MEMBERSHIP: (True, False, held_back),
    }
    assert world.sink.held_back == {Schema.ACCOUNT: [(uid,)]}
    assert len(world.sink.of(Schema.ACCOUNT)) == len(world.directory.users) - 1
    accounts = world.sink.closings[Schema.ACCOUNT]
    assert accounts.counts.read == accounts.evidence["countAfter"]
    assert not [account for account, _ in world.sink.memberships() if account == uid]
    message = _warning(world, "records_held_back").message
    assert f"1 DirectoryAccount ('{uid}': type_mismatch)" in message
    assert "Held" not in message
    assert "example" not in message
    assert result.run.exit_code == 0


def test_a_group_on_which_the_filter_fails_holds_back_itself_and_names_its_memberships() -> None:
    """Each membership that is there is held back by account and group: who left the group is not."""
    world = World()
    group = max(world.directory.groups, key=lambda one: len(list(world.directory.memberships.lefts_of(one))))
    world.directory.update_group(group, attributes={"level": "high"})
    checkpoint = world.sync(user_input=LEVEL).checkpoint
    members = list(world.directory.memberships.lefts_of(group))
    assert world.sink.held_back.keys() == {Schema.GROUP, Schema.MEMBERSHIP}
    assert world.sink.held_back[Schema.GROUP] == [(group,)]
    expected = {(_uid(world, pk), group) for pk in members}
    assert set(world.sink.held_back[Schema.MEMBERSHIP]) == expected
    world.directory.remove_member(group, members[0])
    result = world.sync(checkpoint, LEVEL)
    assert result.run.mode == "delta"
    assert set(world.sink.held_back[Schema.MEMBERSHIP]) == expected - {(_uid(world, members[0]), group)}
    assert _claims(world)[Schema.ACCOUNT] == (True, False, [])
    assert _claims(world)[Schema.MEMBERSHIP] == (True, False, ["records_held_back"])


def test_a_membership_on_which_the_filter_fails_is_held_back_by_account_and_group() -> None:
    """Where the filter asks for the resource, it can fail on a membership whose account and group it keeps."""
    world = World()
    pk = _people(world)[0]
    group = world.directory.raw_user(pk)["groups"][0]
    world.directory.update_user(pk, attributes={"level": "high"})
    expression = f"resource != '{group}' || !has(payload.attributes.level) || payload.attributes.level < 5"
    world.sync(user_input=UserInput(filter_expr=expression))
    assert world.sink.held_back == {Schema.MEMBERSHIP: [(_uid(world, pk), group)]}
    assert _claims(world)[Schema.ACCOUNT] == _claims(world)[Schema.GROUP] == (True, True, [])
    assert _claims(world)[Schema.MEMBERSHIP] == (True, False, ["records_held_back"])
    assert f"('{_uid(world, pk)}' in '{group}': filter_failed)" in _warning(world, "records_held_back").message


def test_an_expression_that_costs_too_much_holds_back_the_record() -> None:
    """A record so large that the filter's budget does not suffice is held back as any on which it fails."""
    world = World()
    pk = _people(world)[0]
    world.directory.update_user(pk, attributes={"many": list(range(3000))})
    expression = (
        "!has(payload.attributes.many) || payload.attributes.many.all(x, payload.attributes.many.exists(y, y == 2999))"
    )
    result = world.sync(user_input=UserInput(filter_expr=expression))
    assert world.sink.held_back == {Schema.ACCOUNT: [(_uid(world, pk),)]}
    assert world.sink.closings[Schema.ACCOUNT].failed_by == {"budget_exceeded": 1}
    assert result.run.exit_code == 0


def test_a_few_records_are_named_and_the_rest_counted() -> None:
    """Of many that are held back the warning names five, and says how many more."""
    world = World()
    for pk in _people(world)[:9]:
        world.directory.update_user(pk, attributes={"level": "high"})
    world.sync(user_input=LEVEL)
    message = _warning(world, "records_held_back").message
    assert "9 DirectoryAccount (" in message
    assert len(re.findall("'[0-9a-f]{64}': type_mismatch", message)) == 5
    assert ", 4 more)" in message


def test_every_delta_names_again_who_is_held_back() -> None:
    """Whoever failed in an earlier run and has not changed is held back by each delta, and the warning stays."""
    world = World()
    pk = _people(world)[0]
    world.directory.update_user(pk, attributes={"level": "high"})
    checkpoint = world.proven(LEVEL)
    for _ in range(2):
        result = world.sync(checkpoint, LEVEL)
        assert result.run.mode == "delta"
        assert world.sink.held_back == {Schema.ACCOUNT: [(_uid(world, pk),)]}
        assert _claims(world)[Schema.ACCOUNT] == (True, False, ["records_held_back"])
        assert f"'{_uid(world, pk)}': as in an earlier run" in _warning(world, "records_held_back").message
        assert result.checkpoint is not None
        checkpoint = result.checkpoint


def _failing(world: World, pk: int) -> None:
    world.directory.update_user(pk, attributes={"level": "high"})


def _passing(world: World, pk: int) -> None:
    world.directory.update_user(pk, attributes={"level": 1})


def _filtered(world: World, pk: int) -> None:
    world.directory.update_user(pk, attributes={"level": 9})


def _deleted(world: World, pk: int) -> None:
    world.directory.delete_user(pk)


_OUTCOMES: list[tuple[Any, Any, str | None, str]] = [
    # Before, then, what ``removed`` tells, and what else the delta says of the account.
    (_passing, _failing, None, "held back"),
    (_filtered, _failing, None, "held back"),
    (_failing, _passing, None, "handed over"),
    # It may be with the host from before it failed.
    (_failing, _filtered, "out_of_scope", ""),
    (_failing, _deleted, "absent", ""),
    (_filtered, _deleted, "absent", ""),
    (_passing, _deleted, "absent", ""),
    (_passing, _filtered, "out_of_scope", ""),
    (_filtered, _filtered, None, ""),
]


@pytest.mark.parametrize(("before", "then", "removed", "told"), _OUTCOMES)
def test_a_delta_tells_every_change_of_outcome(before: Any, then: Any, removed: str | None, told: str) -> None:
    """Kept, left out, held back or gone: what an account became since the checkpoint is told."""
    world = World()
    pk = _people(world)[0]
    uid = _uid(world, pk)
    before(world, pk)
    checkpoint = world.proven(LEVEL)
    then(world, pk)
    result = world.sync(checkpoint, LEVEL)
    assert (result.run.mode, result.run.exit_code) == ("delta", 0)
    assert _removed(world) == ({uid: removed} if removed else {})
    assert [envelope.resource for envelope in world.sink.of(Schema.ACCOUNT)] == ([uid] if told == "handed over" else [])
    assert world.sink.held_back == ({Schema.ACCOUNT: [(uid,)]} if told == "held back" else {})
    # The memberships of those held back are held back with them; of all others they are told.
    assert bool([one for one, _ in world.sink.memberships() if one == uid]) is (told == "handed over")


@pytest.mark.parametrize("outcome", [_failing, _filtered, _passing])
def test_who_leaves_during_a_full_run_is_told_as_gone(outcome: Any) -> None:
    """Handed over, left out or held back, and deleted before the reading ended: the closing names the account."""
    world = World(users=300)
    pk = _people(world)[0]
    uid = _uid(world, pk)
    outcome(world, pk)
    # Stamped so late that it is read first and again.
    world.fake.before(14, lambda directory: directory.delete_user(pk))
    result = world.sync(user_input=LEVEL, config=DirectorySyncConfig(page_size=50, concurrency=1))
    named = {envelope.resource for envelope in world.sink.of(Schema.ACCOUNT)} | {
        key[0] for keys in (world.sink.left_out, world.sink.held_back) for key in keys.get(Schema.ACCOUNT, [])
    }
    assert uid in named
    assert _removed(world) == {uid: "absent"}
    assert (result.run.exit_code, _claims(world)[Schema.ACCOUNT][0]) == (0, True)


def test_a_record_without_identifier_speaks_against_the_reading() -> None:
    """It cannot be named, so that nothing is proven of the accounts; beside it others are held back all the same."""
    world = World()
    nameless, failing = _people(world)[:2]
    world.directory.users[nameless]["uid"] = ""
    _failing(world, failing)
    result = world.sync(user_input=LEVEL)
    assert world.sink.held_back == {Schema.ACCOUNT: [(_uid(world, failing),)]}
    reasons = ["records_failed", "records_held_back"]
    assert _claims(world)[Schema.ACCOUNT] == _claims(world)[Schema.MEMBERSHIP] == (False, False, reasons)
    assert world.sink.closings[Schema.ACCOUNT].removed is None
    assert (result.run.exit_code, result.checkpoint) == (75, None)


def test_a_user_without_uid_who_joins_speaks_against_a_delta() -> None:
    """A delta that cannot name somebody is not read completely, and gives no checkpoint."""
    world = World()
    checkpoint = world.proven()
    pk = world.directory.create_user(username="nameless")
    world.directory.users[pk]["uid"] = ""
    result = world.sync(checkpoint)
    assert _claims(world)[Schema.ACCOUNT] == (False, False, ["records_failed"])
    assert (result.run.exit_code, result.checkpoint) == (75, None)


def test_what_is_out_of_scope_is_so_whatever_failed_beside_it() -> None:
    """With its account or its group a membership is left out, even if the other one is held back."""
    world = World()
    pk = _people(world)[0]
    groups = world.directory.raw_user(pk)["groups"]
    _failing(world, pk)
    world.directory.update_group(groups[0], attributes={"level": 9})
    world.sync(user_input=LEVEL)
    memberships = world.sink.closings[Schema.MEMBERSHIP]
    assert memberships.failed_by == ({"account_failed": len(groups) - 1} if len(groups) > 1 else {})
    assert memberships.filtered_by == {"group_filtered": len(list(world.directory.memberships.lefts_of(groups[0])))}
