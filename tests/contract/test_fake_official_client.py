"""The fake against authentik's official generated client of 2025.12: what it decodes, the fake must be able to send."""

import importlib
import json
from typing import Any

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik


@pytest.fixture(scope="module")
def authentik_client() -> Any:
    """The official client: imported by who needs it alone, as that takes five seconds."""
    return importlib.import_module("authentik_client")


def decoded(fake: FakeAuthentik, target: str, kind: str = "superuser") -> Any:
    """The JSON of one GET that must succeed."""
    path, _, query = target.partition("?")
    answer = fake.respond("GET", path, query, fake.headers(kind)).answer
    assert answer.status == 200
    return json.loads(answer.body)


@pytest.fixture(scope="module", params=["2025.12", "2026.2"])
def fake(request: pytest.FixtureRequest) -> FakeAuthentik:
    """A fake whose usernames keep to the pattern the official client insists on."""
    directory = Directory.generate(users=150, groups=15, seed=11, plain_usernames=True)
    return FakeAuthentik(directory, release=request.param)


@pytest.mark.parametrize(
    ("target", "model"),
    [
        ("/api/v3/core/users/?page_size=100", "PaginatedUserList"),
        ("/api/v3/core/users/?include_groups=false&include_roles=false", "PaginatedUserList"),
        ("/api/v3/core/groups/?page_size=100", "PaginatedGroupList"),
        ("/api/v3/core/groups/?include_users=false&include_parents=true&include_children=true", "PaginatedGroupList"),
        ("/api/v3/core/tokens/", "PaginatedTokenList"),
        ("/api/v3/rbac/permissions/", "PaginatedPermissionList"),
        ("/api/v3/admin/version/", "Version"),
        ("/api/v3/root/config/", "Config"),
    ],
)
def test_the_official_client_decodes_what_the_fake_sends(
    fake: FakeAuthentik, authentik_client: Any, target: str, model: str
) -> None:
    """`from_dict` of the official model takes the answer, and finds as many results as were sent."""
    sent = decoded(fake, target)
    read = getattr(authentik_client, model).from_dict(sent)
    assert read is not None
    if "results" in sent:
        assert len(read.results) == len(sent["results"]) > 0


def test_the_official_client_decodes_a_single_user_and_group(fake: FakeAuthentik, authentik_client: Any) -> None:
    """The detail endpoints send the same records as the lists."""
    for address, model in (("users", authentik_client.User), ("groups", authentik_client.Group)):
        row = decoded(fake, f"/api/v3/core/{address}/?page_size=1")["results"][0]
        single = decoded(fake, f"/api/v3/core/{address}/{row['pk']}/")
        assert model.from_dict(single) == model.from_dict(row)


def test_the_official_client_decodes_the_session_user(fake: FakeAuthentik, authentik_client: Any) -> None:
    """`users/me` decodes as it is, with the roles of the account."""
    read = authentik_client.SessionUser.from_dict(decoded(fake, "/api/v3/core/users/me/", "viewer"))
    assert read is not None
    assert [role.name for role in read.user.roles] == ["role-viewer"]


def test_the_official_client_decodes_the_brand(fake: FakeAuthentik, authentik_client: Any) -> None:
    """`brands/current` decodes as it is."""
    read = authentik_client.CurrentBrand.from_dict(decoded(fake, "/api/v3/core/brands/current/"))
    assert read is not None
    assert read.branding_title == "authentik"
