"""The right to say "complete": the reasons that take it away, and what each means for the run."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from openlane_authentik.directory.visibility import Extent


class Reason(StrEnum):
    """Why the envelopes of a payload set are not proven to be all records in scope."""

    PARTIAL_VISIBILITY = "partial_visibility"
    VISIBILITY_UNPROVEN = "visibility_unproven"
    USERS_KEPT_CHANGING = "users_kept_changing"
    GROUPS_KEPT_CHANGING = "groups_kept_changing"
    MEMBERSHIPS_DIFFER = "memberships_differ"
    DANGLING_MEMBERS = "dangling_members"
    RECORDS_FAILED = "records_failed"
    RECORDS_HELD_BACK = "records_held_back"
    FILTER_KEPT_NOTHING = "filter_kept_nothing"


# What lies in the filter: everything was read, and is told by name, but not by the envelopes alone.
_OF_THE_FILTER: Final = frozenset({Reason.RECORDS_HELD_BACK, Reason.FILTER_KEPT_NOTHING})

EXPLANATIONS: Final = {
    Reason.PARTIAL_VISIBILITY: "the token sees only a part of the directory: its account has object-level permissions, "
    "or none; give a role of it the global permissions 'Can view User' and 'Can view Group'",
    Reason.VISIBILITY_UNPROVEN: "this release does not show whether the token sees the whole directory; put the "
    "token's account into a group whose role has the global permissions 'Can view User' and 'Can view Group'",
    Reason.USERS_KEPT_CHANGING: "the server's counts did not match the users read: users came and went faster than "
    "they could be read, replicas of the server differ, or it ignores a filter; run again at a quieter time, and if it "
    "stays look at what stands in front of authentik",
    Reason.GROUPS_KEPT_CHANGING: "the groups read twice were not the same, or not as many as counted; run again at a "
    "quieter time",
    Reason.MEMBERSHIPS_DIFFER: "users and groups still tell different memberships after being read again",
    Reason.DANGLING_MEMBERS: "groups name users that the list of users lacks: the token does not see everybody, or "
    "the directory changed while it was read",
    Reason.RECORDS_FAILED: "records have no identifier that can be used, see failedBy",
    Reason.RECORDS_HELD_BACK: "the filter failed on records, which are held back: a host keeps what it has of them; "
    "let the filter ask for what it needs, as in has(payload.x)",
    Reason.FILTER_KEPT_NOTHING: "the filter kept no record of a kind, so that the set is empty and is not marked as a "
    "complete snapshot; if that is not what it is for, correct the filter",
}


def visibility_reasons(extent: Extent) -> list[Reason]:
    """Return the reason that lies in what the token may see, if there is one."""
    match extent:
        case Extent.FULL:
            return []
        case Extent.PARTIAL:
            return [Reason.PARTIAL_VISIBILITY]
        case Extent.UNPROVEN:
            return [Reason.VISIBILITY_UNPROVEN]


def read_completely(reasons: Iterable[Reason]) -> bool:
    """Whether all there is was read and can be told by name, whatever the filter made of it."""
    return _OF_THE_FILTER.issuperset(reasons)


def exit_code(reasons: set[Reason]) -> int:
    """Return 0 when everything was read completely, 77 for partial visibility, else 75."""
    if Reason.PARTIAL_VISIBILITY in reasons:
        return 77
    return 0 if read_completely(reasons) else 75
