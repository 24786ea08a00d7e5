"""Time: whose clock the `Date` header follows, a server's clock that is set, changes that commit late."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik
from tests.unit.testing.conftest import Ask, StandingClock

Change: TypeAlias = Callable[[Directory], object]

USERS = "/api/v3/core/users/"
GROUPS = "/api/v3/core/groups/"
NOON = "2026-03-01T12:00:00Z"
ONE_O_CLOCK = "2026-03-01T13:00:00Z"


@pytest.fixture
def directory(clock: StandingClock) -> Directory:
    """Twenty users and five groups at noon."""
    return Directory.generate(20, 5, seed=2, clock=clock)


def told_date(fake: FakeAuthentik) -> str | None:
    """The `Date` header of an answer."""
    answer = fake.respond("GET", "/-/health/live/", "", {}).answer
    return dict(fake.headers_of(answer)).get("date")


def test_the_date_header_may_be_a_proxys(directory: Directory) -> None:
    """`told_date` is given the server's time and answers the header's; stamps stay the server's own."""
    fake = FakeAuthentik(directory, told_date=lambda now: now + timedelta(minutes=9))
    assert told_date(fake) == "Sun, 01 Mar 2026 12:09:00 GMT"
    assert directory.users[directory.create_user(username="new")]["date_joined"] == NOON
    fake.told_date = lambda now: now.replace(year=2031)
    assert told_date(fake) == "Sat, 01 Mar 2031 12:00:00 GMT"
    fake.told_date = None
    assert told_date(fake) == "Sun, 01 Mar 2026 12:00:00 GMT"


def test_there_may_be_no_date_header(directory: Directory) -> None:
    """A `told_date` of None is an answer without the header."""

    def none(_now: datetime) -> None:
        return None

    assert told_date(FakeAuthentik(directory, told_date=none)) is None


@pytest.mark.parametrize("offset", [timedelta(hours=-3), timedelta(days=900)])
def test_all_that_is_stamped_follows_the_servers_clock(
    ask: Ask, clock: StandingClock, directory: Directory, offset: timedelta
) -> None:
    """`set_clock` moves edits, new users, logins and the `Date` header; setting it again replaces the offset."""
    fake = FakeAuthentik(directory)
    directory.set_clock(offset)
    then = (clock.now + offset).isoformat().replace("+00:00", "Z")
    assert directory.clock() == clock.now + offset
    directory.update_user(7, name="Another")
    directory.log_in(8)
    new = directory.create_user(username="new")
    assert ask(fake, f"{USERS}7/")[1]["last_updated"] == then
    assert ask(fake, f"{USERS}8/")[1]["last_login"] == then
    assert ask(fake, f"{USERS}{new}/")[1]["date_joined"] == then
    assert told_date(fake) == f"{clock.now + offset:%a, %d %b %Y %H:%M:%S} GMT"
    directory.set_clock(timedelta())
    assert directory.clock() == clock.now


def test_tokens_expire_by_the_servers_clock(ask: Ask, directory: Directory) -> None:
    """A clock that is set ahead ends a token, one that is set back does not."""
    fake = FakeAuthentik(directory)
    fake.token("viewer", expires=timedelta(minutes=30))
    directory.set_clock(timedelta(hours=-1))
    assert ask(fake, USERS)[0] == 200
    directory.set_clock(timedelta(hours=1))
    assert ask(fake, USERS)[0] == 403


def everything(directory: Directory) -> tuple[dict[int, Any], dict[str, Any]]:
    """All users and groups as they are told."""
    users = {pk: directory.raw_user(pk) for pk in directory.users}
    return users, {pk: directory.raw_group(pk) for pk in directory.groups}


def group_of(directory: Directory, nth: int) -> str:
    """The n-th group."""
    return list(directory.groups)[nth]


CHANGES: dict[str, Change] = {
    "create_user": lambda d: d.create_user(username="new", groups=[group_of(d, 1)]),
    "update_user": lambda d: d.update_user(7, name="Another", username="another"),
    "delete_user": lambda d: d.delete_user(7),
    "set_user_groups": lambda d: d.set_user_groups(7, [group_of(d, 2), group_of(d, 3)]),
    "add_member": lambda d: d.add_member(group_of(d, 0), 7),
    "remove_member": lambda d: d.remove_member(group_of(d, 1), 7),
    "log_in": lambda d: d.log_in(7),
    "create_group": lambda d: d.create_group("new", users=[7, 8], parents=[group_of(d, 1)]),
    "update_group": lambda d: d.rename_group(group_of(d, 1), "another"),
    "delete_group": lambda d: d.delete_group(group_of(d, 1)),
    "set_parents": lambda d: d.set_parents(group_of(d, 4), [group_of(d, 1)]),
    "give_role": lambda d: d.give_role("a role", user=7, group=group_of(d, 1)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_is_stamped_when_begun_and_seen_when_committed(clock: StandingClock, change: Change) -> None:
    """Nothing shows before `commit`; then all is as if it had been done when it was begun, and once only."""
    at_once = Directory.generate(20, 5, seed=2, clock=clock)
    change(at_once)
    late = Directory.generate(20, 5, seed=2, clock=clock)
    before = everything(late)
    assert before != everything(at_once)
    pending = late.begin(change)
    clock.pass_by(hours=1)
    assert everything(late) == before
    pending.commit()
    assert everything(late) == everything(at_once)
    revision = late.revision
    pending.commit()
    assert (everything(late), revision[0]) == (everything(at_once), late.revision[0])


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_committed_change_is_in_the_next_answer(ask: Ask, clock: StandingClock, change: Change) -> None:
    """Lists that were asked for before, in any order and by any filter, tell what was committed."""
    answers: list[Any] = []
    for late in (False, True):
        fake = FakeAuthentik(Directory.generate(20, 5, seed=2, clock=clock), release="2026.2")
        fake.token()
        group = group_of(fake.directory, 1)
        addresses = (
            f"{USERS}?ordering=pk",
            f"{USERS}?ordering=last_updated,pk&last_updated__gt=2020-01-01T00:00:00Z",
            f"{USERS}?ordering=last_login,pk&last_login__isnull=false",
            f"{GROUPS}?include_children=true&ordering=pk",
            f"{USERS}?ordering=pk&path_startswith=users",
        )
        for address in (*addresses, f"{USERS}?ordering=pk&groups_by_pk={group}"):
            ask(fake, address)
        if late:
            fake.directory.begin(change).commit()
        else:
            change(fake.directory)
        answers.append([ask(fake, address)[1] for address in addresses])
    assert answers[0] == answers[1]


def test_who_is_begun_first_has_the_lower_key(clock: StandingClock, directory: Directory) -> None:
    """A new user's key, UUID and username are taken when begun: later ones are higher though seen earlier."""
    pending = directory.begin(lambda d: d.create_user(username="first"))
    clock.pass_by(minutes=5)
    second = directory.create_user(username="second")
    assert pending.result not in directory.users
    assert pending.result < second
    with pytest.raises(ValueError, match="taken"):
        directory.create_user(username="first")
    pending.commit()
    first = directory.users[pending.result]
    assert (first["date_joined"], first["last_updated"]) == (NOON, NOON)
    assert all(first[name] != directory.users[second][name] for name in ("uuid", "uid"))


def test_only_the_fields_that_were_written_are_written(clock: StandingClock, directory: Directory) -> None:
    """A commit leaves what others wrote meanwhile; of a field both wrote, the last commit wins, its stamp too."""
    pending = directory.begin(lambda d: d.update_user(7, name="Late"))
    clock.pass_by(hours=1)
    directory.update_user(7, email="soon@example.test", name="Soon")
    assert directory.users[7]["last_updated"] == ONE_O_CLOCK
    pending.commit()
    user = directory.users[7]
    assert (user["name"], user["email"], user["last_updated"]) == ("Late", "soon@example.test", NOON)


def test_what_concerns_a_row_that_is_gone_is_dropped(directory: Directory) -> None:
    """A change of a user or a group deleted meanwhile is dropped without a word, and so are its memberships."""
    group = group_of(directory, 3)
    pending = [
        directory.begin(change)
        for change in (
            lambda d: d.update_user(7, name="Late"),
            lambda d: d.log_in(7),
            lambda d: d.delete_user(7),
            lambda d: d.add_member(group_of(d, 0), 7),
            lambda d: d.rename_group(group, "late"),
            lambda d: d.delete_group(group),
            lambda d: d.add_member(group, 8),
            lambda d: d.create_user(username="new", groups=[group]),
        )
    ]
    directory.delete_user(7)
    directory.delete_group(group)
    for each in pending:
        each.commit()
    assert 7 not in directory.users
    assert group not in directory.groups
    assert directory.raw_user(max(directory.users))["groups"] == []
    assert all(7 not in directory.raw_group(pk)["users"] for pk in directory.groups)


def test_a_username_that_was_given_up_is_free_from_the_commit_on(directory: Directory) -> None:
    """Until then nobody can take it, as the unique index of a database would have it."""
    name = directory.users[7]["username"]
    pending = directory.begin(lambda d: d.update_user(7, username="another"))
    with pytest.raises(ValueError, match="taken"):
        directory.create_user(username=name)
    pending.commit()
    assert directory.create_user(username=name)
