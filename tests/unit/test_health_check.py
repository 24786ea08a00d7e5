"""The health check: every finding by its code, over the fake in process; never an exception, never a false pass."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from openlane_authentik import AuthentikIntegration, HealthReport, UserInput, parse_credential
from openlane_authentik.operations.health_report import FINDINGS, Check, CheckName, CheckStatus, HealthStatus
from openlane_authentik.testing import Directory, FakeAuthentik, Fault
from openlane_authentik.testing.answers import Answer
from openlane_authentik.testing.faults import Outcome
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


def _tell_date(fake: FakeAuthentik, date: datetime) -> None:
    """Let every answer carry this ``Date``, as a proxy in front would write it."""

    def told(answer: Answer) -> Outcome:
        return Outcome(replace(answer, extra={"date": format_datetime(date, usegmt=True)}))

    fake.inject(Fault("dated", told), times=None)


def _big(release: str = "2025.12") -> FakeAuthentik:
    return FakeAuthentik(Directory.generate(users=120, groups=20, seed=5, clock=lambda: START), release=release)


def _visibility(fake: FakeAuthentik, kind: str) -> Check:
    (check,) = (check for check in _checked(fake, kind).checks if check.check is CheckName.VISIBILITY)
    return check


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
    "partial_visibility": (lambda: _checked(_fake(), "object_level"), CheckName.VISIBILITY, 77),
    "visibility_unproven": (_all_seen_by_objects, CheckName.VISIBILITY, 75),
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


def test_partial_visibility_shows_also_where_the_release_tells_no_roles() -> None:
    """Before 2025.12 groups that name more users than the token sees give object-level visibility away."""
    codes = {check.code for check in _checked(_fake("2025.8"), "object_level").checks}
    assert "partial_visibility" in codes


@pytest.mark.parametrize("kind", ["view_group_only", "none", "wrong", "expired", "inactive"])
@pytest.mark.parametrize(("minutes", "code"), [(0, "ok"), (10, "clock_skew"), (-10, "clock_skew")])
def test_the_clock_is_checked_by_any_answer_of_authentik(kind: str, minutes: int, code: str) -> None:
    """A refusal has a ``Date`` too: the clocks are compared although users, or the token itself, are refused."""
    fake = _fake()
    _tell_date(fake, START + timedelta(minutes=minutes))
    checks = {check.check: check for check in _checked(fake, kind).checks}
    assert checks[CheckName.USERS].status is not CheckStatus.PASS
    assert checks[CheckName.CLOCK].code == code


def test_who_is_no_authentik_has_no_say_about_the_clock() -> None:
    """The ``Date`` of a page of HTML is that of whatever stands there."""
    (clock,) = (check for check in _faulty(Fault.html()).checks if check.check is CheckName.CLOCK)
    assert clock.status is CheckStatus.SKIPPED


@pytest.mark.parametrize("release", ["2025.12", "2026.2"])
def test_a_part_is_told_by_how_many_of_how_many(release: str) -> None:
    """Visibility by objects: how many users can be seen and how many groups name; how many groups more users name."""
    fake = _big(release)
    check = _visibility(fake, "object_level")
    named = {user for pk in fake.directory.groups for user in fake.directory.raw_group(pk)["users"]}
    assert check.code == "partial_visibility"
    assert re.search(r"only a part of the users \(25 can be seen, groups name \d+, \d+ of them unseen\)", check.seen)
    assert re.search(r"only a part of the groups \(7 can be seen, users name \d+ more\)", check.seen)
    assert int(re.findall(r"groups name (\d+)", check.seen)[0]) <= len(named)
    assert "'Can view User' and 'Can view Group'" in check.remedy


def test_members_are_counted_over_all_pages_of_groups() -> None:
    """The members of a group on the third page count, each once, also by thousands."""
    directory = Directory.generate(users=1500, groups=250, seed=5, clock=lambda: START)
    fake = FakeAuthentik(directory, release="2025.12")
    fake.token("object_level", visible_groups=directory.groups)
    fake.token("object_level", visible_groups=directory.groups)
    named = {user for pk in directory.groups for user in directory.raw_group(pk)["users"]}
    assert len(named) > 1000
    assert f"(25 can be seen, groups name {len(named):,}, " in _visibility(fake, "object_level").seen


@pytest.mark.parametrize(
    ("permissions", "of_users", "of_groups", "missing"),
    [
        (("view_user",), "all users", "only a part of the groups (7 can be seen", "'Can view Group'"),
        (("view_group",), "only a part of the users (25 can be seen", "all groups", "'Can view User'"),
    ],
)
def test_the_one_that_is_partial_is_told_apart(
    permissions: tuple[str, ...], of_users: str, of_groups: str, missing: str
) -> None:
    """Where one list is seen whole and the other in part, both are said, and the one that is missing is asked for."""
    fake = _big()
    fake.token("object_level")
    fake.tokens.permit("object_level", *permissions)
    check = _visibility(fake, "object_level")
    assert check.code == "partial_visibility"
    assert of_users in check.seen
    assert of_groups in check.seen
    (other,) = {"'Can view User'", "'Can view Group'"} - {missing}
    assert missing in check.remedy
    assert other not in check.remedy


def test_visibility_of_users_is_told_although_groups_are_refused() -> None:
    """What can be listed is looked at: the permission on users is there, and that on groups is missing."""
    checks = {check.check: check for check in _checked(_fake(), "view_user_only").checks}
    assert checks[CheckName.GROUPS].code == "no_permission_groups"
    assert (checks[CheckName.VISIBILITY].code, checks[CheckName.VISIBILITY].seen) == ("ok", "the token sees all users")


def test_a_partial_list_of_groups_shows_where_the_release_tells_no_roles() -> None:
    """Before 2025.12 users that name groups which the list lacks give visibility of single groups away."""
    fake = _big("2025.8")
    fake.token("object_level", visible_users=fake.directory.users)
    fake.token("object_level", visible_users=fake.directory.users)
    check = _visibility(fake, "object_level")
    assert check.code == "partial_visibility"
    assert re.search(
        r"perhaps not all users .* only a part of the groups \(7 can be seen, users name \d+ more\)", check.seen
    )


def test_who_joins_while_it_is_looked_is_no_sign_of_a_part() -> None:
    """A user made between the reading of users and that of groups is missing once, not twice: unproven stays."""
    fake = _big("2025.8")
    for _ in range(2):
        fake.token("object_level", visible_users=fake.directory.users, visible_groups=fake.directory.groups)
    group = next(iter(fake.directory.groups))

    def join(path: str, query: Any) -> bool:
        if (
            path.endswith("core/groups/")
            and query.get("page")
            and not any(user["username"] == "late" for user in fake.directory.users.values())
        ):
            fake.directory.add_member(group, fake.directory.create_user(username="late"))
            fake.token("object_level", visible_users=fake.directory.users)
        return False

    fake.inject(Fault.html(), when=join, times=None)
    check = _visibility(fake, "object_level")
    assert any(user["username"] == "late" for user in fake.directory.users.values())
    assert check.code == "visibility_unproven"


@pytest.mark.parametrize("fault", [Fault.status(503), Fault.status(500), Fault.reset()], ids=lambda fault: fault.kind)
def test_a_part_is_told_although_it_cannot_be_counted(fault: Fault) -> None:
    """What the roles show stands, whether or not the numbers can be read."""
    fake = _big()
    fake.token("object_level")
    fake.inject(fault, when=lambda path, query: path.endswith("core/groups/") and "page" in query, times=None)
    report = _checked(fake, "object_level")
    assert report.exit_code == 77
    (check,) = (check for check in report.checks if check.check is CheckName.VISIBILITY)
    assert check.seen == (
        "the token sees only a part of the users (25 can be seen) and only a part of the groups (7 can be seen)"
    )


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


@pytest.mark.parametrize("days", [0, 1, 7])
def test_an_expiry_within_seven_days_is_told(days: int) -> None:
    """The one API token of the account that has not expired is the one in use; seven days are included."""
    ends = (START + timedelta(days=days)).astimezone(UTC)
    report = _expiring(expires=ends.isoformat())
    assert report.checks[-1].code == "token_expires_soon"
    assert report.checks[-1].seen == f"the API token in use expires at {ends:%Y-%m-%d %H:%M} UTC"


@pytest.mark.parametrize("ago", [timedelta(seconds=1), timedelta(minutes=5), timedelta(days=1), timedelta(days=9000)])
@pytest.mark.parametrize("release", ["2025.12", "2026.2"])
def test_a_token_that_has_expired_is_not_the_one_in_use(ago: timedelta, release: str) -> None:
    """What is listed and has expired, however short ago, is not warned of: the one in use has just worked."""
    fake = _fake(release)
    fake.token("viewer", identifier="old", expires=-ago)
    report = _checked(fake)
    assert report.status is HealthStatus.HEALTHY
    assert re.fullmatch(r"the API token in use expires at \d{4}-\d\d-\d\d", report.checks[-1].seen)


def test_when_all_that_is_listed_has_expired_nothing_is_said_of_the_one_in_use() -> None:
    """A list without a token that may be in use is told as that, and is no warning of the tokens on it."""
    report = _expiring(expires=(START - timedelta(days=1)).isoformat())
    assert report.status is HealthStatus.HEALTHY
    assert report.checks[-1].seen == "authentik lists no API token of the account that is still valid"


def test_tokens_that_are_plainly_not_in_use_do_not_count() -> None:
    """App passwords, tokens of other accounts and expired ones leave the one in use the only one."""
    fake = _fake()
    fake.token("superuser", expires=timedelta(days=3))
    fake.token("app_password", expires=timedelta(days=1))
    fake.token("viewer", expires=timedelta(days=2))
    fake.token("viewer", identifier="in-use", expires=timedelta(days=90))
    fake.token("superuser", identifier="old", expires=timedelta(days=-3))
    soon = _checked(fake, "superuser").checks[-1]
    assert (soon.code, soon.seen) == ("token_expires_soon", "the API token in use expires at 2026-03-04 12:00 UTC")


@pytest.mark.parametrize(
    ("others", "code", "seen"),
    [
        ([90], "ok", "one of 2 API tokens of the account expires at 2026-05-30, the last at 2026-09-17; "),
        ([2], "token_expires_soon", "expires at 2026-03-03 12:00 UTC, the last at 2026-09-17 12:00 UTC; "),
        ([2, 5, -1], "token_expires_soon", "one of 3 API tokens of the account expires at 2026-03-03 12:00 UTC"),
    ],
)
def test_of_several_tokens_the_first_and_the_last_end_are_told(others: list[int], code: str, seen: str) -> None:
    """Which of several is in use cannot be told, and that is said; one of them ending soon is a warning."""
    fake = _fake()
    fake.token("viewer", expires=timedelta(days=200))
    for days in others:
        fake.token("viewer", identifier=f"another-{days}", expires=timedelta(days=days))
    check = _checked(fake).checks[-1]
    assert check.code == code
    assert seen in check.seen
    assert check.seen.endswith("which is in use cannot be told")
    assert ("Delete those" in check.remedy) == (code != "ok")


def test_a_token_that_lasts_may_be_the_one_in_use() -> None:
    """A token without an expiry counts among those that may be in use."""
    fake = _fake()
    fake.token("viewer", expires=timedelta(days=3))
    fake.token("viewer", identifier="lasts", expiring=False)
    seen = _checked(fake).checks[-1].seen
    assert "one of 2 API tokens of the account expires at 2026-03-04 12:00 UTC, 1 never" in seen


@pytest.mark.parametrize("minutes_ahead", [-6_000_000, -10, 10, 6_000_000])
@pytest.mark.parametrize(
    ("days", "warned"), [(-1, False), (0.1, True), (3, True), (90, False)], ids=["past", "hours", "days", "months"]
)
def test_a_date_that_is_a_proxys_does_not_hide_and_does_not_invent_an_expiry(
    minutes_ahead: int,
    days: float,
    warned: bool,  # noqa: FBT001 - a case
) -> None:
    """Whatever ``Date`` says, what ends soon by this machine's clock is told, and nothing that ended or lasts."""
    fake = _fake()
    fake.token("viewer", expires=START + timedelta(days=200))
    fake.token("viewer", identifier="another", expires=START + timedelta(days=days))
    _tell_date(fake, START + timedelta(minutes=minutes_ahead))
    checks = {check.check: check for check in _checked(fake).checks}
    assert (checks[CheckName.TOKEN_EXPIRY].code == "token_expires_soon") == warned
    assert checks[CheckName.CLOCK].code == "clock_skew"


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
