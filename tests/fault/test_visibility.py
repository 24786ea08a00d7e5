"""A token that sees a part of the directory, or nothing of it, never says complete, and is told so."""

import asyncio
from pathlib import Path

import pytest

from openlane_authentik import IntegrationError, Schema
from openlane_authentik.testing import RELEASES, Directory, FakeAuthentik
from tests.support import SimulatedClock, connect, run_sync

RECORDED = Path(__file__).parent.parent / "recordings" / "directory"
BLIND = ["object_level", "internal_sa_none"]
FROM_2025_12 = [name for name, release in RELEASES.items() if release.user_roles]
BEFORE_2025_12 = [name for name, release in RELEASES.items() if not release.user_roles]


def recorded(release: str) -> FakeAuthentik:
    """The recorded directory, as one release tells it."""
    return FakeAuthentik(Directory.from_folder(RECORDED), release=release)


@pytest.mark.parametrize("release", FROM_2025_12)
@pytest.mark.parametrize("kind", BLIND)
def test_a_token_of_partial_visibility_never_says_complete(kind: str, release: str) -> None:
    """No set is complete, the reason is partial visibility, and the exit code that of a token to be changed."""
    run, sink = asyncio.run(run_sync(recorded(release), kind=kind, clock=SimulatedClock()))
    assert run.exit_code == 77
    assert set(sink.closings) == set(Schema)
    for closing in sink.closings.values():
        assert not closing.snapshot_complete
        assert "partial_visibility" in closing.reasons
    assert "partial_visibility" in {warning.code for warning in run.warnings}


@pytest.mark.parametrize("release", BEFORE_2025_12)
@pytest.mark.parametrize("kind", BLIND)
def test_before_roles_are_told_such_a_token_is_at_least_unproven(kind: str, release: str) -> None:
    """A release that does not tell the roles of an account leaves its visibility unproven, and no set complete."""
    run, sink = asyncio.run(run_sync(recorded(release), kind=kind, clock=SimulatedClock()))
    assert run.exit_code in {75, 77}
    for closing in sink.closings.values():
        assert not closing.snapshot_complete
        assert {"partial_visibility", "visibility_unproven"} & set(closing.reasons)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", BLIND)
def test_the_health_report_says_why(kind: str, release: str) -> None:
    """The check of visibility does not pass, names what is seen, and what to do."""
    report = asyncio.run(connect(recorded(release), kind, SimulatedClock()).health_check())
    check = next(check for check in report.checks if check.check == "visibility")
    assert report.status == "needs attention"
    assert report.exit_code in {75, 77}
    assert check.code == "partial_visibility" or (release in BEFORE_2025_12 and check.code == "visibility_unproven")
    assert "Can view User" in check.remedy
    if release in FROM_2025_12:
        assert (check.code, report.exit_code) == ("partial_visibility", 77)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", ["viewer", "viewer_plus", "viewer_via_group", "superuser"])
def test_a_token_that_sees_everything_says_complete(kind: str, release: str) -> None:
    """What takes the right to say complete away from others does not take it from these."""
    run, sink = asyncio.run(run_sync(FakeAuthentik(release=release), kind=kind, clock=SimulatedClock()))
    assert run.exit_code == 0
    assert all(closing.snapshot_complete for closing in sink.closings.values())


@pytest.mark.parametrize("nth", range(1, 24))
def test_visibility_lost_during_the_run_is_noticed(nth: int) -> None:
    """Whenever the permission is taken away for good, the run fails as a matter of the token, or proves nothing."""
    fake = FakeAuthentik(Directory.generate(60, 9), release="2026.2")
    fake.token("viewer")
    fake.before(nth, lambda _: fake.tokens.permit("viewer"))
    try:
        run, sink = asyncio.run(run_sync(fake, clock=SimulatedClock()))
    except IntegrationError as error:
        assert error.exit_code == 77  # noqa: PT017 - either way is right
    else:
        # What is taken away after the last look at it was there while everything was read.
        last_look = max(request.number for request in fake.requests if request.path.endswith("/me/")) + 1
        assert (run.exit_code == 77) or nth > last_look
        assert nth > last_look or not any(closing.snapshot_complete for closing in sink.closings.values())
