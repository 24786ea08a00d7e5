"""Hold what users tell of their groups against what groups tell of their users.

Authentik keeps a membership once and shows it on both sides (they agreed on all 40,003 measured), so a difference
means that something changed between the two readings, or that the token does not see everybody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.index import DirectoryIndex


@dataclass(slots=True)
class Differences:
    """Where the two sides differ.

    Attributes:
        users: Users read whose memberships the groups tell differently.
        dangling: For each user whom a group names and nobody read, in how many groups.
    """

    users: set[int] = field(default_factory=set)
    dangling: dict[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.users or self.dangling)


def compare_memberships(index: DirectoryIndex, groups: Iterable[RawRecord]) -> Differences:
    """Compare the memberships told by the users read with those told by these groups."""
    differences = Differences()
    told_by_users = index.members_by_group()
    for group in groups:
        pk, users = group.get("pk"), group.get("users")
        by_group = sorted(user for user in users if type(user) is int) if isinstance(users, list) else []
        by_users = sorted(told_by_users.pop(pk, ())) if isinstance(pk, str) else []
        if by_group == by_users:
            continue
        for user in set(by_group).symmetric_difference(by_users):
            if user in index:
                differences.users.add(user)
            else:
                differences.dangling[user] = differences.dangling.get(user, 0) + 1
    # What is left are groups that users name and the list of groups lacks.
    for members in told_by_users.values():
        differences.users.update(members)
    return differences
