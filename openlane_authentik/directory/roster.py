"""Who was read, and their memberships: all that is kept of users until the groups are known, and between two runs.

The people's fields that a membership repeats wait in a temporary file (in memory while they are few), everything
else in flat arrays, so that 100,000 users with 500,000 memberships take some megabytes.
"""

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from os import SEEK_END
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.moments import to_micros

_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_NEVER: Final = -(2**63)
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


@dataclass(frozen=True, slots=True)
class Head:
    """What counts can be held against: one user's join date, in microseconds, and the fields a count can filter by."""

    joined: int
    pk: int
    active: bool
    kind: str


class Roster(AbstractContextManager["Roster"]):
    """Remembers every user read, by ``pk``; a user noted again replaces what was noted before."""

    def __init__(self) -> None:
        self._entry_of: dict[int, int] = {}
        # One element an entry; an entry that was replaced stays, unreachable, until the next full sync.
        self._joined = array("q")
        self._active = array("b")
        self._kind = array("b")
        self._account_fate = array("b")
        self._first_pair = array("q")
        self._identity_at = array("q")
        self._identity_bytes = array("i")
        # One element a membership.
        self._pair_group = array("i")
        self._pair_fate = array("b")
        self._groups: dict[str, int] = {}
        self._kinds: dict[str, int] = {}
        self._at_end = True
        self._spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the temporary file back."""
        self._spool.close()

    def __contains__(self, pk: object) -> bool:
        return pk in self._entry_of

    def __len__(self) -> int:
        return len(self._entry_of)

    @property
    def kinds(self) -> list[str]:
        """Every user type met."""
        return list(self._kinds)

    def fate_of(self, pk: int) -> Fate:
        """Tell what became of the account of a user who was noted."""
        return Fate(self._account_fate[self._entry_of[pk]])

    def note(self, pk: int, raw: RawRecord, account: Fate, fates: list[tuple[str, Fate]]) -> None:
        """Remember a user, what became of the account and of each membership."""
        self._entry_of[pk] = len(self._account_fate)
        joined = to_micros(raw.get("date_joined"))
        self._joined.append(_NEVER if joined is None else joined)
        self._active.append(raw.get("is_active") is True)
        self._kind.append(self._kinds.setdefault(str(raw.get("type", "")), len(self._kinds)))
        self._account_fate.append(account)
        self._first_pair.append(len(self._pair_group))
        for group, fate in fates:
            self._pair_group.append(self._groups.setdefault(group, len(self._groups)))
            self._pair_fate.append(fate)
        kept = account is Fate.KEPT or any(fate is Fate.KEPT for _, fate in fates)
        encoded = _encoder.encode({key: raw[key] for key in IDENTITY_FIELDS if key in raw}) if kept else b""
        if not self._at_end:
            self._spool.seek(0, SEEK_END)
            self._at_end = True
        self._identity_at.append(self._spool.tell())
        self._identity_bytes.append(len(encoded))
        self._spool.write(encoded)

    def leave_groups(self, pk: int) -> None:
        """Forget a user's memberships, but not the user."""
        entry = self._entry_of[pk]
        self._entry_of[pk] = len(self._account_fate)
        for column in (
            self._joined,
            self._active,
            self._kind,
            self._account_fate,
            self._identity_at,
            self._identity_bytes,
        ):
            column.append(column[entry])
        self._first_pair.append(len(self._pair_group))

    def drop(self, pk: int) -> None:
        """Forget a user who is gone."""
        del self._entry_of[pk]

    def heads(self) -> Iterator[Head]:
        """Give what counts can be held against, of every user, in no particular order."""
        kinds = self.kinds
        for pk, entry in self._entry_of.items():
            yield Head(self._joined[entry], pk, bool(self._active[entry]), kinds[self._kind[entry]])

    def tells(self, pk: int, raw: RawRecord) -> bool:
        """Whether what counts can be held against is known of a user as it is in this raw record."""
        entry = self._entry_of.get(pk)
        return (
            entry is not None
            and self._joined[entry] == to_micros(raw.get("date_joined"))
            and self._active[entry] == (raw.get("is_active") is True)
            and self._kinds.get(str(raw.get("type", ""))) == self._kind[entry]
        )

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
            fates = tuple((names[self._pair_group[pair]], Fate(self._pair_fate[pair])) for pair in self._pairs(entry))
            if fates:
                kept = any(fate is Fate.KEPT for _, fate in fates)
                identity = _decoder.decode(self._identity(entry)) if kept else None
                yield Member(Fate(self._account_fate[entry]), identity, fates)

    def uid(self, pk: int) -> str:
        """Give the ``uid`` of a user whose account was kept."""
        uid: str = _decoder.decode(self._identity(self._entry_of[pk]))["uid"]
        return uid

    def freeze(self) -> dict[str, Any]:
        """Give everything but the identities, as plain values for ``thaw``."""
        return {
            "pks": array("q", self._entry_of).tobytes(),
            "entries": array("q", self._entry_of.values()).tobytes(),
            "groups": list(self._groups),
            "kinds": list(self._kinds),
            **{name: column.tobytes() for name, column in self._columns().items()},
        }

    def identities(self) -> Iterator[bytes]:
        """Give the identities, chunk by chunk, for ``thaw``."""
        self._at_end = False
        self._spool.seek(0)
        while chunk := self._spool.read(_CHUNK_BYTES):
            yield chunk

    @classmethod
    def thaw(cls, frozen: Mapping[str, Any], identities: Iterable[bytes]) -> Self:
        """Give the roster that was frozen."""
        roster = cls()
        for name, column in roster._columns().items():
            column.frombytes(frozen[name])
        pks, entries = array("q", frozen["pks"]), array("q", frozen["entries"])
        roster._entry_of = dict(zip(pks, entries, strict=True))
        roster._groups = {name: index for index, name in enumerate(frozen["groups"])}
        roster._kinds = {name: index for index, name in enumerate(frozen["kinds"])}
        roster._spool.writelines(identities)
        return roster

    def _columns(self) -> dict[str, "array[int]"]:
        return {
            "joined": self._joined,
            "active": self._active,
            "kind": self._kind,
            "accountFate": self._account_fate,
            "firstPair": self._first_pair,
            "identityAt": self._identity_at,
            "identityBytes": self._identity_bytes,
            "pairGroup": self._pair_group,
            "pairFate": self._pair_fate,
        }

    def _pairs(self, entry: int) -> range:
        following = entry + 1
        end = self._first_pair[following] if following < len(self._first_pair) else len(self._pair_group)
        return range(self._first_pair[entry], end)

    def _identity(self, entry: int) -> bytes:
        self._at_end = False
        self._spool.seek(self._identity_at[entry])
        return self._spool.read(self._identity_bytes[entry])
