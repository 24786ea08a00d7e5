"""The fake against recordings of a real authentik 2025.12.4: status, refusals and shape by endpoint and token."""

import json
from pathlib import Path
from typing import Any

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik

RECORDINGS = Path(__file__).parent.parent / "recordings"
BY_TOKEN = [json.loads(line) for line in (RECORDINGS / "by_token.ndjson").read_text("utf-8").splitlines()]
ROWS = json.loads((RECORDINGS / "rows.json").read_text("utf-8"))
ADDRESSES = {
    "users_default_p1": "/api/v3/core/users/{}/",
    "users_lean_p1": "/api/v3/core/users/{}/?include_groups=false&include_roles=false",
    "groups_lean_p1": "/api/v3/core/groups/{}/?include_users=false",
    "groups_default_p2": "/api/v3/core/groups/{}/?include_users=false",
    "groups_children_parents": (
        "/api/v3/core/groups/{}/?include_children=true&include_parents=true&include_inherited_roles=true"
        "&include_users=false"
    ),
}

# What a list names depends on the directory; what it looks like does not.
FREE_FORM = {"attributes", "http_headers", "settings", "system_permissions"}


def asked(fake: FakeAuthentik, target: str, kind: str) -> tuple[int, str, Any]:
    """Status, `Allow` and decoded body of one GET."""
    path, _, query = target.partition("?")
    answer = fake.respond("GET", path, query, fake.headers(kind)).answer
    return answer.status, answer.allow, json.loads(answer.body)


def assert_same_shape(recorded: Any, given: Any, where: str) -> None:
    """Same keys in the same order, same types; lists by their first element, when both have one."""
    if recorded is None or given is None:
        # Instants and expanded relations may be null in one and set in the other.
        return
    assert type(given) is type(recorded), where
    if isinstance(recorded, dict):
        assert list(given) == list(recorded), where
        for name in set(recorded) - FREE_FORM:
            assert_same_shape(recorded[name], given[name], f"{where}.{name}")
    elif isinstance(recorded, list) and recorded and given:
        assert_same_shape(recorded[0], given[0], f"{where}[0]")


@pytest.fixture(scope="module")
def fake() -> FakeAuthentik:
    """A fake of the recorded release."""
    return FakeAuthentik(Directory.generate(users=120, groups=12, seed=3), release="2025.12")


@pytest.mark.parametrize("recorded", BY_TOKEN, ids=[f"{r['endpoint']}-{r['kind']}" for r in BY_TOKEN])
def test_every_endpoint_answers_every_kind_of_token_as_recorded(fake: FakeAuthentik, recorded: dict[str, Any]) -> None:
    """The status, the `Allow` header, refusals to the letter, and the shape of everything else are the real ones."""
    status, allow, body = asked(fake, recorded["target"], recorded["kind"])
    assert (status, allow) == (recorded["status"], recorded["allow"])
    if status == 200:
        assert_same_shape(recorded["body"], body, recorded["endpoint"])
    else:
        assert body == recorded["body"]


ME = [r for r in BY_TOKEN if r["endpoint"] == "core_users_me" and r["status"] == 200]


@pytest.mark.parametrize("recorded", ME, ids=[r["kind"] for r in ME])
def test_an_account_is_told_of_itself_as_recorded(fake: FakeAuthentik, recorded: dict[str, Any]) -> None:
    """Superuser or not, type, the groups by name, how many roles and which system permissions: those of its kind."""
    _, _, body = asked(fake, recorded["target"], recorded["kind"])
    assert traits(body["user"]) == traits(recorded["body"]["user"])


def traits(user: dict[str, Any]) -> dict[str, Any]:
    """What of an account's own view does not depend on the directory; the recorded roles have names of their own."""
    told = {name: user[name] for name in ("username", "name", "is_active", "is_superuser", "email", "settings", "type")}
    groups = [group["name"] for group in user["groups"]]
    return {**told, "groups": groups, "roles": len(user["roles"]), "system": set(user["system_permissions"])}


@pytest.mark.parametrize(("page", "address"), ADDRESSES.items(), ids=list(ADDRESSES))
def test_a_loaded_record_is_written_as_it_was_recorded(page: str, address: str) -> None:
    """A directory loaded from raw records answers each of them field by field as the real server did, keys in order."""
    fake = FakeAuthentik(Directory.from_folder(RECORDINGS / "directory"), release="2025.12")
    for row in ROWS[page]:
        _, _, given = asked(fake, address.format(row["pk"]), "viewer")
        if "users" in given:
            given["users"] = []
        assert list(given) == list(row)
        assert unordered(given) == unordered(row)


def unordered(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose related keys are sorted: the server promises no order among them."""
    return {name: sorted(value, key=str) if isinstance(value, list) else value for name, value in row.items()}


def test_an_empty_list_is_paged_as_recorded(fake: FakeAuthentik) -> None:
    """No rows are one page, from position 0 to position 0."""
    recorded = next(r for r in BY_TOKEN if r["endpoint"] == "core_users" and r["kind"] == "internal_sa_none")
    _, _, body = asked(fake, recorded["target"], "internal_sa_none")
    assert body == recorded["body"]


def test_a_list_of_one_is_paged_as_recorded(fake: FakeAuthentik) -> None:
    """One row is one page, from position 1 to position 1, with neither a next nor a previous."""
    recorded = next(r for r in BY_TOKEN if r["endpoint"] == "core_tokens" and r["kind"] == "viewer")
    _, _, body = asked(fake, recorded["target"], "viewer")
    assert body["pagination"] == recorded["body"]["pagination"]


def test_the_first_of_many_pages_is_paged_as_recorded() -> None:
    """Recorded: a page of 2 out of 25 visible users is page 1 of 13."""
    recorded = next(r for r in BY_TOKEN if r["endpoint"] == "core_users" and r["kind"] == "object_level")
    fake = FakeAuthentik(Directory.generate(users=120, groups=12, seed=3), release="2025.12")
    _, _, body = asked(fake, recorded["target"], "object_level")
    assert body["pagination"] == recorded["body"]["pagination"]
