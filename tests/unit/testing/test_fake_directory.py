"""The directory behind the fake: what a change moves, and that both sides of a membership always agree."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.testing import Directory
from tests.unit.testing.conftest import StandingClock

Change: TypeAlias = Callable[[Directory, int, str], object]
Refused: TypeAlias = Callable[[Directory], object]


def in_agreement(directory: Directory) -> bool:
    """Whether users and groups tell the same memberships, and parents and children the same edges."""
    by_users = {(pk, group) for pk in directory.users for group in directory.raw_user(pk)["groups"]}
    by_groups = {(user, pk) for pk in directory.groups for user in directory.raw_group(pk)["users"]}
    parents = {(pk, up) for pk in directory.groups for up in directory.raw_group(pk)["parents"]}
    children = {(down, pk) for pk in directory.groups for down in directory.raw_group(pk)["children"]}
    return by_users == by_groups and parents == children


def test_the_same_arguments_generate_the_same_directory() -> None:
    """A generated directory follows from its arguments alone; another seed gives another."""
    first, again, other = (Directory.generate(60, 8, seed) for seed in (5, 5, 6))
    assert [first.raw_user(pk) for pk in first.users] == [again.raw_user(pk) for pk in again.users]
    assert [first.raw_group(pk) for pk in first.groups] == [again.raw_group(pk) for pk in again.groups]
    assert list(first.groups) != list(other.groups)


def test_a_generated_directory_has_what_real_ones_have() -> None:
    """All types, inactive people, nobody's login, empty and shared addresses, other scripts, nesting, superusers."""
    directory = Directory.generate(3_000, 60, seed=2)
    users = [directory.raw_user(pk) for pk in directory.users]
    assert {user["type"] for user in users} == {
        "internal",
        "external",
        "service_account",
        "internal_service_account",
    }
    assert {user["is_active"] for user in users} == {True, False}
    assert any(user["last_login"] is None for user in users)
    addresses = [user["email"] for user in users if user["email"]]
    assert len(set(addresses)) < len(addresses) < len(users)
    assert any(not user["name"].isascii() for user in users)
    assert any(not user["username"].isascii() for user in users)
    assert any(directory.raw_group(pk)["parents"] for pk in directory.groups)
    assert 0 < sum(user["is_superuser"] for user in users) < 30
    assert max(len(directory.raw_group(pk)["users"]) for pk in directory.groups) > 2_500
    assert in_agreement(directory)


def test_ties_share_one_instant_of_joining() -> None:
    """`ties` users were imported at one instant; all others joined at their own."""
    directory = Directory.generate(300, 4, ties=150)
    instants = [user["date_joined"] for user in directory.users.values()]
    assert max(instants.count(instant) for instant in set(instants)) == 150


def test_plain_usernames_keep_to_the_pattern_of_official_clients() -> None:
    """With `plain_usernames` a username is letters, digits and `@.+-_` of ASCII."""
    directory = Directory.generate(400, 4, plain_usernames=True)
    assert all(user["username"].isascii() for user in directory.users.values())


def test_keys_of_users_are_never_used_again() -> None:
    """The key of a deleted user, be it the highest, goes to nobody else."""
    directory = Directory.generate(5, 2)
    gone = directory.create_user(username="one")
    directory.delete_user(gone)
    assert directory.create_user(username="two") == gone + 1


def test_a_new_user_joined_now_unless_told_otherwise(clock: StandingClock) -> None:
    """`date_joined` is now; a property mapping of a source may set another instant."""
    directory = Directory(clock=clock)
    now = directory.users[directory.create_user(username="now")]
    then = directory.users[directory.create_user(username="then", date_joined="2020-01-01T00:00:00Z")]
    assert (now["date_joined"], then["date_joined"]) == ("2026-03-01T12:00:00Z", "2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        (lambda d, pk, _: d.update_user(pk, name="Another"), True),
        (lambda d, pk, group: d.set_user_groups(pk, [group]), True),
        (lambda d, pk, _: d.set_active_by_email_verification(pk), False),
        (lambda d, pk, _: d.log_in(pk), False),
        (lambda d, pk, group: d.add_member(group, pk), False),
        (lambda d, pk, group: d.remove_member(group, pk), False),
        (lambda d, pk, _: d.give_role("a role", user=pk), False),
    ],
    ids=["edit", "groups by user", "e-mail verification", "login", "added by group", "removed by group", "role"],
)
def test_what_moves_last_updated(clock: StandingClock, change: Change, moves: bool) -> None:  # noqa: FBT001
    """Edits of the user move `last_updated`; logins, e-mail verification, roles and the group's side do not."""
    directory = Directory(clock=clock)
    group = directory.create_group("a group")
    pk = directory.create_user(username="someone", is_active=False)
    before = directory.users[pk]["last_updated"]
    clock.pass_by(hours=1)
    change(directory, pk, group)
    assert (directory.users[pk]["last_updated"] != before) is moves


def test_a_login_is_noted() -> None:
    """`last_login` was null and is an instant."""
    directory = Directory()
    pk = directory.create_user(username="someone")
    assert directory.users[pk]["last_login"] is None
    directory.log_in(pk)
    assert directory.users[pk]["last_login"] is not None


def test_superuser_is_inherited_through_parents_and_cycles_end() -> None:
    """A member of a group under a superuser group is one; a cycle of parents is accepted and walked once."""
    directory = Directory()
    top = directory.create_group("top", is_superuser=True)
    middle = directory.create_group("middle", parents=[top])
    leaf = directory.create_group("leaf", parents=[middle])
    pk = directory.create_user(username="someone", groups=[leaf])
    assert directory.is_superuser(pk)
    directory.set_parents(top, [leaf])
    assert directory.all_groups_of(pk) == {top, middle, leaf}
    assert directory.is_superuser(pk)
    directory.update_group(top, is_superuser=False)
    assert not directory.is_superuser(pk)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda d: d.create_user(username="taken"), ValueError),
        (lambda d: d.create_user(username="new", shoe_size=44), TypeError),
        (lambda d: d.update_user(99, name="nobody"), KeyError),
        (lambda d: d.update_user(3, pk=4), TypeError),
        (lambda d: d.update_user(4, username="taken"), ValueError),
        (lambda d: d.update_group("none", name="x"), KeyError),
        (lambda d: d.add_member("none", 3), KeyError),
        (lambda d: d.create_group("x", shoe_size=44), TypeError),
        (lambda d: d.delete_user(99), KeyError),
    ],
)
def test_a_change_that_cannot_be_is_refused(change: Refused, error: type[Exception]) -> None:
    """Unknown rows, unknown fields, keys and taken usernames are errors, and nothing changed."""
    directory = Directory()
    directory.create_user(username="taken")
    directory.create_user(username="other")
    before = directory.revision, [dict(user) for user in directory.users.values()]
    with pytest.raises(error):
        change(directory)
    assert before == (directory.revision, [dict(user) for user in directory.users.values()])


def test_two_records_of_one_key_are_refused() -> None:
    """A directory is keyed: the same key twice is a ValueError, for users and groups."""
    directory = Directory.generate(2, 1)
    user = directory.raw_user(5)
    group = directory.raw_group(next(iter(directory.groups)))
    with pytest.raises(ValueError, match="two users"):
        Directory([user, user])
    with pytest.raises(ValueError, match="two groups"):
        Directory([], [group, group])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("+-ugnpdD"), st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_both_sides_agree_after_any_changes(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is added, removed, nested or deleted, users and groups name the same memberships."""
    directory = Directory.generate(8, 4, seed=9)
    for step, one, two in steps:
        users, groups = list(directory.users), list(directory.groups)
        if step == "u" or not users:
            directory.create_user()
        elif step == "g" or not groups:
            directory.create_group("a group")
        else:
            user, group = users[one % len(users)], groups[two % len(groups)]
            match step:
                case "+":
                    directory.add_member(group, user)
                case "-":
                    directory.remove_member(group, user)
                case "n":
                    directory.set_parents(group, [groups[one % len(groups)]])
                case "p":
                    directory.set_user_groups(user, groups[: two % 3])
                case "d":
                    directory.delete_user(user)
                case _:
                    directory.delete_group(group)
    assert in_agreement(directory)
