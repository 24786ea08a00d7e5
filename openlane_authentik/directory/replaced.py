"""Who is known by another ``uid`` than before.

Authentik makes a ``uid`` of the user's ``pk`` and the id of its installation; it has been seen to change for everybody
on an upgrade.
"""

from collections import Counter
from collections.abc import Iterator

from openlane_authentik.directory.index import DirectoryIndex


def uids_differ(before: DirectoryIndex, after: DirectoryIndex) -> bool:
    """Whether anybody in both indexes has another ``uid``."""
    return any(before.uid_mark(pk) != after.uid_mark(pk) for pk in before.pks & after.pks)


def replaced(before: DirectoryIndex, after: DirectoryIndex) -> Iterator[tuple[str, str]]:
    """Return the old and the new ``uid`` of everybody in both indexes whose ``uid`` changed.

    A new installation at the same address gives a ``pk`` to somebody else. The same person is who has the same
    ``username``, or a ``date_joined`` that nobody shares.
    """
    joined_before, joined_after = _joined(before), _joined(after)
    for pk in before.pks & after.pks:
        if before.uid_mark(pk) == after.uid_mark(pk):
            continue
        old, new = before.identity(pk), after.identity(pk)
        same = old.get("username") == new.get("username") or (
            pk in joined_before and joined_before[pk] == joined_after.get(pk)
        )
        if same and isinstance(old.get("uid"), str) and isinstance(new.get("uid"), str):
            yield old["uid"], new["uid"]


def _joined(index: DirectoryIndex) -> dict[int, int]:
    """Return the ``date_joined`` of those who share it with nobody."""
    joined = {user.pk: user.joined for user in index.traits()}
    times = Counter(joined.values())
    return {pk: moment for pk, moment in joined.items() if times[moment] == 1}
