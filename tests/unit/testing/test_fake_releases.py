"""Releases: each profile has the fields, flags, filters and page sizes its authentik had, and no more."""

import pytest

from openlane_authentik.testing import RELEASES, Directory, FakeAuthentik
from tests.unit.testing.conftest import Ask

USERS = "/api/v3/core/users/"
GROUPS = "/api/v3/core/groups/"
NAMES = list(RELEASES)


def since(first: str) -> set[str]:
    """The profiles from one on."""
    return set(NAMES[NAMES.index(first) :])


USER_FIELDS_SINCE = {
    "uuid": "2023.10",
    "type": "2023.10",
    "password_change_date": "2025.2",
    "date_joined": "2025.4",
    "last_updated": "2025.8",
    "roles": "2025.12",
    "roles_obj": "2025.12",
}
GROUP_FIELDS_SINCE = {
    "roles": "2023.10",
    "roles_obj": "2023.10",
    "children": "2025.8",
    "children_obj": "2025.8",
    "parents": "2025.12",
    "parents_obj": "2025.12",
    "inherited_roles_obj": "2025.12",
}


@pytest.fixture(params=NAMES)
def fake(request: pytest.FixtureRequest) -> FakeAuthentik:
    """A fake of each release over 130 users."""
    return FakeAuthentik(Directory.generate(129, 12, seed=6), release=request.param)


def release_of(fake: FakeAuthentik, ask: Ask) -> str:
    """The profile a fake speaks, by the version it tells."""
    version: str = ask(fake, "/api/v3/admin/version/")[1]["version_current"]
    return version.rpartition(".")[0]


def test_fields_exist_from_the_release_that_brought_them(ask: Ask, fake: FakeAuthentik) -> None:
    """Users and groups have exactly the fields of their release; `parent` gave way to `parents`."""
    name = release_of(fake, ask)
    user = ask(fake, USERS)[1]["results"][0]
    group = ask(fake, GROUPS)[1]["results"][0]
    for row, fields in ((user, USER_FIELDS_SINCE), (group, GROUP_FIELDS_SINCE)):
        assert {field for field in fields if field in row} == {f for f, first in fields.items() if name in since(first)}
    assert ("parent" in group) is ("parent_name" in group) is ("parents" not in group)
    assert ("roles" in ask(fake, "/api/v3/core/users/me/")[1]["user"]) is (name in since("2025.12"))


def test_page_sizes_by_release(ask: Ask, fake: FakeAuthentik) -> None:
    """Through 2025.10 a page is 100 rows by default and as many as one likes; then 20, and 100 at most."""
    limited = release_of(fake, ask) in since("2025.12")
    assert len(ask(fake, USERS)[1]["results"]) == (20 if limited else 100)
    assert len(ask(fake, f"{USERS}?page_size=120")[1]["results"]) == (100 if limited else 120)


def test_include_flags_are_ignored_before_2024_4(ask: Ask, fake: FakeAuthentik) -> None:
    """Without the flags the expanded forms are always there."""
    flags = release_of(fake, ask) in since("2024.4")
    user = ask(fake, f"{USERS}?include_groups=false")[1]["results"][0]
    group = ask(fake, f"{GROUPS}?include_users=false")[1]["results"][0]
    assert (user["groups_obj"] is None) is flags
    assert (group["users_obj"] is None) is flags


def test_autocomplete_is_part_of_lists_since_2025_8(ask: Ask, fake: FakeAuthentik) -> None:
    """Before, a list has pagination and results only."""
    _, body = ask(fake, USERS)
    wanted = ["pagination", "results", "autocomplete"] if release_of(fake, ask) in since("2025.8") else None
    assert list(body) == (wanted or ["pagination", "results"])


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("date_joined__gt=2040-01-01T00:00:00Z", "2025.8"),
        ("last_updated__gt=2040-01-01T00:00:00Z", "2025.8"),
        ("last_login__gt=2040-01-01T00:00:00Z", "2026.2"),
        ("last_login__isnull=true&last_login__gt=2020-01-01T00:00:00Z", "2026.2"),
        ("type=internal_service_account&is_superuser=true", "2023.10"),
    ],
)
def test_a_filter_that_does_not_exist_yet_is_ignored(ask: Ask, fake: FakeAuthentik, query: str, first: str) -> None:
    """The same request gives nobody from the release that has the filter on, and everybody before."""
    count = ask(fake, f"{USERS}?{query}")[1]["pagination"]["count"]
    assert count == (0 if release_of(fake, ask) in since(first) else 130)


def test_an_order_over_a_field_that_does_not_exist_yet_is_ignored(ask: Ask, fake: FakeAuthentik) -> None:
    """Before 2025.4 `ordering=date_joined` gives the default order, by username."""
    rows = ask(fake, f"{USERS}?ordering=-date_joined&page_size=100")[1]["results"]
    by_name = [row["username"] for row in rows] == sorted(row["username"] for row in rows)
    assert by_name is (release_of(fake, ask) not in since("2025.4"))


def test_before_2025_12_a_group_tells_one_parent(ask: Ask) -> None:
    """`parent` and `parent_name` in the group and in the groups of a user; null at the top."""
    directory = Directory()
    top = directory.create_group("top")
    leaf = directory.create_group("leaf", parents=[top])
    pk = directory.create_user(username="someone", groups=[leaf])
    fake = FakeAuthentik(directory, release="2025.8")
    group = ask(fake, f"{GROUPS}{leaf}/")[1]
    assert (group["parent"], group["parent_name"]) == (top, "top")
    assert ask(fake, f"{GROUPS}{top}/")[1]["parent"] is None
    assert ask(fake, f"{USERS}{pk}/")[1]["groups_obj"][0]["parent_name"] == "top"


def test_an_unknown_release_is_refused_with_those_there_are() -> None:
    """The error lists the profiles."""
    with pytest.raises(ValueError, match=r"2023\.10, 2024\.4"):
        FakeAuthentik(release="1999.1")


def test_autocomplete_names_what_can_be_searched_for_from_2026_2_on(ask: Ask, fake: FakeAuthentik) -> None:
    """From 2025.8 on lists have it: empty before 2026.2, then by model for users and groups, empty for other lists."""
    name = release_of(fake, ask)
    for address, model in ((USERS, "user"), (GROUPS, "group")):
        page = ask(fake, address)[1]
        assert ("autocomplete" in page) is (name in since("2025.8"))
        if name in since("2026.2"):
            assert page["autocomplete"]["current_model"] == f"authentik_core.{model}"
            assert "name" in page["autocomplete"]["models"][f"authentik_core.{model}"]
        else:
            assert page.get("autocomplete", {}) == {}
    assert ask(fake, "/api/v3/core/tokens/")[1].get("autocomplete", {}) == {}
