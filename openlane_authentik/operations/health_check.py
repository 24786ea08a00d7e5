"""HealthCheck: what is wrong between here and a sync that can prove its sets, and what to do about it.

It never calls ``admin/system/``, which echoes the Authorization header.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import Page, PageSize, read_page
from openlane_authentik.authentik.releases import OLDEST_SUPPORTED, Release
from openlane_authentik.directory.groups import GROUPS
from openlane_authentik.directory.keyset import USERS
from openlane_authentik.directory.sight import Extent, Me, read_me, read_sight
from openlane_authentik.errors import (
    CredentialError,
    EndpointError,
    IntegrationError,
    PermissionDeniedError,
    ReleaseTooOldError,
    TlsError,
    TryAgainError,
)
from openlane_authentik.log import get_logger
from openlane_authentik.operations.health_report import (
    Check,
    CheckName,
    CheckStatus,
    HealthReport,
    HealthStatus,
    failed,
    passed,
    refused,
    skipped,
    warned,
)
from openlane_authentik.operations.version import read_release

EXPIRY_NOTICE: Final = timedelta(days=7)
TOLERATED_SKEW: Final = timedelta(minutes=2)
_MOST_TOKEN_PAGES: Final = 10
_EXIT_CODES: Final = {"partial_sight": 77, "sight_unproven": 75}

_log = get_logger()


class HealthCheck:
    """One health check."""

    def __init__(self, client: AuthentikClient, *, with_groups: bool) -> None:
        self._client = client
        self._with_groups = with_groups
        self._checks: dict[CheckName, Check] = {}
        self._exit_code = 0
        self._me: Me | None = None
        self._release: Release | None = None
        self._server_time: datetime | None = None
        self._users = 0

    async def run(self) -> HealthReport:
        """Make every check that can be made, and report; what is wrong is a finding, never an exception."""
        if await self._guarded(CheckName.CONNECTION, self._let_in):
            await self._guarded(CheckName.RELEASE, self._recent_enough)
            sees_users = await self._guarded(CheckName.USERS, self._may_list_users)
            sees_groups = self._with_groups and await self._guarded(CheckName.GROUPS, self._may_list_groups)
            self._clocks_agree()
            if sees_users and (sees_groups or not self._with_groups):
                await self._guarded(CheckName.SIGHT, self._sees_everything)
            await self._guarded(CheckName.TOKEN_EXPIRY, self._token_lasts)
        report = self._report()
        _log.info("health checked", status=report.status, codes=[check.code for check in report.checks])
        return report

    async def _guarded(self, name: CheckName, check: Callable[[], Awaitable[None]]) -> bool:
        try:
            await check()
        except IntegrationError as error:
            self._fail(_room_of(error, name), error)
            return False
        return True

    def _fail(self, name: CheckName, error: IntegrationError) -> None:
        # What failed at a later check was fine at the earlier ones.
        for earlier in (CheckName.CONNECTION, CheckName.AUTHENTIK):
            if name in (CheckName.AUTHENTIK, CheckName.TOKEN) and earlier is not name:
                self._checks.setdefault(earlier, passed(earlier, f"{self._client.host} answers"))
        self._checks[name] = refused(name, error)
        self._exit_code = self._exit_code or error.exit_code

    def _note(self, check: Check) -> None:
        self._checks[check.check] = check
        if check.status in (CheckStatus.FAIL, CheckStatus.WARN):
            self._exit_code = self._exit_code or _EXIT_CODES.get(check.code, 0)

    async def _let_in(self) -> None:
        self._me = await read_me(self._client)
        self._note(passed(CheckName.CONNECTION, f"{self._client.host} answers"))
        self._note(passed(CheckName.AUTHENTIK, "an authentik API answers"))
        self._note(passed(CheckName.TOKEN, f"let in as {self._me.username}"))

    async def _recent_enough(self) -> None:
        self._release = await read_release(self._client)
        if self._release is None:
            self._note(warned(CheckName.RELEASE, "release_unknown", "a release this package cannot read"))
        elif self._release < OLDEST_SUPPORTED:
            raise ReleaseTooOldError(f"this is authentik {self._release.text}")
        else:
            self._note(passed(CheckName.RELEASE, f"authentik {self._release.text}"))

    async def _may_list_users(self) -> None:
        page = await self._first_of(USERS)
        self._users, self._server_time = page.count, page.date
        self._note(passed(CheckName.USERS, f"{page.count} users can be seen"))

    async def _may_list_groups(self) -> None:
        page = await self._first_of(GROUPS)
        self._note(passed(CheckName.GROUPS, f"{page.count} groups can be seen"))

    async def _first_of(self, path: str) -> Page:
        return await read_page(self._client, path, {}, PageSize(1))

    def _clocks_agree(self) -> None:
        if self._server_time is None:
            self._note(skipped(CheckName.CLOCK, "the server told no time"))
            return
        skew = self._server_time - self._client.clock.now()
        seconds = round(skew.total_seconds())
        if abs(skew) > TOLERATED_SKEW:
            side = "ahead of" if seconds > 0 else "behind"
            self._note(warned(CheckName.CLOCK, "clock_skew", f"the server is {abs(seconds)} s {side} this machine"))
        else:
            self._note(passed(CheckName.CLOCK, "the clocks agree"))

    async def _sees_everything(self) -> None:
        if self._me is None:
            return
        sight = await read_sight(self._client, self._me, self._release)
        extents = [sight.users, sight.groups] if self._with_groups else [sight.users]
        if Extent.PARTIAL in extents:
            seen = f"only {self._users} users: the account has no role with the global permission"
            self._note(failed(CheckName.SIGHT, "partial_sight", seen))
        elif Extent.UNPROVEN not in extents:
            self._note(passed(CheckName.SIGHT, "the token sees the whole directory"))
        elif (named := await self._users_named_by_groups()) > self._users:
            seen = f"{self._users} users can be seen, but the first groups alone name {named}"
            self._note(failed(CheckName.SIGHT, "partial_sight", seen))
        else:
            seen = "this release does not tell whether the token sees the whole directory"
            self._note(warned(CheckName.SIGHT, "sight_unproven", seen))

    async def _users_named_by_groups(self) -> int:
        if not self._with_groups:
            return 0
        page = await read_page(self._client, GROUPS, {"include_users": "false"}, PageSize(100))
        return len({user for group in page.rows if isinstance(group.get("users"), list) for user in group["users"]})

    async def _token_lasts(self) -> None:
        if self._me is None:
            return
        try:
            ends = await self._own_token_ends(self._me.pk)
        except (PermissionDeniedError, EndpointError):
            self._note(warned(CheckName.TOKEN_EXPIRY, "tokens_unseen", "the account may not see its own tokens"))
            return
        now = self._server_time or self._client.clock.now()
        if not ends:
            self._note(passed(CheckName.TOKEN_EXPIRY, "no API token of the account expires"))
        elif min(ends) <= now + EXPIRY_NOTICE:
            seen = f"an API token of the account expires at {min(ends):%Y-%m-%d %H:%M} UTC"
            self._note(warned(CheckName.TOKEN_EXPIRY, "token_expires_soon", seen))
        else:
            seen = f"the account's next API token expires at {min(ends):%Y-%m-%d}"
            self._note(passed(CheckName.TOKEN_EXPIRY, seen))

    async def _own_token_ends(self, account: int) -> list[datetime]:
        """Give when the account's API tokens expire; several cannot be told apart, so the earliest counts."""
        ends: list[datetime] = []
        for number in range(1, _MOST_TOKEN_PAGES + 1):
            page = await read_page(self._client, "core/tokens/", {"page": number}, PageSize(100))
            ends += [end for row in page.rows if (end := _end_of(row, account)) is not None]
            if page.next != number + 1:
                break
        return ends

    def _report(self) -> HealthReport:
        checks = [self._checks.get(name) or self._unmade(name) for name in CheckName]
        healthy = all(check.status in (CheckStatus.PASS, CheckStatus.SKIPPED) for check in checks)
        return HealthReport(
            status=HealthStatus.HEALTHY if healthy else HealthStatus.NEEDS_ATTENTION,
            pk=self._me.pk if self._me else None,
            username=self._me.username if self._me else None,
            email=self._me.email if self._me else None,
            release=self._release.text if self._release else None,
            checks=checks,
            exit_code=self._exit_code,
        )

    def _unmade(self, name: CheckName) -> Check:
        if name is CheckName.GROUPS and not self._with_groups:
            return skipped(name, "groups are not synced")
        return skipped(name, "an earlier check failed")


def _room_of(error: IntegrationError, name: CheckName) -> CheckName:
    """Tell under which check an error belongs that came up while another was made."""
    match error:
        case TlsError() | TryAgainError():
            return CheckName.CONNECTION
        case PermissionDeniedError() | ReleaseTooOldError() if name is not CheckName.CONNECTION:
            return name
        case EndpointError():
            return CheckName.AUTHENTIK
        case CredentialError():
            return CheckName.TOKEN
        case _:
            return name


def _end_of(token: dict[str, Any], account: int) -> datetime | None:
    if token.get("user") != account or token.get("intent") != "api" or token.get("expiring") is not True:
        return None
    try:
        end = datetime.fromisoformat(token["expires"])
    except (KeyError, TypeError, ValueError):
        return None
    return end if end.tzinfo else end.replace(tzinfo=UTC)
