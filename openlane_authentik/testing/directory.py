"""The state behind the fake: where it comes from, and changes that become visible later than they are made."""

from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from openlane_authentik.testing.edits import EditableDirectory
from openlane_authentik.testing.folder import read_folder
from openlane_authentik.testing.generated import generated_records
from openlane_authentik.testing.pending import Pending
from openlane_authentik.testing.snapshots import Snapshot
from openlane_authentik.testing.state import Clock, utc_now

Result = TypeVar("Result")


class Directory(EditableDirectory):
    """A mutable authentik directory; memberships are held once, so users and groups always agree.

    Records handed out are replaced, never edited, on a change: hold on to one to keep what it said. All changes and
    all answers take ``lock``, so a test may change the directory while a server thread answers from it.

    Args:
        users: Raw users in the newest form; ``groups`` and ``roles_obj`` are read, other derived fields ignored.
        groups: Raw groups in the newest form; ``users``, ``parents``, ``children`` and ``roles_obj`` are read.
        clock: What "now" is for ``date_joined``, ``last_updated``, ``last_login`` and the expiry of tokens.

    Raises:
        ValueError: two users or two groups share a key.
    """

    @classmethod
    def generate(
        cls,
        users: int = 200,
        groups: int = 20,
        seed: int = 1,
        *,
        memberships_per_user: float = 4.0,
        ties: int = 0,
        plain_usernames: bool = False,
        clock: Clock = utc_now,
    ) -> Self:
        """A realistic directory, the same for the same arguments.

        Names in many scripts, shares of user types as in the measured directory, inactive people, shared and empty
        e-mail addresses, nested groups, one superuser group, one group of everybody, roles.

        Args:
            users: How many users.
            groups: How many groups; the first is of superusers, the second of everybody.
            seed: What all choices follow from.
            memberships_per_user: How many groups a user is in on average, the group of everybody not counted.
            ties: So many users share one ``date_joined``, as after a bulk import.
            plain_usernames: Letters, digits and ``@.+-_`` only, which some official clients insist on.
            clock: See the class.
        """
        records = generated_records(
            users,
            groups,
            seed,
            memberships_per_user=memberships_per_user,
            ties=ties,
            plain_usernames=plain_usernames,
        )
        return cls(*records, clock=clock)

    @classmethod
    def from_folder(cls, path: str | Path, *, clock: Clock = utc_now) -> Self:
        """Load ``users.ndjson[.gz]`` and ``groups.ndjson[.gz]``: one raw record a line.

        Raises:
            FileNotFoundError: one of the two files is missing; the message names it.
            ValueError: a line is no raw record, or repeats a key; the message names file and line.
        """
        return cls(*read_folder(Path(path)), clock=clock)

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, *, clock: Clock = utc_now) -> Self:
        """A directory of its own that begins with the rows of a snapshot."""
        directory = cls(clock=clock)
        directory.restore(snapshot)
        return directory

    def begin(self, change: Callable[[Self], Result]) -> Pending[Result]:
        """Make a change within a transaction: stamped now, visible from its ``commit`` on.

        ``change`` is given a directory with the rows of this one and calls any of its methods. Stamps are those of now;
        the keys, UUIDs and usernames of what it creates are taken, so what others create later has higher keys.

            pending = directory.begin(lambda d: d.update_user(7, name="New name"))
            ...
            pending.commit()
        """
        with self.lock:
            before = self.snapshot()
            scratch = self.from_snapshot(before, clock=self.clock)
            scratch.uuid_count = self.uuid_count
            result = change(scratch)
            self.next_user_pk, self.uuid_count = scratch.next_user_pk, scratch.uuid_count
            self.usernames |= scratch.usernames
            return Pending(self, before, scratch.snapshot(), result)
