"""Who is known by another ``uid`` than before.

Authentik makes a ``uid`` of the user's ``pk`` and the id of its installation; it has been seen to change for everybody
on an upgrade.
"""

from collections.abc import Iterator

from openlane_authentik.directory.roster import Roster


def replaced(before: Roster, after: Roster) -> Iterator[tuple[str, str]]:
    """Return the old and the new ``uid`` of everybody in both rosters whose ``uid`` changed."""
    for pk in before.pks & after.pks:
        if before.uid_mark(pk) == after.uid_mark(pk):
            continue
        old, new = before.person(pk), after.person(pk)
        if isinstance(old.uid, str) and isinstance(new.uid, str) and old.is_same_as(new):
            yield old.uid, new.uid
