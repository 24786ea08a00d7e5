"""HealthCheck: what is wrong between here and a sync that can prove its sets, and what to do about it.

It never calls ``admin/system/``, which echoes the Authorization header.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import read_count
from openlane_authentik.authentik.releases import OLDEST_SUPPORTED, Release
from openlane_authentik.authentik.server_time import ServerTime
from openlane_authentik.directory.groups import GROUPS
from openlane_authentik.directory.keyset import USERS
from openlane_authentik.directory.visibility import Me, read_me, read_visibility
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
    of_release,
    passed,
    refused,
    skipped,
    warned,
)
from openlane_authentik.operations.health_tokens import read_candidates
from openlane_authentik.operations.health_visibility import check_visibility
from openlane_authentik.operations.version import read_release

TOLERATED_SKEW: Final = timedelta(minutes=2)
_EXIT_CODES: Final = {"partial_visibility": 77, "visibility_unproven": 75}

_log = get_logger()


class HealthCheck:
    """One health check.

    Args:
        client: Which authentik, by which token.
        server_time: What listens to the client's answers.
        with_groups: Whether groups are synced.
    """

    def __init__(self, client: AuthentikClient, server_time: ServerTime, *, with_groups: bool) -> None:
        self._client = client
        self._server_time = server_time
        self._with_groups = with_groups
        self._checks: dict[CheckName, Check] = {}
        self._exit_code = 0
        self._me: Me | None = None
        self._release: Release | None = None
        self._users: int | None = None
        self._groups: int | None = None

    async def run(self) -> HealthReport:
        """Make every check that can be made, and report; what is wrong is a finding, never an exception."""
        if await self._guarded(CheckName.CONNECTION, self._let_in):
            await self._guarded(CheckName.RELEASE, self._recent_enough)
            await self._guarded(CheckName.USERS, self._may_list_users)
            if self._with_groups:
                await self._guarded(CheckName.GROUPS, self._may_list_groups)
            if self._users is not None or self._groups is not None:
                await self._guarded(CheckName.VISIBILITY, self._sees_everything)
            await self._guarded(CheckName.TOKEN_EXPIRY, self._token_lasts)
        self._clocks_agree()
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
        self._users = await read_count(self._client, USERS, {})
        self._note(passed(CheckName.USERS, f"{self._users} users can be seen"))

    async def _may_list_groups(self) -> None:
        self._groups = await read_count(self._client, GROUPS, {})
        self._note(passed(CheckName.GROUPS, f"{self._groups} groups can be seen"))

    def _clocks_agree(self) -> None:
        """Compare the clocks by any answer of authentik, refusals included, and of nothing else."""
        authentik = self._checks.get(CheckName.AUTHENTIK)
        if authentik is None or authentik.status is not CheckStatus.PASS:
            return
        skew = self._server_time.skew
        if skew is None:
            self._note(skipped(CheckName.CLOCK, "the server told no time"))
        elif abs(skew) > TOLERATED_SKEW:
            seconds = round(skew.total_seconds())
            side = "ahead of" if seconds > 0 else "behind"
            seen = f"the server's clock is {abs(seconds)} s {side} the one where this check runs"
            self._note(warned(CheckName.CLOCK, "clock_skew", seen))
        else:
            self._note(passed(CheckName.CLOCK, "the clocks agree"))

    async def _sees_everything(self) -> None:
        if self._me is not None:
            visibility = await read_visibility(self._client, self._me, self._release)
            self._note(await check_visibility(self._client, visibility, users=self._users, groups=self._groups))

    async def _token_lasts(self) -> None:
        """Warn if a token expires soon that may be the one in use.

        It warns even if other tokens last longer: authentik does not tell which is in use, a token that runs out
        unannounced stops the evidence, and one that is not in use can be deleted.
        """
        if self._me is None:
            return
        try:
            candidates = await read_candidates(self._client, self._me.pk, self._server_time.told)
        except (PermissionDeniedError, EndpointError):
            self._note(warned(CheckName.TOKEN_EXPIRY, "tokens_unseen", "the account may not see its own tokens"))
            return
        if candidates.soon:
            self._note(warned(CheckName.TOKEN_EXPIRY, "token_expires_soon", candidates.told()))
        else:
            self._note(passed(CheckName.TOKEN_EXPIRY, candidates.told()))

    def _report(self) -> HealthReport:
        release = (self._release.year, self._release.month) if self._release else None
        checks = [of_release(self._checks.get(name) or self._unmade(name), release) for name in CheckName]
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
    """Return the check to which an error belongs, whichever check raised it."""
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
