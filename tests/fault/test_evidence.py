"""What is claimed follows from the server's stamps, counts and keys: clocks, restores, replicas and lost visibility."""

from datetime import timedelta
from functools import partial

import pytest

from openlane_authentik import DirectorySyncConfig, Schema, UserInput
from openlane_authentik.testing import Directory, RequestInfo
from tests.support import World

FAR_AHEAD = timedelta(days=9 * 365)
CLOCKS = {
    "years ahead": lambda now: now + FAR_AHEAD,
    "minutes ahead": lambda now: now + timedelta(minutes=7),
    "years behind": lambda now: now - FAR_AHEAD,
    "silent": lambda _: None,
}


def changed(world: World) -> list[int]:
    """The users whose accounts the last sync handed over."""
    return [envelope.payload["pk"] for envelope in world.sink.of(Schema.ACCOUNT)]


def removed(world: World) -> list[tuple[str, str]]:
    """The accounts that the last sync ended, each with its evidence."""
    return [(entry.resource, entry.evidence) for entry in world.sink.closings[Schema.ACCOUNT].removed or ()]


def people(world: World) -> list[int]:
    """Everybody but the token's own account."""
    return [pk for pk in world.directory.users if pk != world.fake.tokens.account("viewer")]


@pytest.mark.parametrize("told", CLOCKS)
def test_what_the_date_header_says_loses_no_edit(told: str) -> None:
    """A proxy's Date, years or minutes off or missing, neither hides an edit nor makes the next sync a full one."""
    world = World(users=500)
    world.fake.told_date = CLOCKS[told]
    checkpoint = world.proven()
    pk = people(world)[7]
    for name in ("First", "Second"):
        world.directory.update_user(pk, name=name)
        result = world.sync(checkpoint)
        assert (result.run.mode, result.run.exit_code) == ("delta", 0)
        assert changed(world) == [pk]
        checkpoint = result.checkpoint or b""


@pytest.mark.parametrize("offset", [timedelta(days=-400), timedelta(hours=-3), timedelta(minutes=-5)])
def test_a_server_clock_set_back_loses_no_edit(offset: timedelta) -> None:
    """Edits stamped by a clock that was set back are found, or everything is read, whoever is edited."""
    for index in (3, 400, 499):
        world = World(users=500)
        checkpoint = world.proven()
        world.directory.set_clock(offset)
        pk = people(world)[index]
        world.directory.update_user(pk, name="Edited")
        result = world.sync(checkpoint)
        assert result.run.exit_code == 0
        assert pk in changed(world)


@pytest.mark.parametrize("minutes", [2, 20, 50])
def test_a_row_that_commits_after_its_stamp_is_seen(minutes: int) -> None:
    """A row stamped before the last sync and committed after it is found by the next, be it an edit or a new user."""
    world = World(users=500)
    edited = world.directory.begin(lambda d: d.update_user(people(world)[7], name="Late"))
    created = world.directory.begin(lambda d: d.create_user(username="late-joiner"))
    world.clock.elapsed += minutes * 60
    world.directory.update_user(people(world)[8], name="In time")
    checkpoint = world.proven()
    edited.commit()
    created.commit()
    result = world.sync(checkpoint)
    assert (result.run.mode, result.run.exit_code) == ("delta", 0)
    late = next(pk for pk, user in world.directory.users.items() if user["username"] == "late-joiner")
    assert set(changed(world)) == {people(world)[7], late}


@pytest.mark.parametrize("behind", [timedelta(), timedelta(hours=2)])
@pytest.mark.parametrize("others", [250, 2500])
def test_a_late_commit_is_seen_in_a_busy_hour_by_whatever_clock(others: int, behind: timedelta) -> None:
    """Neither many edits since its stamp, nor a server's clock behind this machine's, hide a late commit."""
    world = World(users=others + 500)
    world.directory.set_clock(-behind)
    late, *rest = people(world)
    edited = world.directory.begin(lambda d: d.update_user(late, name="Late"))
    world.clock.elapsed += 20 * 60
    for pk in rest[:others]:
        world.clock.elapsed += 0.5
        world.directory.update_user(pk, name="In time")
    checkpoint = world.proven()
    edited.commit()
    result = world.sync(checkpoint)
    assert result.run.exit_code == 0
    assert result.run.mode == ("delta" if others == 250 else "full")
    assert late in changed(world)


@pytest.mark.parametrize("number", [1, 300, 600])
def test_future_stamps_hide_no_later_edit_and_force_no_full_sync(number: int) -> None:
    """Stamps that a clock error left in the future, one or many, cost no edit and no full sync once they are known."""
    world = World(users=3000)
    world.directory.set_clock(FAR_AHEAD)
    for pk in people(world)[:number]:
        world.directory.update_user(pk, attributes={"touched": True})
    world.directory.set_clock(timedelta())
    checkpoint = world.proven()
    for pk in people(world)[1000:1003]:
        world.directory.update_user(pk, name="Edited")
        result = world.sync(checkpoint)
        assert (result.run.mode, result.run.exit_code) == ("delta", 0)
        assert changed(world) == [pk]
        checkpoint = result.checkpoint or b""


def test_an_edit_of_someone_with_a_future_stamp_means_a_full_sync() -> None:
    """Who carries a future stamp and is edited by a clock set right shows an older stamp than before."""
    world = World(users=500)
    world.directory.set_clock(FAR_AHEAD)
    pk = people(world)[7]
    world.directory.update_user(pk, name="Ahead")
    world.directory.set_clock(timedelta())
    checkpoint = world.proven()
    world.directory.update_user(pk, name="Edited")
    result = world.sync(checkpoint)
    assert (result.run.mode, result.run.full_reason, result.run.exit_code) == ("full", "stamps_went_back", 0)


def test_offboarding_whoever_was_edited_last_is_no_reason_to_read_everybody() -> None:
    """The newest stamps vanish with those who carried them: asked for by pk they are gone, and the rest is proven."""
    world = World(users=500)
    leaving = people(world)[3:6]
    for pk in leaving:
        world.directory.update_user(pk, is_active=False)
    checkpoint = world.proven()
    uids = [world.directory.users[pk]["uid"] for pk in leaving]
    world.directory.delete_users(leaving)
    result = world.sync(checkpoint)
    assert (result.run.mode, result.run.exit_code) == ("delta", 0)
    assert sorted(removed(world)) == sorted((uid, "absent") for uid in uids)


@pytest.mark.parametrize("edits", [1, 30, 250])
def test_a_restored_backup_means_a_full_sync(edits: int) -> None:
    """Rows that went back in time with equal counts are noticed by their stamps, and everybody is read."""
    world = World(users=600)
    backup = world.directory.snapshot()
    for pk in people(world)[:edits]:
        world.directory.update_user(pk, name="Since the backup")
    checkpoint = world.proven()
    world.directory.restore(backup)
    result = world.sync(checkpoint)
    # More than 200 who vanished from among the newest are not asked for one by one.
    reason = "stamps_went_back" if edits <= 200 else "too_many_changes"
    assert (result.run.mode, result.run.full_reason, result.run.exit_code) == ("full", reason, 0)


def test_one_gone_and_one_come_back_do_not_balance() -> None:
    """A restore brings one back and takes one away: the total is as before, and both are told."""
    world = World(users=600)
    backup = world.directory.snapshot()
    back = people(world)[20]
    uid = world.directory.users[back]["uid"]
    world.directory.delete_user(back)
    new = world.directory.create_user(username="newcomer")
    new_uid = world.directory.users[new]["uid"]
    checkpoint = world.proven()
    world.directory.restore(backup)
    result = world.sync(checkpoint)
    assert result.run.exit_code == 0
    assert back in changed(world)
    assert (new_uid, "absent") in removed(world) or result.run.mode == "full"
    assert uid not in [entry for entry, _ in removed(world)]


@pytest.mark.parametrize("release", ["2025.12", "2026.2"])
def test_new_uids_replace_and_never_remove(release: str) -> None:
    """When every uid changed, each account known before is ended as replaced, with the uid of the same person."""
    world = World(release, users=60)
    checkpoint = world.proven()
    before = {pk: user["uid"] for pk, user in world.directory.users.items()}
    world.directory.renew_uids()
    result = world.sync(checkpoint)
    assert (result.run.mode, result.run.full_reason, result.run.exit_code) == ("full", "account_changed", 0)
    entries = world.sink.closings[Schema.ACCOUNT].removed or []
    after = {pk: user["uid"] for pk, user in world.directory.users.items()}
    assert {(entry.resource, entry.evidence, entry.successor) for entry in entries} == {
        (before[pk], "replaced", after[pk]) for pk in before
    }


def test_another_directory_at_the_same_address_replaces_nobody() -> None:
    """A new installation gives the same keys to other people: who was known there is not taken for one of them."""
    world = World(users=60)
    checkpoint = world.proven()
    other = World(users=60)
    other.directory.renew_uids()
    for pk in people(other):
        other.directory.update_user(
            pk, username=f"other-{pk}", date_joined=(other.clock.now() - timedelta(seconds=pk)).isoformat()
        )
    result = other.sync(checkpoint)
    assert (result.run.mode, result.run.exit_code) == ("full", 0)
    own = other.directory.users[other.fake.tokens.account("viewer")]["uid"]
    assert {entry.successor for entry in other.sink.closings[Schema.ACCOUNT].removed or ()} <= {own}


def _narrowed_between(world: World, first: int, last: int) -> None:
    world.fake.before(first, lambda _: world.fake.narrow())
    world.fake.before(last, lambda _: world.fake.widen())


@pytest.mark.parametrize("release", ["2023.10", pytest.param("2025.12", marks=pytest.mark.soak), "2026.2"])
def test_visibility_lost_and_regained_makes_no_false_complete_and_no_false_removal(release: str) -> None:
    """Whenever visibility is lost and however soon regained: a complete set is complete, nobody there is removed."""
    for first in range(2, 30, 2):
        for length in (2, 5, 13):
            world = World(release, users=62)
            _narrowed_between(world, first, first + length)
            result = world.sync()
            shown = {envelope.resource for envelope in world.sink.of(Schema.ACCOUNT)}
            there = {user["uid"] for user in world.directory.users.values()}
            if world.sink.closings[Schema.ACCOUNT].snapshot_complete:
                assert shown == there, (first, length)
            assert not removed(world), (first, length)
            if world.sink.closings[Schema.GROUP].snapshot_complete:
                groups = {envelope.resource for envelope in world.sink.of(Schema.GROUP)}
                assert groups == set(world.directory.groups), (first, length)
            assert result.run.exit_code in {0, 75, 77}


def test_a_delta_under_lost_visibility_removes_nobody_who_is_there() -> None:
    """Whenever visibility is lost during a delta and however soon regained, nobody who is there is said to be gone."""
    base = World(users=62)
    checkpoint = base.proven()
    for first in range(1, 30, 2):
        for length in (1, 3, 8, 13):
            world = World(users=62)
            _narrowed_between(world, first, first + length)
            world.sync(checkpoint)
            assert not removed(world), (first, length)
            if all(closing.snapshot_complete or closing.delta for closing in world.sink.closings.values()):
                memberships = world.sink.closings[Schema.MEMBERSHIP]
                assert memberships.counts.emitted == len(world.directory.memberships), (first, length)


def test_a_full_sync_asks_for_everybody_a_checkpoint_knew() -> None:
    """Who was known before and is not read is asked for by pk, whatever made the sync a full one."""
    world = World(users=80)
    checkpoint = world.proven()
    gone = people(world)[:4]
    world.directory.delete_users(gone)
    world.fake.requests.clear()
    result = world.sync(checkpoint, UserInput(filter_expr="!has(payload.type) || payload.type == 'internal'"))
    assert (result.run.full_reason, result.run.exit_code) == ("scope_changed", 0)
    asked = {request.path for request in world.fake.requests}
    assert {f"/api/v3/core/users/{pk}/" for pk in gone} <= asked
    evidence = world.sink.closings[Schema.ACCOUNT].evidence
    assert (evidence["absentAskedFor"], evidence["absentByCount"]) == (4, 0)


def test_beyond_two_hundred_the_counts_show_who_is_gone() -> None:
    """More than 200 who are gone are not all asked for, and the evidence says so."""
    world = World(users=700)
    checkpoint = world.proven()
    world.directory.delete_users(people(world)[:260])
    result = world.sync(checkpoint, config=DirectorySyncConfig(full_sync_interval_seconds=0))
    assert (result.run.mode, result.run.exit_code) == ("full", 0)
    evidence = world.sink.closings[Schema.ACCOUNT].evidence
    assert (evidence["absentAskedFor"], evidence["absentByCount"]) == (200, 60)


def test_the_full_interval_is_this_machines_and_the_future_is_no_past() -> None:
    """A last full sync dated in the future by this machine's clock means a full sync."""
    world = World(users=60)
    world.clock.elapsed += 10 * 86400
    checkpoint = world.proven()
    world.clock.elapsed -= 5 * 86400
    assert world.sync(checkpoint).run.full_reason == "full_interval"


def test_who_is_handed_over_and_gone_is_named_in_the_closing() -> None:
    """Emitted accounts, those named as gone and the server's count add up."""
    world = World(users=300)
    gone = people(world)[:3]
    uids = [world.directory.users[pk]["uid"] for pk in gone]
    config = DirectorySyncConfig(page_size=50, concurrency=1)

    def leave(directory: Directory) -> None:
        directory.delete_users(gone)

    world.fake.before(14, leave)
    result = world.sync(config=config)
    closing = world.sink.closings[Schema.ACCOUNT]
    assert (result.run.exit_code, closing.snapshot_complete) == (0, True)
    assert sorted(removed(world)) == sorted((uid, "absent") for uid in uids)
    assert closing.counts.emitted - len(uids) == closing.evidence["countAfter"] == len(world.directory.users)


def _log_in(world: World, number: int) -> None:
    for pk in people(world)[:number]:
        world.directory.log_in(pk)


@pytest.mark.parametrize(("number", "left"), [(0, 0), (5, 0), (200, 0), (400, 400)])
def test_logins_alone_end_no_delta(number: int, left: int) -> None:
    """Logins are read where that costs less than reading everybody, else left to the next full sync and told."""
    world = World("2026.2", users=600)
    checkpoint = world.proven()
    world.clock.elapsed += 7200
    _log_in(world, number)
    result = world.sync(checkpoint)
    assert (result.run.mode, result.run.exit_code) == ("delta", 0)
    # The newest 200 stamps are read in any case, and with them who logged in of these.
    assert len(changed(world)) == number or (left and len(changed(world)) <= 200)
    assert world.sink.closings[Schema.ACCOUNT].evidence["loginsLeft"] == left


def test_a_filter_that_names_logins_reads_everybody_when_they_are_left() -> None:
    """What the filter says of a login that was not read is not known."""
    world = World("2026.2", users=600)
    user_input = UserInput(filter_expr="!has(payload.last_login) || payload.last_login != null || true")
    checkpoint = world.proven(user_input)
    world.clock.elapsed += 7200
    _log_in(world, 500)
    assert world.sync(checkpoint, user_input).run.full_reason == "filter_needs_full"


def _is_between(first: int, last: int, request: RequestInfo) -> bool:
    return first <= request.number < last


def test_a_lagging_replica_removes_nobody() -> None:
    """Requests that a replica answers, at any place in a delta, remove nobody who is there and prove no old state."""
    for first in range(1, 34, 3):
        for length in (1, 4, 12):
            world = World(users=300)
            checkpoint = world.proven()
            world.fake.replica = world.directory.snapshot()
            edited = people(world)[4]
            world.clock.elapsed += 60
            world.directory.update_user(edited, name="Edited")
            new = world.directory.create_user(username="newcomer")
            begin = len(world.fake.requests) + first
            world.fake.reads_replica = partial(_is_between, begin, begin + length)
            result = world.sync(checkpoint)
            assert not removed(world), (first, length)
            second = world.sync(result.checkpoint)
            assert second.run.exit_code == 0
            assert not removed(world), (first, length)
            assert edited in changed(world) or result.run.exit_code == 0
            assert new in world.directory.users


def test_the_documented_miss_is_made_and_ends_with_a_full_sync() -> None:
    """An edit stamped long before the newest stamp is missed between two rungs only, as the proof's page says."""
    world = World(users=3000)
    stamps = sorted((world.directory.users[pk]["last_updated"], pk) for pk in people(world))
    old, pk = stamps[5]
    checkpoint = world.proven()
    # Within the hindmost rung, and across it.
    for stamp, seen in ((stamps[40][0], False), (stamps[2700][0], True)):
        world.directory.update_user(pk, name=f"Stamped {stamp}", last_updated=stamp)
        assert stamp > old
        result = world.sync(checkpoint)
        assert (result.run.mode, result.run.exit_code) == ("delta", 0)
        assert (pk in changed(world)) is seen
    world.directory.update_user(pk, name="Again", last_updated=stamps[41][0])
    world.sync(checkpoint, config=DirectorySyncConfig(full_sync_interval_seconds=0))
    assert pk in changed(world)


def test_a_replica_that_lags_for_a_whole_run_is_the_documented_miss_of_a_creation() -> None:
    """A state without the newest person passes for an offboarding; the next run has them."""
    world = World(users=300)
    before = world.directory.snapshot()
    new = world.directory.create_user(username="newcomer")
    checkpoint = world.proven()
    uid = world.directory.users[new]["uid"]
    world.fake.replica = before
    stale = world.sync(checkpoint)
    assert (stale.run.mode, stale.run.exit_code) == ("delta", 0)
    assert removed(world) == [(uid, "absent")]
    world.fake.replica = None
    world.sync(stale.checkpoint)
    assert new in changed(world)
    assert not removed(world)


def test_the_second_edit_of_one_stamp_is_a_documented_miss_until_the_next_full_sync() -> None:
    """Two edits of one user within a microsecond look the same until a full sync, as the proof's page says."""
    world = World(users=300)
    pk = people(world)[4]
    world.directory.update_user(pk, name="First")
    stamp = world.directory.users[pk]["last_updated"]
    checkpoint = world.proven()
    world.directory.update_user(pk, name="Second", last_updated=stamp)
    result = world.sync(checkpoint)
    assert (result.run.mode, result.run.exit_code) == ("delta", 0)
    assert pk not in changed(world)
    world.sync(checkpoint, config=DirectorySyncConfig(full_sync_interval_seconds=0))
    assert pk in changed(world)


def test_now_is_told_by_nobody() -> None:
    """A machine whose clock is years off syncs by deltas all the same: no clock of this machine is evidence."""
    world = World(users=300)
    world.clock.elapsed -= 20 * 365 * 86400
    world.directory.set_clock(timedelta(days=20 * 365))
    checkpoint = world.proven()
    pk = people(world)[9]
    world.directory.update_user(pk, name="Edited")
    assert world.sync(checkpoint).run.mode == "delta"
    assert changed(world) == [pk]
