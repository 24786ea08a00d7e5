"""Visibility that goes and comes: permissions taken from a token's account while it is in use, and given back."""

from typing import Any

import pytest

from openlane_authentik.testing import RELEASES, Directory, FakeAuthentik
from tests.unit.testing.conftest import Ask

USERS = "/api/v3/core/users/"
GROUPS = "/api/v3/core/groups/"
ME = "/api/v3/core/users/me/"
PERMISSIONS = "/api/v3/rbac/permissions/"
BEARERS = ["viewer", "viewer_plus", "viewer_via_group", "superuser"]


def visibility(ask: Ask, fake: FakeAuthentik, kind: str) -> tuple[Any, Any, bool]:
    """The users and the groups a token is shown, and whether its account is a superuser."""
    users = ask(fake, f"{USERS}?ordering=pk&page_size=200", kind)[1]["results"]
    groups = ask(fake, f"{GROUPS}?ordering=pk&include_users=false", kind)[1]["results"]
    superuser = ask(fake, ME, kind)[1]["user"]["is_superuser"]
    return [user["pk"] for user in users], [group["pk"] for group in groups], superuser


@pytest.fixture(params=RELEASES)
def fake(request: pytest.FixtureRequest) -> FakeAuthentik:
    """Sixty users and twelve groups, on each release."""
    return FakeAuthentik(Directory.generate(60, 12, seed=1), release=request.param, max_page_size=200)


@pytest.mark.parametrize("kind", BEARERS)
def test_a_narrowed_account_sees_some_rows_and_is_told_nothing(ask: Ask, fake: FakeAuthentik, kind: str) -> None:
    """The lists are 200 and partial, by default as for `object_level`; `widen` gives everything back."""
    fake.token(kind)
    before = visibility(ask, fake, kind)
    fake.narrow(kind)
    assert visibility(ask, fake, kind) == (before[0][:25], sorted(fake.directory.groups)[:7], False)
    fake.widen(kind)
    assert visibility(ask, fake, kind) == before


@pytest.mark.parametrize("kind", BEARERS)
def test_what_a_narrowed_account_sees_can_be_chosen(ask: Ask, fake: FakeAuthentik, kind: str) -> None:
    """Exactly the given rows, details of others are 404; narrowed twice, the first `widen` gives all back."""
    groups = sorted(fake.directory.groups)[2:5]
    fake.token(kind)
    before = visibility(ask, fake, kind)
    fake.narrow(kind, users=[], groups=[])
    fake.narrow(kind, users=[7, 9], groups=groups)
    assert visibility(ask, fake, kind) == ([7, 9], groups, False)
    assert (ask(fake, f"{USERS}7/", kind)[0], ask(fake, f"{USERS}8/", kind)[0]) == (200, 404)
    fake.widen(kind)
    fake.widen(kind)
    assert visibility(ask, fake, kind) == before


@pytest.mark.parametrize("kind", BEARERS)
def test_a_narrowed_account_holds_no_global_permission(ask: Ask, fake: FakeAuthentik, kind: str) -> None:
    """Its roles permit nothing globally: the permissions of each count 0."""
    fake.narrow(kind)
    for role in ask(fake, ME, kind)[1]["user"].get("roles", ()):
        counted = ask(fake, f"{PERMISSIONS}?role={role['pk']}&codename=view_user", kind)[1]
        assert counted["pagination"]["count"] == 0


def test_another_token_of_a_narrowed_account_sees_no_more(ask: Ask, fake: FakeAuthentik) -> None:
    """Making one does not set the account up anew, nor does asking for the one there is."""
    for kind in BEARERS:
        fake.narrow(kind, users=[7], groups=[])
        token = fake.token(kind, identifier=f"second-{kind}")
        answer = fake.respond("GET", USERS, "", {"authorization": f"Bearer {token}"}).answer
        assert (answer.status, answer.rows) == (200, 1)
        assert ask(fake, USERS, kind)[1]["pagination"]["count"] == 1


def test_nothing_left_to_see_is_a_refusal(ask: Ask, fake: FakeAuthentik) -> None:
    """No row of a kind at all is as good as no permission."""
    fake.narrow(users=[7], groups=[])
    assert ask(fake, USERS)[0] == 200
    assert ask(fake, GROUPS) == (403, {"detail": "You do not have permission to perform this action."})


def test_only_an_account_with_a_role_can_be_narrowed(fake: FakeAuthentik) -> None:
    """One without a role has nothing to take away."""
    for kind in ("none", "internal_sa_none"):
        with pytest.raises(ValueError, match="no role"):
            fake.narrow(kind)
