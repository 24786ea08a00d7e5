"""What a sync never asks for: the answers are authentik's, as far as they were measured."""

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik
from tests.unit.testing.conftest import Ask

API = "/api/v3/"
DEVICES = [
    f"authenticators/admin/{kind}/" for kind in ("duo", "email", "endpoint", "sms", "static", "totp", "webauthn")
]
LISTS = ["rbac/roles/", "events/events/", *DEVICES]
ALL_DEVICES = f"{API}authenticators/admin/all/"


@pytest.fixture
def fake() -> FakeAuthentik:
    """Thirty users and five groups, on 2026.2."""
    return FakeAuthentik(Directory.generate(30, 5), release="2026.2")


@pytest.mark.parametrize("path", LISTS)
def test_a_list_without_its_permission_is_a_403_and_no_404(ask: Ask, fake: FakeAuthentik, path: str) -> None:
    """The refusal is JSON; whoever may read it gets a page; without credentials they are asked for."""
    refused = (403, {"detail": "You do not have permission to perform this action."})
    assert ask(fake, API + path) == ask(fake, API + path, "object_level") == refused
    assert ask(fake, API + path, "no_header") == (403, {"detail": "Authentication credentials were not provided."})
    assert ask(fake, API + path, "wrong") == (403, {"detail": "Token invalid/expired"})
    status, page = ask(fake, API + path, "superuser")
    assert (status, list(page)) == (200, ["pagination", "results", "autocomplete"])
    assert ask(fake, API + path, "internal_sa_none")[1]["pagination"]["count"] == 0


def test_roles_are_listed_to_whoever_may_view_them(ask: Ask, fake: FakeAuthentik) -> None:
    """Key and name, as recorded, by name."""
    page = ask(fake, f"{API}rbac/roles/?page_size=100", "viewer_plus")[1]
    held = fake.directory.role_names
    assert {role["pk"]: role["name"] for role in page["results"]} == held
    assert [list(role) for role in page["results"]] == [["pk", "name"]] * len(held)
    assert [role["name"] for role in page["results"]] == sorted(held.values())


@pytest.mark.parametrize("kind", ["viewer", "none", "superuser"])
def test_the_devices_of_a_user_are_none_whoever_asks(ask: Ask, fake: FakeAuthentik, kind: str) -> None:
    """200 and an empty list also without permission: a trap; an unknown user is a 400."""
    assert ask(fake, f"{ALL_DEVICES}?user=7", kind) == (200, [])
    assert ask(fake, ALL_DEVICES, kind) == (200, [])
    unknown = ask(fake, f"{ALL_DEVICES}?user=999999", kind)
    assert unknown == (400, {"user": ['Invalid pk "999999" - object does not exist.']})
    assert ask(fake, f"{ALL_DEVICES}?user=x", kind)[0] == 400


def test_the_schema_needs_no_token_but_a_bad_one_is_refused(ask: Ask, fake: FakeAuthentik) -> None:
    """200 for everybody else, with the version of the release."""
    for kind in ("no_header", "none", "viewer"):
        status, schema = ask(fake, f"{API}schema/", kind)
        assert (status, schema["info"]["version"]) == (200, "2026.2.1")
    assert ask(fake, f"{API}schema/", "wrong")[0] == 403


def test_asking_for_recovery_codes_is_a_violation(ask: Ask, fake: FakeAuthentik) -> None:
    """`authenticators/admin/static/` carries them: a test can tell that it was asked for."""
    ask(fake, f"{API}authenticators/admin/totp/")
    assert not fake.violations
    ask(fake, f"{API}authenticators/admin/static/")
    assert fake.violations == [f"GET {API}authenticators/admin/static/: it carries recovery codes"]
