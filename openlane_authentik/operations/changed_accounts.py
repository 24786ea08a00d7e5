"""Users who changed since the last run, held back until it is proven that these are all, then handed over."""

from collections.abc import Iterator
from typing import Final

import msgspec

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.directory.roster import Fate, Roster
from openlane_authentik.emit.envelope import Envelope, Removed, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.batches import batched
from openlane_authentik.operations.scope import Scope, fate
from openlane_authentik.operations.tally import Tally
from openlane_authentik.operations.unsettled import UnsettledError
from openlane_authentik.records.account import map_account
from openlane_authentik.records.context import MappingContext

_FEWEST: Final = 500
_SHARE: Final = 5

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class ChangedAccounts:
    """Keeps the roster of the last run up to date, and remembers whom to hand over.

    Attributes:
        tally: Of the accounts that changed.
        roster: Everybody known.
        most: How many may change before reading everybody costs less.
    """

    def __init__(self, scope: Scope, context: MappingContext, roster: Roster, sink: Sink, clock: Clock) -> None:
        self.tally = Tally()
        self.roster = roster
        self.most = max(_FEWEST, len(roster) // _SHARE)
        self._scope = scope
        self._context = context
        self._sink = sink
        self._clock = clock
        self._changed: dict[int, bytes] = {}
        # Accounts that the host has, of users touched in this run.
        self._handed_over: dict[int, str] = {}
        self._gone: set[int] = set()

    async def accept(self, rows: list[RawRecord]) -> int:
        """Take raw users; gives how many are not as they were last seen in this run.

        Raises:
            UnsettledError: Too many, or one that cannot be told from others.
        """
        self._context.seen_at = rfc3339(self._clock.now())
        new = 0
        for raw in rows:
            pk = raw.get("pk")
            if not isinstance(pk, int):
                raise UnsettledError("record_without_pk")
            encoded = _encoder.encode(raw)
            if self._changed.get(pk) == encoded:
                continue
            self._remember(pk)
            self._gone.discard(pk)
            self._changed[pk] = encoded
            verdict = self._scope.judge(raw, "uid")
            self.roster.note(pk, raw, fate(verdict), *self._scope.judge_memberships(raw, verdict))
            new += 1
        if len(self._changed) > self.most:
            raise UnsettledError("too_many_changes")
        return new

    async def accept_again(self, _pk: int, raw: RawRecord) -> None:
        """Take a user who was read again."""
        await self.accept([raw])

    async def gone(self, pk: int) -> None:
        """Take note that a user is gone."""
        if pk in self.roster:
            self._remember(pk)
            self._gone.add(pk)
            self._changed.pop(pk, None)
            self.roster.drop(pk)

    async def hand_over(self) -> None:
        """Hand over every account that changed and is in scope."""

        def kept() -> Iterator[Envelope]:
            for encoded in self._changed.values():
                raw: RawRecord = _decoder.decode(encoded)
                verdict = self._scope.judge(raw, "uid")
                if verdict.kept:
                    record = map_account(raw, self._context)
                    yield Envelope(schema=Schema.ACCOUNT, resource=raw["uid"], payload=raw, record=record)
                else:
                    self.tally.drop(verdict)

        for batch in batched(kept()):
            self.tally.emitted += len(batch)
            await self._sink.accept(batch)

    def removed(self) -> list[Removed]:
        """Give the accounts that the host has and that are no more, or no more in scope."""
        return [
            Removed(resource=uid, evidence="absent" if pk in self._gone else "out_of_scope")
            for pk, uid in self._handed_over.items()
            if pk in self._gone or self.roster.fate_of(pk) is Fate.FILTERED
        ]

    def _remember(self, pk: int) -> None:
        if pk in self.roster and pk not in self._changed and self.roster.fate_of(pk) is Fate.KEPT:
            self._handed_over.setdefault(pk, self.roster.uid(pk))
