"""The right to say "complete": the reasons that take it away, and what each means for the run."""

from enum import StrEnum
from typing import Final

from openlane_authentik.directory.sight import Extent


class Reason(StrEnum):
    """Why a payload set is not proven complete."""

    PARTIAL_SIGHT = "partial_sight"
    SIGHT_UNPROVEN = "sight_unproven"
    USERS_KEPT_CHANGING = "users_kept_changing"
    GROUPS_KEPT_CHANGING = "groups_kept_changing"
    MEMBERSHIPS_DIFFER = "memberships_differ"
    DANGLING_MEMBERS = "dangling_members"
    RECORDS_FAILED = "records_failed"
    FILTER_NEVER_MATCHES = "filter_never_matches"


EXPLANATIONS: Final = {
    Reason.PARTIAL_SIGHT: "the token sees only a part of the directory: its account has object-level permissions, or "
    "none; give a role of it the global permissions 'Can view User' and 'Can view Group'",
    Reason.SIGHT_UNPROVEN: "this release does not show whether the token sees the whole directory; put the token's "
    "account into a group whose role has the global permissions 'Can view User' and 'Can view Group'",
    Reason.USERS_KEPT_CHANGING: "the server's counts did not match the users read: users came and went faster than "
    "they could be read, replicas of the server differ, or it ignores a filter; run again at a quieter time, and if it "
    "stays look at what stands in front of authentik",
    Reason.GROUPS_KEPT_CHANGING: "the groups read twice were not the same, or not as many as counted; run again at a "
    "quieter time",
    Reason.MEMBERSHIPS_DIFFER: "users and groups still tell different memberships after being read again",
    Reason.DANGLING_MEMBERS: "groups name users that the list of users lacks: the token does not see everybody, or "
    "the directory changed while it was read",
    Reason.RECORDS_FAILED: "records failed, see failedBy: a filter that fails on them, or records without identifier",
    Reason.FILTER_NEVER_MATCHES: "the filter can never match records of this kind, so that none of them tells that "
    "something was removed",
}


def sight_reasons(extent: Extent) -> list[Reason]:
    """Give the reason that lies in what the token may see, if there is one."""
    match extent:
        case Extent.FULL:
            return []
        case Extent.PARTIAL:
            return [Reason.PARTIAL_SIGHT]
        case Extent.UNPROVEN:
            return [Reason.SIGHT_UNPROVEN]


def exit_code(reasons: set[Reason]) -> int:
    """0 when nothing stands against a set but the wish of who set the filter, 77 for partial sight, else 75."""
    if Reason.PARTIAL_SIGHT in reasons:
        return 77
    return 75 if reasons - {Reason.FILTER_NEVER_MATCHES} else 0
