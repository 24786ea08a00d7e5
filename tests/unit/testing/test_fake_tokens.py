"""Tokens: who is let in, what each may see, and the second signals a reader can check completeness by."""

import json
from datetime import timedelta

import pytest

from openlane_authentik.testing import KINDS, RELEASES, Directory, FakeAuthentik
from tests.unit.testing.conftest import Ask, StandingClock

USERS = "/api/v3/core/users/"
GROUPS = "/api/v3/core/groups/"
ME = "/api/v3/core/users/me/"
PERMISSIONS = "/api/v3/rbac/permissions/"
TOKENS = "/api/v3/core/tokens/"

INVALID = (403, {"detail": "Token invalid/expired"})
NOT_PROVIDED = (403, {"detail": "Authentication credentials were not provided."})
FORBIDDEN = (403, {"detail": "You do not have permission to perform this action."})


@pytest.fixture
def fake(clock: StandingClock) -> FakeAuthentik:
    """60 users and 12 groups at noon."""
    return FakeAuthentik(Directory.generate(60, 12, seed=1, clock=clock))


@pytest.mark.parametrize("kind", ["wrong", "expired", "app_password", "inactive"])
def test_a_token_that_does_not_let_in_is_a_403_even_where_none_is_needed(
    ask: Ask, fake: FakeAuthentik, kind: str
) -> None:
    """Never 401: `Token invalid/expired`, also at the brand and the configuration."""
    for address in (USERS, "/api/v3/core/brands/current/", "/api/v3/root/config/"):
        assert ask(fake, address, kind) == INVALID


@pytest.mark.parametrize("kind", ["no_header", "malformed"])
def test_no_header_and_an_empty_one_are_the_same(ask: Ask, fake: FakeAuthentik, kind: str) -> None:
    """Credentials were not provided, except where none are needed."""
    assert ask(fake, USERS, kind) == NOT_PROVIDED
    assert ask(fake, "/api/v3/core/brands/current/", kind)[0] == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token"])
def test_another_scheme_than_bearer_is_not_looked_at(fake: FakeAuthentik, scheme: str) -> None:
    """Even with a good token in it the header is as good as none: credentials were not provided."""
    header = {"authorization": f"{scheme} {fake.token()}"}
    answer = fake.respond("GET", USERS, "", header).answer
    assert (answer.status, json.loads(answer.body)) == NOT_PROVIDED
    assert fake.respond("GET", "/api/v3/core/brands/current/", "", header).answer.status == 200


@pytest.mark.parametrize(("release", "kept"), [("2025.12", False), ("2026.2", False), ("2026.5", True)])
def test_an_expired_token_is_listed_until_it_is_deleted(
    ask: Ask,
    clock: StandingClock,
    release: str,
    kept: bool,  # noqa: FBT001
) -> None:
    """`core/tokens/` lists expired tokens too; its first use deletes one, except from 2026.5 on."""
    fake = FakeAuthentik(Directory.generate(20, 3, clock=clock), release=release)
    old = fake.token("viewer", identifier="old", expires=timedelta(hours=-1))
    fake.token("viewer")

    def listed() -> dict[str, str]:
        return {row["identifier"]: row["expires"] for row in ask(fake, TOKENS)[1]["results"]}

    assert listed()["old"] == "2026-03-01T11:00:00Z"
    for _ in range(2):
        answer = fake.respond("GET", USERS, "", {"authorization": f"Bearer {old}"}).answer
        assert (answer.status, json.loads(answer.body)) == INVALID
        assert set(listed()) == ({"old", "tok-viewer"} if kept else {"tok-viewer"})


@pytest.mark.parametrize(
    ("kind", "users", "groups"),
    [
        ("viewer", 61, 12),
        ("viewer_plus", 61, 12),
        ("viewer_via_group", 61, 13),
        ("superuser", 61, 12),
        ("view_user_only", 61, None),
        ("view_group_only", None, 12),
        ("none", None, None),
        ("object_level", 25, 7),
        ("internal_sa_none", 0, 0),
    ],
)
def test_what_each_kind_of_token_may_see(
    ask: Ask, fake: FakeAuthentik, kind: str, users: int | None, groups: int | None
) -> None:
    """Counts by kind, the account itself included; None for a 403. Object-level lists are partial without a word."""
    for address, count in ((USERS, users), (GROUPS, groups)):
        status, body = ask(fake, address, kind)
        if count is None:
            assert (status, body) == FORBIDDEN
        else:
            assert (status, body["pagination"]["count"]) == (200, count)


def test_object_level_permissions_hold_for_chosen_rows_and_their_details(ask: Ask, fake: FakeAuthentik) -> None:
    """What may not be seen is as good as missing; groups seen still name members that are not."""
    users, groups = [7, 9], list(fake.directory.groups)[1:3]
    fake.token("object_level", visible_users=users, visible_groups=groups)
    assert [row["pk"] for row in ask(fake, f"{USERS}?ordering=pk", "object_level")[1]["results"]] == users
    assert ask(fake, f"{USERS}7/", "object_level")[0] == 200
    assert ask(fake, f"{USERS}8/", "object_level") == (404, {"detail": "No User matches the given query."})
    seen = ask(fake, f"{GROUPS}{groups[0]}/", "object_level")[1]
    assert set(seen["users"]) > set(users)
    fake.directory.delete_user(7)
    assert ask(fake, USERS, "object_level")[1]["pagination"]["count"] == 1


def test_the_account_of_a_token_is_a_user_like_any_other(ask: Ask, fake: FakeAuthentik) -> None:
    """It is in the lists from the first token of its kind on, and in vain once deleted or inactive."""
    ask(fake, USERS)
    pk = fake.tokens.account("viewer")
    assert ask(fake, f"{USERS}{pk}/")[1]["type"] == "service_account"
    fake.directory.update_user(pk, is_active=False)
    assert ask(fake, USERS) == INVALID
    fake.directory.delete_user(pk)
    assert ask(fake, USERS) == INVALID


def test_an_account_that_is_in_the_directory_already_is_used(clock: StandingClock) -> None:
    """Two fakes over one directory do not make two accounts."""
    directory = Directory.generate(5, 2, clock=clock)
    FakeAuthentik(directory).token()
    count = len(directory.users)
    FakeAuthentik(directory).token()
    assert len(directory.users) == count


@pytest.mark.parametrize("kind", ["viewer", "viewer_plus", "viewer_via_group", "view_user_only", "view_group_only"])
def test_a_role_tells_what_it_permits_globally(ask: Ask, fake: FakeAuthentik, kind: str) -> None:
    """`?role=&codename=` counts 1 for each global permission of the roles `users/me` names."""
    roles = ask(fake, ME, kind)[1]["user"]["roles"]
    for codename in ("view_user", "view_group"):
        counts = [
            ask(fake, f"{PERMISSIONS}?role={role['pk']}&codename={codename}&page_size=1", kind)[1]["pagination"][
                "count"
            ]
            for role in roles
        ]
        assert sum(counts) == (codename in KINDS[kind].permissions)


def test_the_traps_of_the_permission_list(ask: Ask, fake: FakeAuthentik) -> None:
    """Object-level permissions count 0; without `role` all that exist are listed; `user` gives 0."""
    role = ask(fake, ME, "object_level")[1]["user"]["roles"][0]["pk"]
    by_role = ask(fake, f"{PERMISSIONS}?role={role}&codename=view_user", "object_level")
    assert by_role[1]["pagination"]["count"] == 0
    assert ask(fake, f"{PERMISSIONS}?codename=view_user", "none")[1]["pagination"]["count"] == 1
    assert ask(fake, PERMISSIONS, "none")[1]["pagination"]["count"] > 20
    pk = fake.tokens.account("viewer") if ask(fake, ME)[0] == 200 else 0
    assert ask(fake, f"{PERMISSIONS}?user={pk}&codename=view_user")[1]["pagination"]["count"] == 0


def test_a_role_is_asked_for_by_the_uuid_of_one_there_is(ask: Ask, fake: FakeAuthentik) -> None:
    """Junk is no UUID, an unknown UUID no choice, both 400; an empty `role` is as good as none."""
    assert ask(fake, f"{PERMISSIONS}?role=junk") == (400, {"role": ["“junk” is not a valid UUID."]})
    unknown = "00000000-0000-4000-8000-000000000000"
    refused = "Select a valid choice. That choice is not one of the available choices."
    assert ask(fake, f"{PERMISSIONS}?role={unknown}") == (400, {"role": [refused]})
    assert ask(fake, f"{PERMISSIONS}?role=") == ask(fake, PERMISSIONS)
    role = ask(fake, ME)[1]["user"]["roles"][0]["pk"]
    assert ask(fake, f"{PERMISSIONS}?role={role.upper()}") == ask(fake, f"{PERMISSIONS}?role={role}")


def test_system_permissions_never_name_those_of_users_and_groups(ask: Ask, fake: FakeAuthentik) -> None:
    """`system_permissions` covers the rbac app alone; a superuser holds all of it."""
    told = {
        kind: ask(fake, ME, kind)[1]["user"]["system_permissions"] for kind in ("viewer", "viewer_plus", "superuser")
    }
    assert told["viewer"] == []
    assert sorted(told["viewer_plus"]) == ["view_role", "view_system_info"]
    assert len(told["superuser"]) == 16


def test_permissions_may_change_under_a_reader(ask: Ask, fake: FakeAuthentik) -> None:
    """`permit` sets what a kind's role permits from the next request on."""
    assert ask(fake, GROUPS)[0] == 200
    fake.tokens.permit("viewer", "view_user")
    assert ask(fake, GROUPS) == FORBIDDEN
    fake.tokens.permit("viewer")
    assert ask(fake, USERS) == FORBIDDEN
    fake.token("none")
    with pytest.raises(ValueError, match="no role"):
        fake.tokens.permit("none", "view_user")


def test_a_token_ends_when_it_expires_and_is_then_gone(ask: Ask, fake: FakeAuthentik, clock: StandingClock) -> None:
    """The server's clock decides; the first use after the end deletes it; one that does not expire goes on."""
    fake.token("viewer", expires=timedelta(minutes=30))
    fake.token("viewer_plus", expires=timedelta(minutes=30), expiring=False)
    assert ask(fake, ME)[0] == 200
    clock.pass_by(minutes=31)
    shown = {row["identifier"] for row in ask(fake, TOKENS, "superuser")[1]["results"]}
    assert "tok-viewer" in shown
    header = {"authorization": f"Bearer {fake.token('viewer')}"}
    assert fake.respond("GET", ME, "", header).answer.status == 403
    shown = {row["identifier"] for row in ask(fake, TOKENS, "superuser")[1]["results"]}
    assert shown == {"tok-viewer_plus", "tok-superuser"}
    assert ask(fake, ME, "viewer_plus")[0] == 200


def test_tokens_are_listed_without_their_keys(ask: Ask, fake: FakeAuthentik) -> None:
    """An account sees its own tokens, which nothing tells apart but their names; a superuser sees all."""
    secrets = {fake.token("viewer"), fake.token("viewer", identifier="second"), fake.token("none")}
    assert len(secrets) == 3
    _, own = ask(fake, TOKENS)
    assert [row["identifier"] for row in own["results"]] == ["second", "tok-viewer"]
    assert len({row["user"] for row in own["results"]}) == 1
    assert not any(secret in str(own) for secret in secrets)
    assert ask(fake, f"{TOKENS}?identifier=second")[1]["pagination"]["count"] == 1
    assert ask(fake, TOKENS, "superuser")[1]["pagination"]["count"] == 4
    assert ask(fake, f"{TOKENS}?page=7")[0] == 404


def test_an_unknown_kind_is_refused_with_those_there_are(fake: FakeAuthentik) -> None:
    """The error lists the kinds."""
    with pytest.raises(ValueError, match=r"viewer_via_group.*no_header"):
        fake.token("king")


@pytest.mark.parametrize("release", [name for name, profile in RELEASES.items() if not profile.user_roles])
def test_before_2025_12_roles_are_found_through_the_accounts_groups(ask: Ask, release: str) -> None:
    """Neither `users/me` nor users name roles: they hang on groups, found by `members_by_pk`."""
    fake = FakeAuthentik(Directory.generate(20, 5), release=release)
    me = ask(fake, ME)[1]["user"]
    assert "roles" not in me
    groups = ask(fake, f"{GROUPS}?members_by_pk={me['pk']}")[1]["results"]
    assert [group["pk"] for group in me["groups"]] == [group["pk"] for group in groups]
    role = groups[0]["roles"][0]
    assert ask(fake, f"{PERMISSIONS}?role={role}&codename=view_user")[1]["pagination"]["count"] == 1


def test_the_system_address_echoes_the_token_and_is_a_violation(ask: Ask, fake: FakeAuthentik) -> None:
    """Answered as recorded to who may, refused to others, and noted either way."""
    status, body = ask(fake, "/api/v3/admin/system/", "viewer_plus")
    assert status == 200
    assert body["http_headers"]["HTTP_AUTHORIZATION"] == f"Bearer {fake.token('viewer_plus')}"
    assert ask(fake, "/api/v3/admin/system/", "viewer") == FORBIDDEN
    assert len(fake.violations) == 2


def test_a_request_that_would_change_something_is_a_violation(ask: Ask, fake: FakeAuthentik) -> None:
    """The fake is read only: other methods are a 405, and noted."""
    assert ask(fake, USERS, method="POST") == (405, {"detail": 'Method "POST" not allowed.'})
    assert fake.violations == [f"POST {USERS}"]


def test_the_log_tells_who_was_let_in_and_never_a_token(ask: Ask, fake: FakeAuthentik) -> None:
    """A log entry has the names of headers, whether the token was taken, and what was answered."""
    ask(fake, f"{USERS}?page_size=5&type=internal&type=external")
    ask(fake, USERS, "wrong")
    ask(fake, USERS, "no_header")
    first, wrong, bare = fake.requests
    assert (first.number, first.method, first.path) == (1, "GET", USERS)
    assert first.query == {"page_size": ("5",), "type": ("internal", "external")}
    assert (first.authorized, first.status, first.rows) == (True, 200, 5)
    assert (wrong.authorized, wrong.header_names) == (False, frozenset({"authorization"}))
    assert bare.header_names == frozenset()
    assert fake.token() not in repr(fake.requests)
