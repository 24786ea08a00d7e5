"""The labels of authentik's admin interface, by release: what a remedy and the guide tell a person to press."""

import asyncio

import pytest

from openlane_authentik.errors import TokenMissingError
from openlane_authentik.labels import ASSIGN_PERMISSION, GIVE_ROLE, NEW_SERVICE_ACCOUNT, YearMonth, narrowed
from openlane_authentik.operations.health_report import FINDINGS, Check, CheckName
from openlane_authentik.testing import RELEASES, Directory, FakeAuthentik, Fault
from tests.documents import read
from tests.support import SimulatedClock, connect

_OLD, _NEW = "'Create Service account'", "'New Service Account'"


@pytest.mark.parametrize(
    ("release", "shown"),
    [
        ((2023, 10), {_OLD}),
        ((2024, 12), {_OLD}),
        ((2025, 2), {_OLD, _NEW}),
        ((2025, 8), {_OLD, _NEW}),
        ((2025, 10), {_NEW}),
        ((2026, 5), {_NEW}),
        (None, {_OLD, _NEW}),
    ],
)
def test_the_button_for_a_service_account_is_that_of_the_release(release: YearMonth | None, shown: set[str]) -> None:
    """Up to 2024.12 one label, from 2025.10 on the other; in between, and where nobody knows, both."""
    text = narrowed(TokenMissingError.remedy, release)
    assert {label for label in (_OLD, _NEW) if label in text} == shown


def _users(release: str, told: str | None = None) -> Check:
    """Return the check of users for a token without permission; ``told`` is what the server says its release is."""
    fake = FakeAuthentik(Directory.generate(users=30, groups=4, seed=2, clock=SimulatedClock().now), release=release)
    if told is not None:
        fake.inject(
            Fault.wrong_json({"version_current": told}), when=lambda path, _query: path.endswith("version/"), times=None
        )
    report = asyncio.run(connect(fake, "none", SimulatedClock()).health_check())
    (users,) = (check for check in report.checks if check.check is CheckName.USERS)
    assert users.code == "no_permission_users"
    return users


@pytest.mark.parametrize("release", RELEASES)
def test_the_health_check_tells_the_labels_of_the_release_it_found(release: str) -> None:
    """A missing permission is granted by the button of every release, and the role given in the way of this one."""
    users = _users(release)
    assert f"'{ASSIGN_PERMISSION}'" in users.remedy
    since = RELEASES[release].user_roles
    assert ("on the role's page under Users" in users.remedy) == since
    assert ("into a group that has it" in users.remedy) == (not since)
    assert "2025.12" not in users.remedy


def test_the_health_check_of_a_release_it_cannot_read_tells_both() -> None:
    """Where the release is not known, the way of every release is told."""
    assert GIVE_ROLE.both in _users("2025.12", told="nightly").remedy


@pytest.mark.parametrize("code", ["partial_visibility", "visibility_unproven"])
def test_the_findings_of_visibility_name_the_button(code: str) -> None:
    """What to press is named as authentik names it."""
    assert f"'{ASSIGN_PERMISSION}'" in FINDINGS[code]
    assert "Assign global permission" not in FINDINGS[code]


def test_the_guide_has_the_labels_of_every_release() -> None:
    """The steps to connect name both buttons for the account, and the one for permissions."""
    steps = read("docs/how-to/connect.md")
    for label in (NEW_SERVICE_ACCOUNT.before, NEW_SERVICE_ACCOUNT.after):
        assert f"{label.strip(chr(39))}**" in steps
    assert f"Permissions > {ASSIGN_PERMISSION}**" in steps
    assert "Assign global" not in steps
