"""Who was read, and their memberships: all that is kept of users until the groups are known.

The people's fields that a membership repeats wait in a temporary file (in memory while they are few), everything
else in flat arrays, so that 100,000 users with 500,000 memberships take some megabytes.
"""

import tempfile
from array import array
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Final, Self

import msgspec

from openlane_authentik.authentik.pages import RawRecord

_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
# What a membership tells of its person; a membership has nothing of its own in authentik.
IDENTITY_FIELDS: Final = ("pk", "uid", "username", "name", "email", "is_active", "type")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class Fate(IntEnum):
    """What became of one record."""

    KEPT = 0
    FILTERED = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Member:
    """One user with memberships.

    Attributes:
        account: What became of the user's account.
        identity: The user's identifying fields; None unless a membership was kept.
        groups: Each group's ``pk``, and the fate of the membership in it.
    """

    account: Fate
    identity: RawRecord | None
    groups: tuple[tuple[str, Fate], ...]


class Roster(AbstractContextManager["Roster"]):
    """Remembers every user read, by ``pk``; a user noted again replaces what was noted before."""

    def __init__(self) -> None:
        self._entry_of: dict[int, int] = {}
        self._account_fate = array("b")
        self._first_pair = array("q")
        self._identity_at = array("q")
        self._identity_bytes = array("l")
        self._pair_group = array("l")
        self._pair_fate = array("b")
        self._groups: dict[str, int] = {}
        self._spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def __contains__(self, pk: object) -> bool:
        return pk in self._entry_of

    def __len__(self) -> int:
        return len(self._entry_of)

    def fate_of(self, pk: int) -> Fate:
        """Tell what became of the account of a user who was noted."""
        return Fate(self._account_fate[self._entry_of[pk]])

    def note(self, pk: int, raw: RawRecord, account: Fate, fates: list[tuple[str, Fate]]) -> None:
        """Remember a user, what became of the account and of each membership; not once ``members`` was asked for."""
        self._entry_of[pk] = len(self._account_fate)
        self._account_fate.append(account)
        self._first_pair.append(len(self._pair_group))
        for group, fate in fates:
            self._pair_group.append(self._groups.setdefault(group, len(self._groups)))
            self._pair_fate.append(fate)
        kept = any(fate is Fate.KEPT for _, fate in fates)
        encoded = _encoder.encode({key: raw[key] for key in IDENTITY_FIELDS if key in raw}) if kept else b""
        self._identity_at.append(self._spool.tell())
        self._identity_bytes.append(len(encoded))
        self._spool.write(encoded)

    def members_by_group(self) -> dict[str, "array[int]"]:
        """Give the pks of each group's members as the users themselves tell them."""
        members = [array("q") for _ in self._groups]
        for pk, entry in self._entry_of.items():
            for pair in self._pairs(entry):
                members[self._pair_group[pair]].append(pk)
        return dict(zip(self._groups, members, strict=True))

    def members(self) -> Iterator[Member]:
        """Give every user who has memberships, in the order they were read."""
        names = list(self._groups)
        for entry in sorted(self._entry_of.values()):
            pairs = self._pairs(entry)
            if pairs:
                groups = tuple((names[self._pair_group[pair]], Fate(self._pair_fate[pair])) for pair in pairs)
                yield Member(Fate(self._account_fate[entry]), self._identity(entry), groups)

    def _pairs(self, entry: int) -> range:
        following = entry + 1
        end = self._first_pair[following] if following < len(self._first_pair) else len(self._pair_group)
        return range(self._first_pair[entry], end)

    def _identity(self, entry: int) -> RawRecord | None:
        size = self._identity_bytes[entry]
        if not size:
            return None
        self._spool.seek(self._identity_at[entry])
        identity: RawRecord = _decoder.decode(self._spool.read(size))
        return identity
