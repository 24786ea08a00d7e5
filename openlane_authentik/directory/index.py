"""Who was read, and their memberships: all that is kept of users until the groups are known, and between two runs.

The people's fields that a membership repeats wait in a ``Spool``, everything else in flat arrays, so that 100,000
users with 500,000 memberships take some megabytes.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from types import TracebackType
from typing import Any, Final, Self

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.identities import pack_identity, unpack_identity
from openlane_authentik.directory.moments import to_micros
from openlane_authentik.directory.spool import Spool

_NEVER: Final = -(2**63)


class Outcome(IntEnum):
    """What became of one record.

    Of a ``FAILED`` one the filter could not say whether it is in scope; an ``UNNAMED`` one has no usable identifier.
    """

    KEPT = 0
    FILTERED = 1
    FAILED = 2
    UNNAMED = 3


_OUTCOMES: Final = tuple(Outcome)


@dataclass(slots=True)
class Member:
    """One user with memberships.

    Attributes:
        account: What became of the user's account.
        identity: The user's identifying fields.
        kept: The ``pk`` of each group in which the membership was kept.
        dropped: Of each other group, and what became of the membership in it.
    """

    account: Outcome
    identity: RawRecord
    kept: list[str]
    dropped: list[tuple[str, Outcome]]


@dataclass(frozen=True, slots=True)
class Traits:
    """One user as counts can tell users apart: by two timestamps, in microseconds, by activity and by type."""

    pk: int
    joined: int
    updated: int
    active: bool
    kind: str


class DirectoryIndex(AbstractContextManager["DirectoryIndex"]):
    """Remembers every user read, by ``pk``; a user noted again replaces what was noted before.

    Attributes:
        revision: Moves with every change.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._entry_of: dict[int, int] = {}
        # One element an entry; an entry that was replaced stays, unreachable, until the next full sync.
        self._joined = array("q")
        self._updated = array("q")
        self._login = array("q")
        self._uid_mark = array("q")
        self._active = array("b")
        self._kind = array("i")
        self._account_outcome = array("b")
        self._first_pair = array("q")
        self._identity_at = array("q")
        self._identity_bytes = array("i")
        # One element a membership.
        self._pair_group = array("i")
        self._pair_outcome = array("b")
        self._groups: dict[str, int] = {}
        self._kinds: dict[str, int] = {}
        self._identities = Spool()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the temporary file."""
        self._identities.close()

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

    @property
    def newest_login(self) -> int | None:
        """The newest ``last_login`` noted, in microseconds; None when nobody is known to have logged in."""
        newest = max(self._login, default=_NEVER)
        return None if newest == _NEVER else newest

    def outcome_of(self, pk: int) -> Outcome:
        """Return what became of the account of a user who was noted."""
        return Outcome(self._account_outcome[self._entry_of[pk]])

    def outcomes(self) -> Counter[Outcome]:
        """Return how many accounts became what."""
        outcome_at = self._account_outcome
        counted = Counter([outcome_at[entry] for entry in self._entry_of.values()])
        return Counter({outcome: counted[outcome] for outcome in Outcome})

    def uids_of(self, outcome: Outcome) -> Iterator[str]:
        """Return the ``uid`` of each user whose account became this, in the order they were read."""
        entries = sorted(entry for entry in self._entry_of.values() if self._account_outcome[entry] == outcome)
        places = ((self._identity_at[entry], self._identity_bytes[entry]) for entry in entries)
        for identity in self._identities.read_in_order(places):
            yield unpack_identity(identity)["uid"]

    def is_older(self, pk: int, raw: RawRecord) -> bool:
        """Whether a raw record carries an older ``last_updated`` than is known of the user."""
        return _moment(raw, "last_updated") < self._updated[self._entry_of[pk]]

    def note(
        self, pk: int, raw: RawRecord, account: Outcome, groups: Sequence[str], outcomes: Sequence[Outcome]
    ) -> None:
        """Remember a user, what became of the account and of the membership in each of these groups."""
        self.revision += 1
        self._entry_of[pk] = len(self._account_outcome)
        self._joined.append(_moment(raw, "date_joined"))
        self._updated.append(_moment(raw, "last_updated"))
        self._login.append(_moment(raw, "last_login"))
        self._uid_mark.append(_mark(raw))
        self._active.append(raw.get("is_active") is True)
        self._kind.append(self._kinds.setdefault(str(raw.get("type", "")), len(self._kinds)))
        self._account_outcome.append(account)
        self._first_pair.append(len(self._pair_group))
        known = self._groups
        self._pair_group.extend([known.setdefault(group, len(known)) for group in groups])
        self._pair_outcome.extend(outcomes)
        identity = pack_identity(raw)
        self._identity_at.append(self._identities.end)
        self._identity_bytes.append(len(identity))
        self._identities.add(identity)

    def drop(self, pk: int) -> None:
        """Forget a user who is gone."""
        self.revision += 1
        del self._entry_of[pk]

    def traits(self) -> Iterator[Traits]:
        """Return what counts can be held against, of every user, in no particular order."""
        kinds = self.kinds
        for pk, entry in self._entry_of.items():
            yield Traits(
                pk, self._joined[entry], self._updated[entry], bool(self._active[entry]), kinds[self._kind[entry]]
            )

    def tells(self, pk: int, raw: RawRecord) -> bool:
        """Whether a user is known as this raw record has it, by all that moves when a user is edited or logs in."""
        entry = self._entry_of.get(pk)
        return (
            entry is not None
            and self._updated[entry] == _moment(raw, "last_updated")
            and self._joined[entry] == _moment(raw, "date_joined")
            and self._login[entry] == _moment(raw, "last_login")
            and self._active[entry] == (raw.get("is_active") is True)
            and self._kinds.get(str(raw.get("type", ""))) == self._kind[entry]
            and self._uid_mark[entry] == _mark(raw)
        )

    def uid_mark(self, pk: int) -> int:
        """Return a number that differs where the ``uid`` of two users does."""
        return self._uid_mark[self._entry_of[pk]]

    def has_uid_of(self, pk: int, raw: RawRecord) -> bool:
        """Whether a user is known by the ``uid`` of this raw record."""
        return self.uid_mark(pk) == _mark(raw)

    def identity(self, pk: int) -> RawRecord:
        """Return a user's identifying fields."""
        return self._identity(self._entry_of[pk])

    def members_by_group(self) -> dict[str, "array[int]"]:
        """Return the pks of each group's members as the users themselves tell them."""
        members = [array("q") for _ in self._groups]
        for pk, entry in self._entry_of.items():
            for group in self._pair_group[self._pairs(entry)]:
                members[group].append(pk)
        return dict(zip(self._groups, members, strict=True))

    def members(self) -> Iterator[Member]:
        """Return every user who has memberships, in the order they were read."""
        names = list(self._groups)
        entries = [entry for entry in sorted(self._entry_of.values()) if not self._is_alone(entry)]
        places = ((self._identity_at[entry], self._identity_bytes[entry]) for entry in entries)
        for entry, identity in zip(entries, self._identities.read_in_order(places), strict=True):
            pairs = self._pairs(entry)
            groups, outcomes = [names[group] for group in self._pair_group[pairs]], self._pair_outcome[pairs]
            dropped = []
            if any(outcomes):
                told = list(zip(groups, outcomes, strict=True))
                groups = [group for group, outcome in told if outcome == Outcome.KEPT]
                dropped = [(group, _OUTCOMES[outcome]) for group, outcome in told if outcome != Outcome.KEPT]
            yield Member(_OUTCOMES[self._account_outcome[entry]], unpack_identity(identity), groups, dropped)

    def uid(self, pk: int) -> str:
        """Return the ``uid`` of a user whose account has one."""
        uid: str = self._identity(self._entry_of[pk])["uid"]
        return uid

    def freeze(self) -> tuple[dict[str, Any], Iterator[bytes | memoryview]]:
        """Return the names that the numbers stand for, and everything else chunk by chunk, for ``thaw``."""
        pks, entries = array("q", self._entry_of), array("q", self._entry_of.values())
        columns = {"pks": pks, "entries": entries, **self._columns()}
        sizes = {name: len(column) * column.itemsize for name, column in columns.items()}
        names = {"groups": list(self._groups), "kinds": list(self._kinds), "sizes": sizes}
        return names, chain((memoryview(column).cast("B") for column in columns.values()), self._identities.freeze())

    @classmethod
    def thaw(cls, names: Mapping[str, Any], take: Callable[[int], bytes], rest: Iterable[bytes]) -> Self:
        """Return the index that was frozen.

        Args:
            names: As ``freeze`` gave them.
            take: Gives so many of the next bytes.
            rest: Gives what is left after that.
        """
        index = cls()
        pks, entries = array("q"), array("q")
        for name, column in {"pks": pks, "entries": entries, **index._columns()}.items():
            column.frombytes(take(names["sizes"][name]))
        index._entry_of = dict(zip(pks, entries, strict=True))
        index._groups = {name: number for number, name in enumerate(names["groups"])}
        index._kinds = {name: number for number, name in enumerate(names["kinds"])}
        index._identities.thaw(rest)
        return index

    def _columns(self) -> dict[str, "array[int]"]:
        return {
            "joined": self._joined,
            "updated": self._updated,
            "login": self._login,
            "uidMark": self._uid_mark,
            "active": self._active,
            "kind": self._kind,
            "accountOutcome": self._account_outcome,
            "firstPair": self._first_pair,
            "identityAt": self._identity_at,
            "identityBytes": self._identity_bytes,
            "pairGroup": self._pair_group,
            "pairOutcome": self._pair_outcome,
        }

    def _identity(self, entry: int) -> RawRecord:
        return unpack_identity(self._identities.read(self._identity_at[entry], self._identity_bytes[entry]))

    def _pairs(self, entry: int) -> slice:
        following = entry + 1
        end = self._first_pair[following] if following < len(self._first_pair) else len(self._pair_group)
        return slice(self._first_pair[entry], end)

    def _is_alone(self, entry: int) -> bool:
        pairs = self._pairs(entry)
        return bool(pairs.start == pairs.stop)


def _moment(raw: RawRecord, field: str) -> int:
    moment = to_micros(raw.get(field))
    return _NEVER if moment is None else moment


def _mark(raw: RawRecord) -> int:
    """Return 8 bytes that tell two uids apart; equal by chance once in 2^64 comparisons."""
    uid = raw.get("uid")
    if not isinstance(uid, str):
        return 0
    return int.from_bytes(hashlib.blake2b(uid.encode(errors="replace"), digest_size=8).digest(), "big", signed=True)
