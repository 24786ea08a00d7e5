"""Who was read, and their memberships: all that is kept of users until the groups are known, and between two runs.

The people's fields that a membership repeats wait in a temporary file (in memory while they are few), everything
else in flat arrays, so that 100,000 users with 500,000 memberships take some megabytes.
"""

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from operator import itemgetter
from os import SEEK_END
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.moments import to_micros

_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
_BLOCK_BYTES: Final = 64 * 1024
_NEVER: Final = -(2**63)


class Identity(msgspec.Struct, gc=False):
    """What a membership tells of its person, as authentik gave it; a membership has nothing of its own there."""

    pk: Any
    uid: Any
    username: Any
    name: Any
    email: Any
    is_active: Any
    type: Any


IDENTITY_FIELDS: Final = Identity.__struct_fields__

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class Fate(IntEnum):
    """What became of one record."""

    KEPT = 0
    FILTERED = 1
    FAILED = 2


_FATES: Final = tuple(Fate)
_identity_values = itemgetter(*IDENTITY_FIELDS)


@dataclass(slots=True)
class Member:
    """One user with memberships.

    Attributes:
        account: What became of the user's account.
        identity: The user's identifying fields; empty unless the account or a membership was kept.
        kept: The ``pk`` of each group in which the membership was kept.
        dropped: Of each other group, and what became of the membership in it.
    """

    account: Fate
    identity: RawRecord
    kept: list[str]
    dropped: list[tuple[str, Fate]]


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
        # The last identities, on their way to the file.
        self._unwritten = bytearray()
        self._end = 0
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
    def pks(self) -> KeysView[int]:
        """Every user noted; grows with what is noted."""
        return self._entry_of.keys()

    @property
    def kinds(self) -> list[str]:
        """Every user type met."""
        return list(self._kinds)

    def fate_of(self, pk: int) -> Fate:
        """Tell what became of the account of a user who was noted."""
        return Fate(self._account_fate[self._entry_of[pk]])

    def note(self, pk: int, raw: RawRecord, account: Fate, groups: Sequence[str], fates: Sequence[Fate]) -> None:
        """Remember a user, what became of the account and of the membership in each of these groups."""
        self._entry_of[pk] = len(self._account_fate)
        joined = to_micros(raw.get("date_joined"))
        self._joined.append(_NEVER if joined is None else joined)
        self._active.append(raw.get("is_active") is True)
        self._kind.append(self._kinds.setdefault(str(raw.get("type", "")), len(self._kinds)))
        self._account_fate.append(account)
        self._first_pair.append(len(self._pair_group))
        known = self._groups
        self._pair_group.extend([known.setdefault(group, len(known)) for group in groups])
        self._pair_fate.extend(fates)
        kept = account is Fate.KEPT or Fate.KEPT in fates
        before = len(self._unwritten)
        if kept:
            try:
                identity: Any = Identity(*_identity_values(raw))
            except KeyError:
                identity = {key: raw[key] for key in IDENTITY_FIELDS if key in raw}
            _encoder.encode_into(identity, self._unwritten, before)
        size = len(self._unwritten) - before
        self._identity_at.append(self._end)
        self._identity_bytes.append(size)
        self._end += size
        if before > _BLOCK_BYTES:
            self._write()

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
            for group in self._pair_group[self._pairs(entry)]:
                members[group].append(pk)
        return dict(zip(self._groups, members, strict=True))

    def members(self) -> Iterator[Member]:
        """Give every user who has memberships, in the order they were read."""
        names = list(self._groups)
        block, block_at = b"", 0
        for entry in sorted(self._entry_of.values()):
            pairs = self._pairs(entry)
            if pairs.start == pairs.stop:
                continue
            groups, fates = [names[group] for group in self._pair_group[pairs]], self._pair_fate[pairs]
            dropped = []
            if any(fates):
                told = list(zip(groups, fates, strict=True))
                groups = [group for group, fate in told if fate == Fate.KEPT]
                dropped = [(group, _FATES[fate]) for group, fate in told if fate != Fate.KEPT]
            identity = {}
            if self._identity_bytes[entry]:
                # Identities lie in the order of the entries: one read serves some hundred of them.
                first, size = self._identity_at[entry] - block_at, self._identity_bytes[entry]
                if first < 0 or first + size > len(block):
                    block, block_at, first = self._read(block_at + first, max(_BLOCK_BYTES, size)), block_at + first, 0
                identity = _decoder.decode(block[first : first + size])
            yield Member(_FATES[self._account_fate[entry]], identity, groups, dropped)

    def uid(self, pk: int) -> str:
        """Give the ``uid`` of a user whose account was kept."""
        entry = self._entry_of[pk]
        uid: str = _decoder.decode(self._read(self._identity_at[entry], self._identity_bytes[entry]))["uid"]
        return uid

    def freeze(self) -> tuple[dict[str, Any], Iterator[bytes | memoryview]]:
        """Give the names that the numbers stand for, and everything else chunk by chunk, for ``thaw``."""
        pks, entries = array("q", self._entry_of), array("q", self._entry_of.values())
        columns = {"pks": pks, "entries": entries, **self._columns()}
        sizes = {name: len(column) * column.itemsize for name, column in columns.items()}
        names = {"groups": list(self._groups), "kinds": list(self._kinds), "sizes": sizes}
        return names, chain((memoryview(column).cast("B") for column in columns.values()), self._identities())

    @classmethod
    def thaw(cls, names: Mapping[str, Any], take: Callable[[int], bytes], rest: Iterable[bytes]) -> Self:
        """Give the roster that was frozen.

        Args:
            names: As ``freeze`` gave them.
            take: Gives so many of the next bytes.
            rest: Gives what is left after that.
        """
        roster = cls()
        pks, entries = array("q"), array("q")
        for name, column in {"pks": pks, "entries": entries, **roster._columns()}.items():
            column.frombytes(take(names["sizes"][name]))
        roster._entry_of = dict(zip(pks, entries, strict=True))
        roster._groups = {name: index for index, name in enumerate(names["groups"])}
        roster._kinds = {name: index for index, name in enumerate(names["kinds"])}
        roster._spool.writelines(rest)
        roster._end = roster._spool.tell()
        return roster

    def _write(self) -> None:
        self._spool.seek(0, SEEK_END)
        self._spool.write(self._unwritten)
        self._unwritten.clear()

    def _identities(self) -> Iterator[bytes]:
        self._write()
        self._spool.seek(0)
        while chunk := self._spool.read(_BLOCK_BYTES):
            yield chunk

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

    def _pairs(self, entry: int) -> slice:
        following = entry + 1
        end = self._first_pair[following] if following < len(self._first_pair) else len(self._pair_group)
        return slice(self._first_pair[entry], end)

    def _read(self, at: int, size: int) -> bytes:
        self._write()
        self._spool.seek(at)
        return self._spool.read(size)
