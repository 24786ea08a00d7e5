"""What a directory was: snapshots, restores of a backup, replicas that lag, and new ids for everybody."""

import hashlib
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.testing import Directory, FakeAuthentik, RequestInfo
from tests.unit.testing.conftest import Ask, StandingClock

USERS = "/api/v3/core/users/"
GROUPS = "/api/v3/core/groups/"
ME = "/api/v3/core/users/me/"
ADDRESSES = (
    f"{USERS}?ordering=pk",
    f"{USERS}?ordering=last_updated,pk&last_updated__gt=2022-01-01T00:00:00Z",
    f"{USERS}?ordering=date_joined,pk&page_size=7&page=2",
    f"{USERS}?ordering=pk&is_superuser=true",
    f"{GROUPS}?include_parents=true&include_children=true",
)


@pytest.fixture
def fake(clock: StandingClock) -> FakeAuthentik:
    """Thirty users, eight groups and the viewer's account at noon."""
    fake = FakeAuthentik(Directory.generate(30, 8, seed=5, clock=clock), release="2026.2")
    fake.token()
    return fake


def answers(ask: Ask, fake: FakeAuthentik) -> list[Any]:
    """What the lists say."""
    return [ask(fake, address)[1] for address in ADDRESSES]


def change_much(directory: Directory) -> None:
    """One change of every kind."""
    groups = list(directory.groups)
    directory.delete_users([6, 9])
    directory.update_user(7, name="Another", username="another")
    directory.log_in(8)
    created = directory.create_user(username="new", groups=groups[:2])
    directory.delete_group(groups[3])
    directory.create_group("new", users=[created], parents=[groups[2]])
    directory.update_group(groups[4], is_superuser=True)
    directory.set_user_groups(10, groups[4:6])
    directory.set_parents(groups[5], [groups[6]])
    directory.give_role("new role", user=10, group=groups[6])
    directory.renew_uids()


def test_a_restore_brings_everything_back_as_it_was(ask: Ask, clock: StandingClock, fake: FakeAuthentik) -> None:
    """Rows, stamps, memberships, parents, roles and uids are those of the snapshot, in every list asked for before."""
    before = answers(ask, fake)
    snapshot = fake.directory.snapshot()
    clock.pass_by(hours=2)
    change_much(fake.directory)
    assert all(now != then for now, then in zip(answers(ask, fake), before, strict=True))
    fake.directory.restore(snapshot)
    assert answers(ask, fake) == before


def test_a_snapshot_may_be_restored_again_and_does_not_change(ask: Ask, fake: FakeAuthentik) -> None:
    """What happens to the directory after a restore happens to it alone."""
    before, snapshot = answers(ask, fake), fake.directory.snapshot()
    for _ in range(2):
        change_much(fake.directory)
        fake.directory.restore(snapshot)
        assert answers(ask, fake) == before


def test_a_restore_gives_keys_again_and_uuids_never(clock: StandingClock, fake: FakeAuthentik) -> None:
    """The sequence goes back, as PostgreSQL's does: another person has the key and the `uid` that somebody had."""
    directory = fake.directory
    snapshot = directory.snapshot()
    first = directory.users[directory.create_user(username="first")]
    group = directory.create_group("first")
    directory.restore(snapshot)
    clock.pass_by(hours=1)
    second = directory.users[directory.create_user(username="second")]
    assert (first["pk"], first["uid"]) == (second["pk"], second["uid"])
    assert first["uuid"] != second["uuid"]
    assert directory.create_group("second") != group


def test_usernames_are_free_again_after_a_restore(fake: FakeAuthentik) -> None:
    """Whoever the snapshot does not have has no name either; whoever it has, has."""
    directory, snapshot = fake.directory, fake.directory.snapshot()
    name = directory.users[7]["username"]
    directory.create_user(username="new")
    directory.delete_user(7)
    directory.restore(snapshot)
    assert directory.create_user(username="new")
    with pytest.raises(ValueError, match="taken"):
        directory.create_user(username=name)


def test_a_restore_ends_what_was_begun(fake: FakeAuthentik) -> None:
    """A transaction that was open does not outlive the database it was open in."""
    directory, snapshot = fake.directory, fake.directory.snapshot()
    pending = directory.begin(lambda d: d.create_user(username="late"))
    directory.restore(snapshot)
    directory.create_user(username="other")
    pending.commit()
    assert directory.users[pending.result]["username"] == "other"


def test_tokens_stay_valid_over_a_restore_as_far_as_their_account_is_there(ask: Ask, fake: FakeAuthentik) -> None:
    """A token whose account the snapshot does not have is refused, also when another user has its key then."""
    snapshot = fake.directory.snapshot()
    fake.token("viewer_plus")
    fake.directory.restore(snapshot)
    assert ask(fake, USERS)[0] == 200
    fake.directory.create_user(username="somebody else")
    assert ask(fake, USERS, "viewer_plus") == (403, {"detail": "Token invalid/expired"})
    assert ask(fake, "/api/v3/core/tokens/", "superuser")[1]["pagination"]["count"] == 2


def test_new_uids_are_new_for_everybody_and_nothing_else_changes(ask: Ask, fake: FakeAuthentik) -> None:
    """`renew_uids` is a new id of the installation: the `uid` of all, also of the token's account, and no stamp."""
    before = ask(fake, ADDRESSES[0])[1]["results"]
    me = ask(fake, ME)[1]["user"]
    fake.directory.renew_uids()
    after = ask(fake, ADDRESSES[0])[1]["results"]
    assert not {user["uid"] for user in before} & {user["uid"] for user in after}
    assert len({user["uid"] for user in after}) == len(after)
    assert [{**user, "uid": ""} for user in before] == [{**user, "uid": ""} for user in after]
    assert ask(fake, ME)[1]["user"] == {**me, "uid": fake.directory.users[me["pk"]]["uid"]} != me


def test_a_uid_is_a_hash_of_the_key_and_the_installation(fake: FakeAuthentik) -> None:
    """The hexadecimal SHA-256 of both, for the users there were as for new ones."""
    directory = fake.directory
    for _ in range(2):
        pk = directory.create_user(username=f"user of {directory.installation}")
        for user in (directory.users[pk], directory.users[7]):
            hashed = hashlib.sha256(f"{user['pk']}-{directory.installation}".encode()).hexdigest()
            assert user["uid"] == hashed
        directory.renew_uids()


def test_a_replica_answers_what_was(ask: Ask, clock: StandingClock, fake: FakeAuthentik) -> None:
    """Lists, details and `users/me` are those of the snapshot as long as it is the replica; writes go on beside it."""
    before, me = answers(ask, fake), ask(fake, ME)
    user, group = ask(fake, f"{USERS}7/"), ask(fake, f"{GROUPS}{list(fake.directory.groups)[4]}/")
    fake.replica = fake.directory.snapshot()
    clock.pass_by(hours=2)
    key = list(fake.directory.groups)[4]
    change_much(fake.directory)
    assert answers(ask, fake) == before
    assert (ask(fake, ME), ask(fake, f"{USERS}7/"), ask(fake, f"{GROUPS}{key}/")) == (me, user, group)
    fake.replica = None
    now = answers(ask, fake)
    assert now != before
    fake.replica = fake.directory.snapshot()
    assert answers(ask, fake) == now


def test_which_requests_read_the_replica_can_be_chosen(ask: Ask, fake: FakeAuthentik) -> None:
    """`reads_replica` is asked for each request, by number, path and query."""
    asked: list[RequestInfo] = []

    def third_to_fifth(request: RequestInfo) -> bool:
        asked.append(request)
        return 3 <= request.number <= 5

    fake.replica = fake.directory.snapshot()
    fake.reads_replica = third_to_fifth
    fake.directory.create_user(username="new")
    counts = [ask(fake, f"{USERS}?page_size=1")[1]["pagination"]["count"] for _ in range(6)]
    assert counts == [32, 32, 31, 31, 31, 32]
    assert [(info.number, info.path, info.query["page_size"]) for info in asked] == [
        (number, USERS, ("1",)) for number in range(1, 7)
    ]


def test_an_account_a_replica_does_not_have_yet_is_refused_there(ask: Ask, fake: FakeAuthentik) -> None:
    """Its token has not arrived there either; what is not read from the replica answers."""
    fake.replica = fake.directory.snapshot()
    for address in (USERS, GROUPS, ME):
        assert ask(fake, address, "viewer_plus") == (403, {"detail": "Token invalid/expired"})
    assert ask(fake, "/api/v3/admin/version/", "viewer_plus")[0] == 200


def test_a_replica_knows_the_roles_and_superusers_of_its_time(ask: Ask, fake: FakeAuthentik) -> None:
    """Who was a superuser when the snapshot was taken sees everything there, whatever was changed since."""
    fake.token("superuser")
    fake.replica = fake.directory.snapshot()
    fake.narrow("superuser", users=[7], groups=[])
    assert ask(fake, ME, "superuser")[1]["user"]["is_superuser"] is True
    assert ask(fake, USERS, "superuser")[1]["pagination"]["count"] == 32
    fake.replica = None
    assert ask(fake, USERS, "superuser")[1]["pagination"]["count"] == 1


def move_to_two_groups(pk: int, directory: Directory) -> None:
    """Set a user's groups."""
    directory.set_user_groups(pk, list(directory.groups)[1:3])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["create", "delete", "edit", "join", "snapshot", "restore", "begin", "commit"])))
def test_whatever_happens_both_sides_agree(steps: list[str]) -> None:
    """After any course of changes, late commits and restores, users and groups name each other and nobody else."""
    directory = Directory.generate(8, 4, seed=1)
    group = next(iter(directory.groups))
    snapshot, pending = directory.snapshot(), directory.begin(lambda d: d.add_member(group, 5))
    for number, step in enumerate(steps):
        somebody = max(directory.users, default=0)
        match step:
            case "create":
                directory.create_user(username=f"new-{number}", groups=[group])
            case "delete" if somebody:
                directory.delete_user(somebody)
            case "edit" if somebody:
                directory.update_user(somebody, username=f"edited-{number}")
            case "join" if somebody:
                directory.add_member(group, somebody)
            case "begin" if somebody:
                pending = directory.begin(partial(move_to_two_groups, somebody))
            case "commit":
                pending.commit()
            case "snapshot":
                snapshot = directory.snapshot()
            case "restore":
                directory.restore(snapshot)
            case _:
                pass
        by_user = {(pk, key) for pk in directory.users for key in directory.raw_user(pk)["groups"]}
        assert by_user == {(pk, key) for key in directory.groups for pk in directory.raw_group(key)["users"]}
        assert {pk for pk, _ in by_user} <= set(directory.users)
        assert directory.next_user_pk > max(directory.users, default=0)
        assert directory.usernames >= {user["username"] for user in directory.users.values()}
