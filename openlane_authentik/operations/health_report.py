"""What a health check found: each check with a stable code, what was seen, and what to do."""

from enum import StrEnum
from typing import Final

import msgspec

from openlane_authentik.errors import IntegrationError
from openlane_authentik.labels import ASSIGN_PERMISSION, ROLE_HOLDER, how_to_grant, narrowed
from openlane_authentik.remedies import Surface, remedy, retold


class CheckName(StrEnum):
    """What is checked, in this order."""

    CONNECTION = "connection"
    AUTHENTIK = "authentik"
    TOKEN = "token"  # noqa: S105 - the name of a check
    RELEASE = "release"
    CLOCK = "clock"
    USERS = "users"
    GROUPS = "groups"
    VISIBILITY = "visibility"
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
        remedy: What to do, and on which page of authentik; empty when nothing. See ``remedies`` for its words.
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


# Findings of a health check that are no errors: code -> what to do, with the permissions that may be missing.
FINDINGS: Final = {
    "release_unknown": "Nothing, if syncs succeed: they then use only what every release since 2023.10 can do.",
    "clock_skew": remedy(
        "Set the clocks of {this_machine} and of authentik's server by NTP; times in the records depend on them. If "
        "both are right, a proxy in front of authentik tells a time of its own."
    ),
    "partial_visibility": how_to_grant("globally {permissions}")
    + " What it has now is none, or for single objects only.",
    "visibility_unproven": "In authentik under Directory > Roles create a role, add to it under Permissions by "
    f"'{ASSIGN_PERMISSION}' globally {{permissions}}, and give it to {ROLE_HOLDER.both}.",
    "token_expires_soon": "In authentik under Directory > Tokens and App passwords extend the expiry of the token in "
    "use, or create a new one and use that. Delete those that are used no more: then this tells of the one in use "
    "alone.",
    "tokens_unseen": "Look the expiry up in authentik under Directory > Tokens and App passwords.",
}


def passed(check: CheckName, seen: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(check=check, status=CheckStatus.PASS, code="ok", seen=seen)


def skipped(check: CheckName, seen: str) -> Check:
    """Return a check that could not or need not be made."""
    return Check(check=check, status=CheckStatus.SKIPPED, code="skipped", seen=seen)


def warned(check: CheckName, code: str, seen: str, permissions: str = "") -> Check:
    """Return a check that found what does not stop a sync."""
    told = FINDINGS[code].format(permissions=permissions)
    return Check(check=check, status=CheckStatus.WARN, code=code, seen=seen, remedy=told)


def failed(check: CheckName, code: str, seen: str, permissions: str = "") -> Check:
    """Return a check that found what no error says."""
    told = FINDINGS[code].format(permissions=permissions)
    return Check(check=check, status=CheckStatus.FAIL, code=code, seen=seen, remedy=told)


def refused(check: CheckName, error: IntegrationError) -> Check:
    """Return a check that an error failed."""
    return Check(check=check, status=CheckStatus.FAIL, code=error.code, seen=str(error), remedy=error.remedy)


def of_release(check: Check, release: tuple[int, int] | None) -> Check:
    """Return a check whose remedy has the labels of this release; of None those of all."""
    return msgspec.structs.replace(check, remedy=narrowed(check.remedy, release))


def report_for(report: HealthReport, surface: Surface) -> HealthReport:
    """Return a report whose remedies are in the words of a surface."""
    checks = [msgspec.structs.replace(check, remedy=retold(check.remedy, surface)) for check in report.checks]
    return msgspec.structs.replace(report, checks=checks)
