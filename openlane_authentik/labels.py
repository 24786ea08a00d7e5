"""The labels of authentik's admin interface that remedies name, by release.

Looked up in releases from 2023.10 to 2026.5. If the release is not known, or lies between the last one seen with a
label and the first one seen with the next, both labels are named.
"""

from dataclasses import dataclass
from typing import Final

YearMonth = tuple[int, int]

# The button on the page of a role under Permissions; the same in every release that was looked at.
ASSIGN_PERMISSION: Final = "Assign permission"


@dataclass(frozen=True, slots=True)
class Label:
    """A label that changed between two releases.

    Attributes:
        before: Up to the release ``last_before``.
        after: From the release ``first_after`` on.
        both: In between, and where the release is not known.
    """

    before: str
    last_before: YearMonth
    after: str
    first_after: YearMonth
    both: str

    def of(self, release: YearMonth | None) -> str:
        """Return the label of a release; of None both."""
        if release is not None and release <= self.last_before:
            return self.before
        if release is not None and release >= self.first_after:
            return self.after
        return self.both


NEW_SERVICE_ACCOUNT: Final = Label(
    before="'Create Service account'",
    last_before=(2024, 12),
    after="'New Service Account'",
    first_after=(2025, 10),
    both="'New Service Account' ('Create Service account' up to 2024.12)",
)
GIVE_ROLE: Final = Label(
    before="put the account into a group that has it, under Directory > Groups",
    last_before=(2025, 11),
    after="give it to the account on the role's page under Users",
    first_after=(2025, 12),
    both="give it to the account on the role's page under Users (before 2025.12 put the account into a group that has "
    "it, under Directory > Groups)",
)
ROLE_HOLDER: Final = Label(
    before="a group that the token's account is in",
    last_before=(2025, 11),
    after="the token's account",
    first_after=(2025, 12),
    both="a group that the token's account is in (from 2025.12 on to the account itself)",
)
_LABELS: Final = (NEW_SERVICE_ACCOUNT, GIVE_ROLE, ROLE_HOLDER)


def how_to_grant(permissions: str) -> str:
    """Return how to give the token's account global permissions, in the labels of every release."""
    return (
        "In authentik open a role of the token's account under Directory > Roles, and under Permissions add by "
        f"'{ASSIGN_PERMISSION}' {permissions}. If the account has no role, create one and {GIVE_ROLE.both}."
    )


def narrowed(text: str, release: YearMonth | None) -> str:
    """Return a remedy, written for every release, with the labels of this one."""
    for label in _LABELS:
        text = text.replace(label.both, label.of(release))
    return text
