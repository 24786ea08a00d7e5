"""The health check: every finding by its code, over the fake in process; never an exception, never a false pass."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from openlane_authentik import AuthentikIntegration, HealthReport, UserInput, parse_credential
from openlane_authentik.operations.health_report import FINDINGS, CheckName, CheckStatus, HealthStatus
from openlane_authentik.testing import Directory, FakeAuthentik, Fault
from tests.support import START, SimulatedClock, connect

_FOR_ACCOUNTS = UserInput(disable_group_sync=True)
_NOT_PROVIDED = '{"detail": "Authentication credentials were not provided."}'
_NO_PERMISSION = '{"detail": "You do not have permission to perform this action."}'


def _fake(release: str = "2025.12", ahead: timedelta = timedelta()) -> FakeAuthentik:
    directory = Directory.generate(users=40, groups=5, seed=5, clock=lambda: START + ahead)
    return FakeAuthentik(directory, release=release)


def _checked(fake: FakeAuthentik, kind: str = "viewer", user_input: UserInput | None = None) -> HealthReport:
    return asyncio.run(connect(fake, kind, SimulatedClock()).health_check(user_input))


def _faulty(fault: Fault, at: str = "") -> HealthReport:
    fake = _fake()
    fake.inject(fault, when=lambda path, _query: path.endswith(at), times=None)
    return _checked(fake)


def _page(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"pagination": {"next": 0, "count": len(rows), "total_pages": 1}, "results": list(rows)}


def _expiring(**changes: Any) -> HealthReport:
    fake = _fake()
    fake.token("viewer")
    row = {"user": fake.tokens.account("viewer"), "intent": "api", "expiring": True, **changes}
    fake.inject(Fault.wrong_json(_page(row)), when=lambda path, _query: path.endswith("core/tokens/"))
    return _checked(fake)


def _all_seen_by_objects() -> HealthReport:
    fake = _fake("2025.8")
    fake.token("object_level", visible_users=fake.directory.users, visible_groups=fake.directory.groups)
    fake.token("object_level", visible_users=fake.directory.users, visible_groups=fake.directory.groups)
    return _checked(fake, "object_level")


def _soon() -> HealthReport:
    fake = _fake()
    fake.token("viewer", identifier="another", expires=timedelta(days=6))
    return _checked(fake)


def _without_header() -> HealthReport:
    fake = _fake()
    fake.inject(
        Fault.status(403, body=_NOT_PROVIDED),
        when=lambda path, _: not path.endswith("core/brands/current/"),
        times=None,
    )
    return _checked(fake)


def _slow() -> HealthReport:
    clock = SimulatedClock()
    fake = FakeAuthentik(Directory.generate(users=5, groups=1, clock=clock.now), sleep=clock.sleep)
    fake.inject(Fault.slow(3600), times=None)
    return asyncio.run(connect(fake, clock=clock).health_check())


# code -> how it comes about, the check it stands under, the exit code
_FINDINGS: dict[str, tuple[Callable[[], HealthReport], CheckName, int]] = {
    "connection_failed": (lambda: _faulty(Fault.reset()), CheckName.CONNECTION, 75),
    "broken_answer": (lambda: _faulty(Fault.cut_body()), CheckName.CONNECTION, 75),
    "request_timeout": (_slow, CheckName.CONNECTION, 75),
    "rate_limited": (lambda: _faulty(Fault.status(429, retry_after=1)), CheckName.CONNECTION, 75),
    "server_failed": (lambda: _faulty(Fault.status(500)), CheckName.CONNECTION, 75),
    "server_unavailable": (lambda: _faulty(Fault.status(503)), CheckName.CONNECTION, 75),
    "answer_too_large": (lambda: _faulty(Fault.bomb()), CheckName.CONNECTION, 75),
    "not_authentik": (lambda: _faulty(Fault.html()), CheckName.AUTHENTIK, 78),
    "redirected": (lambda: _faulty(Fault.redirect("https://login.example/")), CheckName.AUTHENTIK, 78),
    "proxy_login": (lambda: _faulty(Fault.status(401)), CheckName.AUTHENTIK, 78),
    "parameter_refused": (
        lambda: _faulty(Fault.status(400, body='{"page_size": ["no"]}'), "core/users/"),
        CheckName.AUTHENTIK,
        78,
    ),
    "unexpected_answer": (lambda: _faulty(Fault.status(451)), CheckName.AUTHENTIK, 78),
    "token_missing": (_without_header, CheckName.TOKEN, 77),
    "token_rejected": (lambda: _checked(_fake(), "wrong"), CheckName.TOKEN, 77),
    "release_too_old": (
        lambda: _faulty(Fault.wrong_json({"version_current": "2023.8.3"}), "admin/version/"),
        CheckName.RELEASE,
        78,
    ),
    "release_unknown": (
        lambda: _faulty(Fault.wrong_json({"version_current": "nightly"}), "admin/version/"),
        CheckName.RELEASE,
        0,
    ),
    "clock_skew": (lambda: _checked(_fake(ahead=timedelta(minutes=10))), CheckName.CLOCK, 0),
    "no_permission_users": (lambda: _checked(_fake(), "view_group_only"), CheckName.USERS, 77),
    "no_permission_groups": (lambda: _checked(_fake(), "view_user_only"), CheckName.GROUPS, 77),
    "partial_sight": (lambda: _checked(_fake(), "object_level"), CheckName.SIGHT, 77),
    "sight_unproven": (_all_seen_by_objects, CheckName.SIGHT, 75),
    "token_expires_soon": (_soon, CheckName.TOKEN_EXPIRY, 0),
    "tokens_unseen": (
        lambda: _faulty(Fault.status(403, body=_NO_PERMISSION), "core/tokens/"),
        CheckName.TOKEN_EXPIRY,
        0,
    ),
}


def test_every_finding_has_a_case_here() -> None:
    """No finding is left without a test of how it comes about."""
    assert set(FINDINGS) <= set(_FINDINGS)


@pytest.mark.parametrize("code", _FINDINGS)
def test_a_finding_has_its_code_its_remedy_and_its_place(code: str) -> None:
    """What is wrong is told under its check by a stable code, with what was seen and what to do; the exit code fits."""
    come_about, name, exit_code = _FINDINGS[code]
    report = come_about()
    found = {check.check: check for check in report.checks if check.code == code}
    assert list(found) == [name], [check.code for check in report.checks]
    assert found[name].status in (CheckStatus.FAIL, CheckStatus.WARN)
    assert found[name].seen
    assert found[name].remedy.endswith(".")
    assert report.status is HealthStatus.NEEDS_ATTENTION
    assert report.exit_code == exit_code
    assert [check.check for check in report.checks] == list(CheckName)


@pytest.mark.parametrize("kind", ["viewer", "viewer_plus", "viewer_via_group", "superuser"])
@pytest.mark.parametrize("release", ["2025.12", "2026.2"])
def test_a_token_that_sees_everything_is_healthy(kind: str, release: str) -> None:
    """With the global permissions, by a role or a group's role or as superuser, every check passes."""
    report = _checked(_fake(release), kind)
    assert (report.status, report.exit_code) == (HealthStatus.HEALTHY, 0)
    assert {check.code for check in report.checks} == {"ok"}
    assert report.username == f"it-{kind}"
    assert isinstance(report.pk, int)
    assert report.email is not None


@pytest.mark.parametrize("release", ["2023.10", "2024.4", "2025.4", "2025.8", "2025.12", "2026.2"])
@pytest.mark.parametrize(
    "kind",
    [
        "none",
        "internal_sa_none",
        "object_level",
        "view_group_only",
        "view_user_only",
        "wrong",
        "expired",
        "inactive",
        "app_password",
    ],
)
def test_a_token_that_cannot_see_the_directory_never_passes(kind: str, release: str) -> None:
    """For a token that is not let in, or sees nothing or a part, no release gives a healthy report or exit code 0."""
    report = _checked(_fake(release), kind)
    assert report.status is HealthStatus.NEEDS_ATTENTION
    assert report.exit_code in (75, 77)


@pytest.mark.parametrize("kind", ["wrong", "expired", "app_password", "inactive"])
def test_four_refusals_are_one_code_that_names_all_four(kind: str) -> None:
    """Authentik answers alike for four reasons, so there is one code, and its remedy names every reason."""
    checks = {check.check: check for check in _checked(_fake(), kind).checks}
    assert checks[CheckName.TOKEN].code == "token_rejected"
    for word in ("copied whole", "expired", "App password", "active"):
        assert word in checks[CheckName.TOKEN].remedy
    assert checks[CheckName.CONNECTION].status is checks[CheckName.AUTHENTIK].status is CheckStatus.PASS
    assert checks[CheckName.USERS].status is CheckStatus.SKIPPED


def test_without_groups_their_permission_does_not_matter() -> None:
    """With group sync switched off a token that may view users alone is healthy; groups are skipped."""
    report = _checked(_fake(), "view_user_only", _FOR_ACCOUNTS)
    assert (report.status, report.exit_code) == (HealthStatus.HEALTHY, 0)
    (groups,) = (check for check in report.checks if check.check is CheckName.GROUPS)
    assert groups.status is CheckStatus.SKIPPED


def test_partial_sight_shows_also_where_the_release_tells_no_roles() -> None:
    """Before 2025.12 groups that name more users than the token sees give object-level sight away."""
    codes = {check.code for check in _checked(_fake("2025.8"), "object_level").checks}
    assert "partial_sight" in codes


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": None},
        {"expires": "soon"},
        {"expires": 7},
        {},
        {"expires": "2026-03-02T12:00:00", "expiring": "yes"},
        {"expires": "2026-03-02T12:00:00Z", "expiring": False},
        {"expires": "2026-03-02T12:00:00Z", "intent": "app_password"},
        {"expires": "2026-03-02T12:00:00Z", "user": 999_999},
    ],
)
def test_what_is_no_expiring_api_token_of_the_account_is_no_warning(changes: dict[str, Any]) -> None:
    """Other intents, other accounts, tokens that last and expiries that are no date are passed over."""
    assert _expiring(**changes).status is HealthStatus.HEALTHY


def test_an_expiry_without_an_offset_is_no_traceback() -> None:
    """An expiry that does not say its offset is read as UTC or passed over; the check comes to its end."""
    assert _expiring(expires="2026-03-02T12:00:00").checks


@pytest.mark.parametrize("days", [-1, 0, 7])
def test_an_expiry_within_seven_days_is_told(days: int) -> None:
    """The earliest expiring API token of the account counts, seven days included."""
    ends = (START + timedelta(days=days)).astimezone(UTC)
    report = _expiring(expires=ends.isoformat())
    assert report.checks[-1].code == "token_expires_soon"
    assert f"{ends:%Y-%m-%d %H:%M}" in report.checks[-1].seen


@pytest.mark.parametrize(
    "fault",
    [
        Fault.redirect("http://[oops"),
        Fault.status(404, body="[" * 100_000),
        Fault.status(403, body="[" * 100_000),
        Fault.wrong_json([]),
        Fault.wrong_json("text"),
        Fault.wrong_json({"user": {"pk": "7"}}),
        Fault.wrong_json({"pagination": {}, "results": {}}),
        Fault.truncated_json(),
        Fault.dropped(),
        Fault.status(429, retry_after=datetime(9999, 12, 31, tzinfo=UTC)),
    ],
    ids=lambda fault: fault.kind,
)
@pytest.mark.parametrize("at", ["users/me/", "admin/version/", "core/users/", "core/groups/", "core/tokens/"])
def test_whatever_goes_wrong_is_a_finding(fault: Fault, at: str) -> None:
    """No answer, however broken and to whichever request, makes the health check raise."""
    report = _faulty(fault, at)
    assert len(report.checks) == len(CheckName)
    assert all(check.remedy for check in report.checks if check.status in (CheckStatus.FAIL, CheckStatus.WARN))


def test_the_health_check_never_asks_for_what_echoes_the_token() -> None:
    """No request goes to ``admin/system/``, and all are GETs."""
    fake = _fake()
    for kind in ("viewer", "superuser", "object_level", "none"):
        _checked(fake, kind)
    assert not fake.violations
    assert not [request for request in fake.requests if "system" in request.path]


def test_the_token_goes_to_no_other_address() -> None:
    """A redirect is not followed: one request, and none to where it points."""
    asked: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://evil.example/"})

    credential = parse_credential({"baseUrl": "https://auth.example.com", "token": "t"})
    integration = AuthentikIntegration(credential, clock=SimulatedClock(), transport=httpx.MockTransport(redirect))
    asyncio.run(integration.health_check())
    assert set(asked) == {"auth.example.com"}
