"""What the fake keeps between requests: a page costs its own size, and a change is in the very next answer."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik
from openlane_authentik.testing.raw import RawRecord
from openlane_authentik.testing.views import Ordering
from tests.unit.testing.conftest import Ask

Change: TypeAlias = Callable[[Directory, "Family"], object]
Seen: TypeAlias = Callable[[Any, Any, Any], bool]

USERS = "/api/v3/core/users/"
GROUPS = "/api/v3/core/groups/"


class Family:
    """A user in a group under a parent, on a fake that has answered about all three."""

    def __init__(self, ask: Ask) -> None:
        self.directory = Directory()
        self.parent = self.directory.create_group("parent")
        self.group = self.directory.create_group("group", parents=[self.parent])
        self.user = self.directory.create_user(username="user", groups=[self.group])
        self.fake = FakeAuthentik(self.directory)
        self.ask = ask
        self.read()

    def read(self) -> tuple[Any, Any, Any]:
        """The user, the group and the parent as the lists tell them; None for one that is gone."""
        flags = "include_parents=true&include_children=true"
        users = {row["pk"]: row for row in self.ask(self.fake, USERS)[1]["results"]}
        groups = {row["pk"]: row for row in self.ask(self.fake, f"{GROUPS}?{flags}")[1]["results"]}
        return users.get(self.user), groups.get(self.group), groups.get(self.parent)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda d, f: d.rename_group(f.group, "new"), lambda u, g, _: u["groups_obj"][0]["name"] == g["name"] == "new"),
        (
            lambda d, f: d.rename_group(f.parent, "new"),
            lambda _, g, p: g["parents_obj"][0]["name"] == p["name"] == "new",
        ),
        (
            lambda d, f: d.update_user(f.user, name="New"),
            lambda u, g, _: g["users_obj"][0]["name"] == u["name"] == "New",
        ),
        (lambda d, f: d.log_in(f.user), lambda u, g, _: u["last_login"] == g["users_obj"][0]["last_login"] is not None),
        (lambda d, f: d.update_group(f.parent, is_superuser=True), lambda u, *_: u["is_superuser"]),
        (
            lambda d, f: d.remove_member(f.group, f.user),
            lambda u, g, _: u["groups"] == g["users"] == g["users_obj"] == [],
        ),
        (lambda d, f: d.add_member(f.parent, f.user), lambda u, _, p: p["users"] == [u["pk"]]),
        (
            lambda d, f: d.set_user_groups(f.user, [f.parent]),
            lambda u, g, p: (g["users"], p["users"]) == ([], [u["pk"]]),
        ),
        (
            lambda d, f: d.set_parents(f.group, []),
            lambda _, g, p: g["parents"] == p["children"] == p["children_obj"] == [],
        ),
        (lambda d, f: d.delete_user(f.user), lambda u, g, _: u is None and g["users"] == []),
        (lambda d, f: d.delete_group(f.group), lambda u, g, p: g is None and u["groups"] == p["children"] == []),
        (lambda d, f: d.give_role("r", user=f.user), lambda u, *_: [role["name"] for role in u["roles_obj"]] == ["r"]),
        (
            lambda d, f: d.give_role("r", group=f.group),
            lambda _, g, __: [role["name"] for role in g["roles_obj"]] == ["r"],
        ),
    ],
)
def test_a_change_is_in_the_next_answer_wherever_it_shows(ask: Ask, change: Change, seen: Seen) -> None:
    """Names, logins, memberships, parents and roles are told anew on both sides, cached or not."""
    family = Family(ask)
    assert not seen(*family.read())
    change(family.directory, family)
    assert seen(*family.read())


def test_a_page_costs_its_own_size(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request in an order looks at every row, further pages, ranges and counts at none, a change at one."""
    looked_at: list[int] = []
    key = Ordering.key

    def counting(self: Ordering, row: RawRecord) -> tuple[Any, ...]:
        looked_at.append(row["pk"])
        return key(self, row)

    monkeypatch.setattr(Ordering, "key", counting)
    fake = FakeAuthentik(Directory.generate(500, 3))
    fake.token()

    def cost(query: str) -> int:
        looked_at.clear()
        assert ask(fake, f"{USERS}?{query}")[0] == 200
        return len(looked_at)

    assert cost("ordering=date_joined,pk") == 501
    assert cost("ordering=date_joined,pk&page=9&page_size=50") == 0
    assert cost("ordering=date_joined,pk&date_joined__gt=2023-01-01T00:00:00Z&page_size=100") == 0
    assert cost("ordering=date_joined,pk&date_joined__lt=2023-01-01T00:00:00Z&page_size=1") == 0
    fake.directory.update_user(7, name="Another")
    assert cost("ordering=date_joined,pk") == 1
    assert cost("page=3") == 501
    assert cost("date_joined__gt=2021-06-01T00:00:00Z&page_size=1") == 0
    assert cost("type=external&ordering=pk") == sum(u["type"] == "external" for u in fake.directory.users.values())
    assert cost("type=external&ordering=pk&page=2") == 0


def test_so_many_orders_and_filters_may_be_asked_for(ask: Ask) -> None:
    """What is kept is bounded: more different queries than are kept still get their answers."""
    fake = FakeAuthentik(Directory.generate(40, 3))
    for _ in range(2):
        for pk, user in list(fake.directory.users.items())[:60]:
            assert ask(fake, f"{USERS}?uuid={user['uuid']}")[1]["results"][0]["pk"] == pk


def test_directories_may_be_empty(ask: Ask) -> None:
    """Nobody but the account of the token, and no group at all."""
    fake = FakeAuthentik(Directory.generate(0, 0))
    assert ask(fake, USERS)[1]["pagination"]["count"] == 1
    assert ask(fake, GROUPS)[1]["results"] == []
