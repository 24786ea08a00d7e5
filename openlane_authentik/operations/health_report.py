"""What a health check found: each check with a stable code, what was seen, and what to do."""

from enum import StrEnum
from typing import Final

import msgspec

from openlane_authentik.errors import IntegrationError


class CheckName(StrEnum):
    """What is checked, in this order."""

    CONNECTION = "connection"
    AUTHENTIK = "authentik"
    TOKEN = "token"  # noqa: S105 - the name of a check
    RELEASE = "release"
    CLOCK = "clock"
    USERS = "users"
    GROUPS = "groups"
    SIGHT = "sight"
    TOKEN_EXPIRY = "token_expiry"  # noqa: S105 - the name of a check


class CheckStatus(StrEnum):
    """How a check came out; ``skipped`` when an earlier one left nothing to look at."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


class HealthStatus(StrEnum):
    """The whole in two words."""

    HEALTHY = "healthy"
    NEEDS_ATTENTION = "needs attention"


class Check(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One check.

    Attributes:
        check: What was checked.
        status: How it came out.
        code: ``ok``, ``skipped``, or the stable code of what is wrong; forms and alerts key on it.
        seen: What was found.
        remedy: What to do, and on which page of authentik; empty when nothing.
    """

    check: CheckName
    status: CheckStatus
    code: str
    seen: str
    remedy: str = ""


class HealthReport(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The result of a HealthCheck.

    Attributes:
        status: ``healthy`` only when every check that applies has passed.
        pk, username, email: The token's own account; None when it was not let in.
        release: Of the authentik, if it said.
        checks: One by one, in the order of ``CheckName``.
        exit_code: 0 when nothing stands in the way of a sync that proves its sets; 75 try again, 77 credentials, 78
            configuration.
    """

    status: HealthStatus
    pk: int | None
    username: str | None
    email: str | None
    release: str | None
    checks: list[Check]
    exit_code: int


# Findings of a health check that are no errors: code -> what to do.
FINDINGS: Final = {
    "release_unknown": "Nothing, if syncs succeed: they then use only what every release since 2023.10 can do.",
    "clock_skew": "Set the clocks of this machine and of authentik's server by NTP; times in the records depend on "
    "them.",
    "partial_sight": "In authentik under Directory > Roles give a role of the token's account the global permissions "
    "'Can view User' and 'Can view Group': now it has none, or only for single objects.",
    "sight_unproven": "In authentik put the token's account into a group, and give that group a role with the global "
    "permissions 'Can view User' and 'Can view Group' (Directory > Roles); from 2025.12 on a role of the account "
    "itself is enough.",
    "token_expires_soon": "In authentik under Directory > Tokens and App passwords extend the token's expiry, or "
    "create a new one and set it here.",
    "tokens_unseen": "Look the expiry up in authentik under Directory > Tokens and App passwords.",
}


def passed(check: CheckName, seen: str) -> Check:
    """Give a check that found nothing wrong."""
    return Check(check=check, status=CheckStatus.PASS, code="ok", seen=seen)


def skipped(check: CheckName, seen: str) -> Check:
    """Give a check that could not or need not be made."""
    return Check(check=check, status=CheckStatus.SKIPPED, code="skipped", seen=seen)


def warned(check: CheckName, code: str, seen: str) -> Check:
    """Give a check that found what does not stop a sync."""
    return Check(check=check, status=CheckStatus.WARN, code=code, seen=seen, remedy=FINDINGS[code])


def failed(check: CheckName, code: str, seen: str) -> Check:
    """Give a check that found what no error says."""
    return Check(check=check, status=CheckStatus.FAIL, code=code, seen=seen, remedy=FINDINGS[code])


def refused(check: CheckName, error: IntegrationError) -> Check:
    """Give a check that an error failed."""
    return Check(check=check, status=CheckStatus.FAIL, code=error.code, seen=str(error), remedy=error.remedy)
