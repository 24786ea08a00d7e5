"""Lists: pages and clamps, filters and orders, and what is ignored without a word."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.testing import Directory, FakeAuthentik
from tests.unit.testing.conftest import Ask

USERS = "/api/v3/core/users/"
GROUPS = "/api/v3/core/groups/"


@pytest.fixture(scope="module")
def fake() -> FakeAuthentik:
    """260 users and 30 groups on the recorded release; the account of the token is one user more."""
    fake = FakeAuthentik(Directory.generate(259, 30, seed=8, ties=40))
    fake.token("viewer")
    return fake


def keys(answer: tuple[int, Any]) -> list[Any]:
    """The keys a list names."""
    status, body = answer
    assert status == 200, body
    return [row["pk"] for row in body["results"]]


def all_keys(ask: Ask, fake: FakeAuthentik, target: str) -> list[Any]:
    """The keys of all pages of a list."""
    found: list[Any] = []
    page = 1
    while page:
        _, body = ask(fake, f"{target}{'&' if '?' in target else '?'}page_size=100&page={page}")
        found += [row["pk"] for row in body["results"]]
        page = body["pagination"]["next"]
    return found


@pytest.mark.parametrize(
    ("asked", "given_size"),
    [("", 20), ("0", 20), ("-1", 20), ("junk", 20), ("1.5", 20), ("1", 1), ("100", 100), ("101", 100), ("9999", 100)],
)
def test_page_sizes_are_clamped_and_junk_gives_the_default(
    ask: Ask, fake: FakeAuthentik, asked: str, given_size: int
) -> None:
    """Above the tenant's maximum the maximum, for 0, negative numbers and junk the default of 20."""
    _, body = ask(fake, f"{USERS}?page_size={asked}")
    assert len(body["results"]) == given_size
    assert body["pagination"]["end_index"] == given_size


def test_an_admin_may_raise_the_maximum(ask: Ask) -> None:
    """The clamp is the tenant's setting."""
    fake = FakeAuthentik(Directory.generate(259, 3), max_page_size=250)
    _, body = ask(fake, f"{USERS}?page_size=300")
    assert len(body["results"]) == 250


@pytest.mark.parametrize("page", ["14", "99999", "0", "-1", "junk", "1.0"])
def test_a_page_that_is_not_there_is_a_404(ask: Ask, fake: FakeAuthentik, page: str) -> None:
    """Past the end, below one or no number at all: 404 and `Invalid page.` for detail."""
    assert ask(fake, f"{USERS}?page={page}") == (404, {"detail": "Invalid page."})


def test_the_last_page_points_nowhere(ask: Ask, fake: FakeAuthentik) -> None:
    """`next` is 0 on the last page, and `page=last` is that page."""
    _, body = ask(fake, f"{USERS}?page=13")
    assert body["pagination"] == {
        "next": 0,
        "previous": 12,
        "count": 260,
        "current": 13,
        "total_pages": 13,
        "start_index": 241,
        "end_index": 260,
    }
    assert ask(fake, f"{USERS}?page=last")[1] == body


@pytest.mark.parametrize(
    "query",
    ["pk__gt=100", "uuid__in=x", "last_updated__gte=2030-01-01T00:00:00Z", "ordering=id", "ordering=groups_obj", "x=y"],
)
def test_unknown_parameters_and_orders_are_ignored(ask: Ask, fake: FakeAuthentik, query: str) -> None:
    """The answer is the full list in the default order, by username: never trust a filter unseen."""
    _, body = ask(fake, f"{USERS}?{query}&page_size=100")
    assert body["pagination"]["count"] == 260
    names = [row["username"] for row in body["results"]]
    assert names == sorted(names)


def test_groups_are_listed_by_name_unless_told_otherwise(ask: Ask, fake: FakeAuthentik) -> None:
    """The default order of groups is the name: it changes under a reader."""
    _, body = ask(fake, f"{GROUPS}?page_size=100")
    names = [row["name"] for row in body["results"]]
    assert names == sorted(names)


@pytest.mark.parametrize("ordering", ["is_superuser", "-is_superuser", "pk,is_superuser"])
def test_ordering_users_by_something_computed_breaks_the_server(ask: Ask, fake: FakeAuthentik, ordering: str) -> None:
    """`ordering=is_superuser` is a 500 page; of groups it is a column."""
    status, body = ask(fake, f"{USERS}?ordering={ordering}")
    assert status == 500
    assert body.startswith("<!DOCTYPE html>")
    assert ask(fake, f"{GROUPS}?ordering=is_superuser")[0] == 200


@pytest.mark.parametrize(
    "ordering", ["pk", "-pk", "date_joined,pk", "-date_joined,-pk", "type,-username", "-last_login,pk"]
)
def test_users_come_in_the_order_asked_for(ask: Ask, fake: FakeAuthentik, ordering: str) -> None:
    """Several fields, each ascending or descending; null instants last, first when descending."""
    rows = sorted(fake.directory.users.values(), key=lambda row: row["pk"])
    for term in reversed(ordering.split(",")):
        name = term.removeprefix("-")
        rows.sort(key=lambda row: (row[name] is None, row[name] or ""), reverse=term.startswith("-"))
    assert all_keys(ask, fake, f"{USERS}?ordering={ordering}") == [row["pk"] for row in rows]


def test_an_order_with_ties_repeats_and_loses_rows(ask: Ask, fake: FakeAuthentik) -> None:
    """Among equals the server promises no order: pages over a field that is not unique miss users that are there."""
    found = all_keys(ask, fake, f"{USERS}?ordering=type")
    assert len(found) == 260
    assert len(set(found)) < 260


@pytest.mark.parametrize("field", ["date_joined", "last_updated"])
def test_instant_filters_exclude_their_bounds_to_the_microsecond(ask: Ask, fake: FakeAuthentik, field: str) -> None:
    """`__gt` and `__lt` leave out the row at the bound; a microsecond further it is in."""
    pk = fake.directory.create_user(username=f"at-{field}", **{field: "2024-05-05T05:05:05.000005Z"})
    within = f"{USERS}?{field}__gt=2024-05-05T05:05:05.000004Z&{field}__lt=2024-05-05T05:05:05.000006Z"
    assert keys(ask(fake, within)) == [pk]
    for at_bound in (f"{field}__gt=2024-05-05T05:05:05.000005Z", f"{field}__lt=2024-05-05T05:05:05.000005Z"):
        assert pk not in all_keys(ask, fake, f"{USERS}?{at_bound}&ordering=pk")
    assert keys(ask(fake, f"{USERS}?{field}=2024-05-05T05:05:05.000005Z")) == [pk]
    fake.directory.delete_user(pk)


def test_a_plus_that_was_not_quoted_makes_a_bad_instant(ask: Ask, fake: FakeAuthentik) -> None:
    """`+00:00` in a query is ` 00:00` to the server; quoted it is an offset."""
    good = ask(fake, f"{USERS}?date_joined__gt={quote('2024-01-01T00:00:00+00:00')}")
    assert good[0] == 200
    bad = ask(fake, f"{USERS}?date_joined__gt=2024-01-01T00:00:00junk")
    assert bad == (400, {"date_joined__gt": ["Enter a valid date/time."]})


def test_a_bad_type_is_refused_and_types_add_up(ask: Ask, fake: FakeAuthentik) -> None:
    """`type` may be given several times and any of them passes; an unknown one is a 400, as recorded."""
    recorded = {"type": ["Select a valid choice. bogus is not one of the available choices."]}
    assert ask(fake, f"{USERS}?type=bogus") == (400, recorded)
    both = all_keys(ask, fake, f"{USERS}?type=external&type=service_account&ordering=pk")
    wanted = {"external", "service_account"}
    assert both == [pk for pk, row in sorted(fake.directory.users.items()) if row["type"] in wanted]


def has_words(user: dict[str, Any], *words: str) -> bool:
    """Whether each word is in the username, the name or the address of a user."""
    texts = [user[name].lower() for name in ("username", "name", "email")]
    return all(any(word in text for text in texts) for word in words)


def country(user: dict[str, Any]) -> Any:
    """The country of a user's address."""
    return user["attributes"].get("address", {}).get("country")


def is_legal_in_france(user: dict[str, Any]) -> bool:
    """Whether a user is of the legal department and lives in France."""
    return (country(user), user["attributes"].get("department")) == ("FR", "Legal")


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ("is_active=false", lambda d, pk: not d.users[pk]["is_active"]),
        ("is_active=junk", lambda d, pk: pk in d.users),
        ("path_startswith=users/", lambda d, pk: d.users[pk]["path"].startswith("users/")),
        ("path=users", lambda d, pk: d.users[pk]["path"] == "users"),
        ("search=u0001", lambda d, pk: "u0001" in d.users[pk]["username"]),
        ('search="', lambda d, pk: pk in d.users),
        ('search="o m"', lambda d, pk: "o m" in d.users[pk]["name"].lower()),
        ("search=o%20m", lambda d, pk: has_words(d.users[pk], "o", "m")),
        ("search=o,m", lambda d, pk: has_words(d.users[pk], "o", "m")),
        ('attributes={"department":"Legal"}', lambda d, pk: d.users[pk]["attributes"].get("department") == "Legal"),
        ('attributes={"address__country":"FR"}', lambda d, pk: country(d.users[pk]) == "FR"),
        ('attributes={"address__country":"FR","department":"Legal"}', lambda d, pk: is_legal_in_france(d.users[pk])),
        ('attributes={"department":{"a":"b"}}', lambda *_: False),
        ("attributes={}", lambda d, pk: pk in d.users),
        ("attributes=", lambda d, pk: pk in d.users),
        ("email=shared3@example.test", lambda d, pk: d.users[pk]["email"] == "shared3@example.test"),
    ],
)
def test_users_are_filtered(ask: Ask, fake: FakeAuthentik, query: str, passes: Any) -> None:
    """Each filter keeps the users it is about."""
    wanted = [pk for pk in sorted(fake.directory.users) if passes(fake.directory, pk)]
    assert all_keys(ask, fake, f"{USERS}?{query}&ordering=pk") == wanted


@pytest.mark.parametrize("address", [USERS, GROUPS])
def test_attributes_are_filtered_by_a_json_object_or_refused(ask: Ask, fake: FakeAuthentik, address: str) -> None:
    """Junk and JSON that is no object are a 400 with a list of messages, for users and groups alike."""
    assert ask(fake, f"{address}?attributes={{") == (400, ["filter: failed to parse JSON"])
    assert ask(fake, f"{address}?attributes=[1]") == (400, ["filter: value must be key:value mapping"])
    assert ask(fake, f'{address}?attributes={{"no such key":"b"}}')[1]["results"] == []


def test_groups_are_found_by_their_attributes(ask: Ask, fake: FakeAuthentik) -> None:
    """Values of any JSON type, lists and numbers among them."""
    directory = fake.directory
    pk = directory.create_group("g", attributes={"a": "b", "n": 1, "list": [{"x": 1}], "on": True, "none": None})
    for query in ('{"a":"b"}', '{"n":1}', '{"list":[{"x":1}]}', '{"on":true}', '{"none":null}', '{"a":"b","n":1}'):
        assert keys(ask(fake, f"{GROUPS}?attributes={quote(query)}")) == [pk]
    for query in ('{"a":"c"}', '{"n":"1"}', '{"list":[]}', '{"on":1}', '{"absent":null}', '{"a":"b","n":2}'):
        assert keys(ask(fake, f"{GROUPS}?attributes={quote(query)}")) == []


def test_groups_cannot_be_ordered_by_their_number(ask: Ask, fake: FakeAuthentik) -> None:
    """`ordering=num_pk` is ignored as every unknown order is: 200, in the order of names."""
    for order in ("num_pk", "-num_pk"):
        assert ask(fake, f"{GROUPS}?ordering={order}") == ask(fake, GROUPS)


def test_users_and_groups_are_found_by_each_other_and_by_identity(ask: Ask, fake: FakeAuthentik) -> None:
    """`groups_by_pk`, `members_by_pk` and `uuid`; keys that do not exist are refused."""
    directory = fake.directory
    group, user = list(directory.groups)[2], 7
    assert all_keys(ask, fake, f"{USERS}?groups_by_pk={group}&ordering=pk") == directory.raw_group(group)["users"]
    assert all_keys(ask, fake, f"{GROUPS}?members_by_pk={user}&ordering=pk") == directory.raw_user(user)["groups"]
    assert keys(ask(fake, f"{USERS}?uuid={directory.users[user]['uuid']}")) == [user]
    assert keys(ask(fake, f"{GROUPS}?name={quote(directory.groups[group]['name'])}")) == [group]
    assert ask(fake, f"{USERS}?uuid=x") == (400, {"uuid": ["Enter a valid UUID."]})
    assert ask(fake, f"{GROUPS}?members_by_pk=999999")[0] == 400
    assert ask(fake, f"{GROUPS}?members_by_pk=x")[0] == 400
    assert ask(fake, f"{USERS}?groups_by_pk=00000000-0000-4000-8000-000000000000")[0] == 400
    assert ask(fake, f"{USERS}?groups_by_pk=x")[0] == 400


def test_the_superuser_filter_of_users_sees_their_own_groups_only(ask: Ask) -> None:
    """Unlike the field of that name it does not follow parents."""
    directory = Directory()
    top = directory.create_group("top", is_superuser=True)
    direct = directory.create_user(username="direct", groups=[top])
    inherited = directory.create_user(username="below", groups=[directory.create_group("below", parents=[top])])
    fake = FakeAuthentik(directory)
    assert keys(ask(fake, f"{USERS}?is_superuser=true")) == [direct]
    rows = {row["pk"]: row["is_superuser"] for row in ask(fake, USERS)[1]["results"]}
    assert rows[direct]
    assert rows[inherited]


@pytest.mark.parametrize("value", ["false", "0", "no", "1", ""])
def test_flags_null_the_expanded_form_and_keep_the_keys(ask: Ask, fake: FakeAuthentik, value: str) -> None:
    """Whatever is not `true` is false; `groups` and `users` stay complete without their objects."""
    _, users = ask(fake, f"{USERS}?include_groups={value}&include_roles={value}&ordering=pk")
    _, full = ask(fake, f"{USERS}?ordering=pk")
    for lean, whole in zip(users["results"], full["results"], strict=True):
        assert lean["groups_obj"] is None
        assert lean["roles_obj"] is None
        assert sorted(lean["groups"]) == whole["groups"] == [group["pk"] for group in whole["groups_obj"]]
    _, groups = ask(fake, f"{GROUPS}?include_users={value}")
    _, expanded = ask(fake, GROUPS)
    for lean, whole in zip(groups["results"], expanded["results"], strict=True):
        assert lean["users_obj"] is None
        assert lean["users"] == whole["users"] == [user["pk"] for user in whole["users_obj"]]


def test_related_groups_and_inherited_roles_are_told_on_demand(ask: Ask) -> None:
    """Parents, children and the roles of ancestors are null unless asked for; a cycle is no trouble."""
    directory = Directory()
    top = directory.create_group("top")
    leaf = directory.create_group("leaf", parents=[top])
    directory.set_parents(top, [leaf])
    role = directory.give_role("a role", group=top)
    fake = FakeAuthentik(directory)
    bare = ask(fake, f"{GROUPS}{leaf}/")[1]
    assert (bare["parents_obj"], bare["children_obj"], bare["inherited_roles_obj"]) == (None, None, None)
    asked = "include_parents=true&include_children=true&include_inherited_roles=true"
    told = ask(fake, f"{GROUPS}{leaf}/?{asked}")[1]
    assert [group["name"] for group in told["parents_obj"]] == ["top"]
    assert [group["pk"] for group in told["children_obj"]] == [top]
    assert told["inherited_roles_obj"] == [{"pk": role, "name": "a role"}]


def test_a_missing_object_is_json_and_a_missing_address_a_page(ask: Ask, fake: FakeAuthentik) -> None:
    """404 either way: `No User matches` for a key, HTML without the slash, with two, or for no address at all."""
    assert ask(fake, f"{USERS}999999/") == (404, {"detail": "No User matches the given query."})
    missing = "00000000-0000-4000-8000-000000000000"
    assert ask(fake, f"{GROUPS}{missing}/") == (404, {"detail": "No Group matches the given query."})
    assert ask(fake, f"{GROUPS}x/") == (404, {"detail": "Not found."})
    for address in ("/api/v3/core/users", "/api/v3//core/users/", "/api/v3/core/users//", "/nowhere/", "/api/v3/x/"):
        status, body = ask(fake, address)
        assert status == 404
        assert body.startswith("<!DOCTYPE html>")
    assert ask(fake, "/api/v3/")[0] == 200
    assert ask(fake, "/-/health/live/", "no_header") == (200, "")


def test_a_base_path_moves_everything(ask: Ask) -> None:
    """Under `/auth` the API is at `/auth/api/v3/` and nowhere else."""
    fake = FakeAuthentik(Directory.generate(3, 2), base_path="/auth/")
    assert ask(fake, "/auth/api/v3/core/users/")[0] == 200
    assert ask(fake, "/auth/-/health/live/")[0] == 200
    for address in ("/api/v3/core/users/", "/authapi/v3/core/users/", "/auth"):
        assert ask(fake, address)[0] == 404


def naive(directory: Directory, above: str, below: str, kind: str, ordering: str) -> list[int]:
    """The users asked for, by walking all of them."""
    rows = [r for r in directory.users.values() if above < r["date_joined"] < below and kind in {"", r["type"]}]
    return [r["pk"] for r in sorted(rows, key=lambda row: tuple(row[name] for name in ordering.split(",")))]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 5))
def test_cached_views_answer_as_a_walk_over_all_rows_would(data: st.DataObject, seed: int) -> None:
    """After any changes, any range, filter and order gives the rows, and the count, of a directory read afresh."""
    directory = Directory.generate(30, 3, seed=seed)
    fake = FakeAuthentik(directory)
    fake.token()
    years = st.integers(2021, 2027).map(lambda year: f"{year}-01-01T00:00:00Z")
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from("cdue")):
            case "c":
                directory.create_user(date_joined=data.draw(years))
            case "d":
                directory.delete_user(data.draw(st.sampled_from(sorted(directory.users)[:10])))
            case "u":
                directory.update_user(data.draw(st.sampled_from(sorted(directory.users))), type="external", name="X")
            case _:
                directory.set_user_groups(data.draw(st.sampled_from(sorted(directory.users))), [])
        if data.draw(st.booleans()):
            above, below = data.draw(years), data.draw(years)
            kind = data.draw(st.sampled_from(["", "external"]))
            ordering = data.draw(st.sampled_from(["pk", "date_joined,pk", "username"]))
            query = f"date_joined__gt={above}&date_joined__lt={below}&type={kind}&ordering={ordering}&page_size=100"
            answer = fake.respond("GET", USERS, query, fake.headers()).answer
            wanted = naive(directory, above, below, kind, ordering)
            assert [row["pk"] for row in json.loads(answer.body)["results"]] == wanted
