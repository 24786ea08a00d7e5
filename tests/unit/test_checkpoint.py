"""Where a sync can begin, and when it must read everything instead."""

import asyncio
from collections.abc import Callable

import pytest

from openlane_authentik import (
    AuthentikIntegration,
    Schema,
    UserInput,
    parse_credential,
)
from tests.support import KeepingSink, World, connect


def test_a_delta_hands_over_who_changed_and_tells_who_is_gone() -> None:
    """One renamed, one deleted: one account is emitted, one removed, and groups and memberships are whole."""
    world = World()
    checkpoint = world.proven()
    renamed, gone = list(world.directory.users)[5:7]
    uid = world.directory.raw_user(gone)["uid"]
    world.directory.update_user(renamed, name="Renamed")
    world.directory.delete_user(gone)
    result = world.sync(checkpoint)
    assert (result.run.mode, result.run.full_reason, result.run.exit_code) == ("delta", None, 0)
    assert [envelope.record["display_name"] for envelope in world.sink.of(Schema.ACCOUNT)] == ["Renamed"]
    closing = world.sink.closings[Schema.ACCOUNT]
    assert (closing.delta, closing.snapshot_complete, closing.reasons) == (True, False, [])
    assert [(removed.resource, removed.evidence) for removed in closing.removed or ()] == [(uid, "absent")]
    assert world.sink.closings[Schema.GROUP].snapshot_complete
    assert world.sink.closings[Schema.MEMBERSHIP].snapshot_complete
    assert len(world.sink.memberships()) == len(world.directory.memberships)


def test_an_account_that_the_filter_drops_now_is_told_as_out_of_scope() -> None:
    """Somebody deactivated, under a filter for the active, is there but no more in scope."""
    active = UserInput(filter_expr="!has(payload.is_active) || payload.is_active")
    world = World()
    checkpoint = world.proven(active)
    pk = next(pk for pk in world.directory.users if world.directory.raw_user(pk)["is_active"])
    world.directory.update_user(pk, is_active=False)
    world.sync(checkpoint, active)
    removed = world.sink.closings[Schema.ACCOUNT].removed or []
    assert [(entry.resource, entry.evidence) for entry in removed] == [
        (world.directory.raw_user(pk)["uid"], "out_of_scope")
    ]


def test_an_activation_without_a_trace_is_found_by_counting() -> None:
    """E-mail verification flips ``is_active`` and leaves ``last_updated``: the count of the active disagrees."""
    world = World()
    pk = next(pk for pk in world.directory.users if not world.directory.raw_user(pk)["is_active"])
    checkpoint = world.proven()
    world.directory.set_active_by_email_verification(pk)
    assert world.sync(checkpoint).run.mode == "delta"
    assert [envelope.payload["pk"] for envelope in world.sink.of(Schema.ACCOUNT)] == [pk]


def test_the_cost_of_a_delta_does_not_grow_with_the_directory() -> None:
    """With one user deleted, ten times the users cost a few more counts, and no more pages."""
    sent = {}
    for users in (300, 3000):
        world = World(users=users)
        checkpoint = world.proven()
        world.directory.delete_user(list(world.directory.users)[users // 2])
        world.fake.requests.clear()
        assert world.sync(checkpoint).run.mode == "delta"
        sent[users] = len(world.fake.requests)
    assert sent[3000] <= sent[300] + 6
    assert sent[3000] < 3000 // 100 + 10


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _: b"", "checkpoint_unreadable"),
        (lambda _: b"not a checkpoint", "checkpoint_unreadable"),
        (lambda content: content.replace(b" 2 ", b" 9 ", 1), "checkpoint_unreadable"),
        (lambda content: content[:-1], "checkpoint_damaged"),
        (lambda content: content[:-5] + b"\x00" + content[-4:], "checkpoint_damaged"),
    ],
)
def test_a_damaged_checkpoint_means_a_full_sync_that_says_so(spoil: Callable[[bytes], bytes], reason: str) -> None:
    """Whatever is wrong with it, everything is read, proven, and the reason told."""
    world = World()
    result = world.sync(spoil(world.proven()))
    assert (result.run.mode, result.run.full_reason, result.run.exit_code) == ("full", reason, 0)
    assert world.sink.closings[Schema.ACCOUNT].snapshot_complete


def test_a_checkpoint_holds_for_one_directory_only() -> None:
    """Another instance reads everything."""
    checkpoint = World().proven()
    world = World()
    world.clock.elapsed += 300
    credential = parse_credential({"baseUrl": "https://other.example.test", "token": world.fake.token()})
    integration = AuthentikIntegration(credential, clock=world.clock, transport=world.fake.transport())
    result = asyncio.run(integration.directory_sync(world.sink, checkpoint=checkpoint))
    assert result.run.full_reason == "instance_changed"


@pytest.mark.parametrize(
    ("user_input", "reason"),
    [
        (UserInput(filter_expr="!has(payload.is_active) || payload.is_active"), "scope_changed"),
        (UserInput(disable_group_sync=True), "scope_changed"),
        (UserInput(filter_expr="size(payload.roles) >= 0"), "filter_needs_full"),
        (UserInput(filter_expr="!has(payload.is_superuser) || !payload.is_superuser"), "filter_needs_full"),
        (UserInput(filter_expr="!has(payload.last_login) || payload.last_login != null"), "filter_needs_full"),
        (UserInput(filter_expr="size(payload) > 3"), "filter_needs_full"),
        (
            UserInput(filter_expr="!has(payload.groups) || size(payload.groups) > 0", disable_group_sync=True),
            "filter_needs_full",
        ),
    ],
)
def test_another_scope_or_one_that_no_cursor_covers_is_read_whole(user_input: UserInput, reason: str) -> None:
    """A filter or switch that changed, or a filter on what leaves no trace, means a full sync that says so."""
    world = World()
    result = world.sync(world.proven(), user_input)
    assert (result.run.mode, result.run.full_reason) == ("full", reason)


def test_a_filter_on_logins_needs_no_full_sync_where_logins_can_be_asked_for() -> None:
    """From 2026.2 on ``last_login__gt`` tells who logged in, and the account is handed over with the new login."""
    world = World("2026.2")
    ever = UserInput(filter_expr="!has(payload.last_login) || payload.last_login != null")
    checkpoint = world.proven(ever)
    pk = list(world.directory.users)[3]
    world.directory.log_in(pk)
    assert world.sync(checkpoint, ever).run.mode == "delta"
    assert [envelope.payload["pk"] for envelope in world.sink.of(Schema.ACCOUNT)] == [pk]


def test_a_narrowed_visibility_ends_in_a_full_sync_that_proves_nothing() -> None:
    """A token that sees a part now must not make those it does not see any more look removed."""
    world = World()
    result = world.sync(world.proven(), kind="object_level")
    assert (result.run.mode, result.run.full_reason, result.run.exit_code) == ("full", "account_changed", 77)
    assert result.checkpoint is None
    assert not any(closing.snapshot_complete or closing.removed for closing in world.sink.closings.values())


def test_everything_is_read_again_after_the_interval() -> None:
    """A day after the last full sync the next is full; deltas in between do not put it off."""
    world = World()
    checkpoint = world.proven()
    world.clock.elapsed += 12 * 3600
    between = world.sync(checkpoint)
    assert between.run.mode == "delta"
    world.clock.elapsed += 12 * 3600
    assert world.sync(between.checkpoint).run.full_reason == "full_interval"


def test_too_many_changes_are_read_whole() -> None:
    """Where so many were edited that reading them costs as much, everything is read."""
    world = World(users=700)
    checkpoint = world.proven()
    for pk in list(world.directory.users)[:600]:
        world.directory.update_user(pk, name="edited")
    assert world.sync(checkpoint).run.full_reason == "too_many_changes"


@pytest.mark.parametrize("release", ["2023.10", "2025.6"])
def test_before_2025_8_there_is_no_checkpoint(release: str) -> None:
    """Without filters by date nothing can be told apart from everything; a checkpoint from elsewhere is not used."""
    world = World(release)
    assert world.sync().checkpoint is None
    assert world.sync(World().proven()).run.full_reason == "release_without_date_filters"


def test_a_run_that_proved_nothing_leaves_no_checkpoint() -> None:
    """A partial visibility gives none; nor does a run that was not asked for one."""
    world = World()
    assert world.sync(kind="object_level").checkpoint is None
    integration = connect(world.fake, clock=world.clock)
    assert asyncio.run(integration.directory_sync(KeepingSink(), remember=False)).checkpoint is None


def test_a_checkpoint_is_not_shown() -> None:
    """It holds people's names: no repr of a result has it."""
    result = World().sync()
    assert result.checkpoint is not None
    assert "checkpoint=" not in repr(result)
