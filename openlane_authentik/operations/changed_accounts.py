"""Users who changed since the last run, held back until it is proven that these are all, then handed over."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final

import msgspec

from openlane_authentik.authentik.pages import RawRecord, user_pk
from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.directory.index import DirectoryIndex, Outcome
from openlane_authentik.directory.spool import Spool
from openlane_authentik.directory.unsettled import UnsettledError
from openlane_authentik.emit.envelope import Envelope, Removed, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.batches import batched
from openlane_authentik.operations.filter_copy import CopyWriter
from openlane_authentik.operations.scope import Scope, outcome
from openlane_authentik.operations.tally import EARLIER, Tally
from openlane_authentik.records.account import map_account
from openlane_authentik.records.context import MappingContext

_FEWEST: Final = 500
_SHARE: Final = 5

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class ChangedAccounts(AbstractContextManager["ChangedAccounts"]):
    """Keeps the index of the last run up to date, and remembers whom to hand over.

    Args:
        scope, context, index, sink, clock, copy: As of ``AccountEmitter``; the index is that of the last run.

    Attributes:
        tally: Of the accounts that changed.
        index: Everybody known.
        most_edits: How many may be edited before reading everybody costs less.
        without_pk: Always 0; such a user ends the reading of changes.
        outdated: Always empty; nobody is handed over before the reading has ended.
    """

    without_pk: Final = 0
    outdated: Final = frozenset[int]()

    def __init__(
        self,
        scope: Scope,
        context: MappingContext,
        index: DirectoryIndex,
        sink: Sink,
        clock: Clock,
        *,
        copy: CopyWriter | None = None,
    ) -> None:
        self.tally = Tally(Schema.ACCOUNT)
        self.index = index
        self.most_edits = max(_FEWEST, len(index) // _SHARE)
        self._scope = scope
        self._context = context
        self._sink = sink
        self._clock = clock
        self._copy = copy
        self._spool = Spool()
        # Where in the spool each user is who changed.
        self._changed: dict[int, tuple[int, int]] = {}
        # Of users known before and touched in this run: what had become of their account, and its uid.
        self._before: dict[int, tuple[Outcome, str]] = {}
        self._gone: set[int] = set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    @property
    def absent(self) -> Sequence[int]:
        """Users known before who are believed to be gone."""
        return sorted(self._gone)

    async def accept(self, rows: list[RawRecord]) -> int:
        """Take raw users; return how many are not as they were last seen in this run.

        Raises:
            UnsettledError: One has no usable ``pk``, or an older ``last_updated`` than is known: the server's clock
                was set back, a backup restored, or a replica lags behind.
        """
        self._context.seen_at = rfc3339(self._clock.now())
        new = 0
        for raw in rows:
            pk = user_pk(raw)
            if pk is None:
                raise UnsettledError("record_without_pk")
            if pk in self.index and self.index.is_older(pk, raw):
                raise UnsettledError("stamps_went_back")
            if pk in self.index and not self.index.has_uid_of(pk, raw):
                raise UnsettledError("uids_differ")
            encoded = _encoder.encode(raw)
            if pk in self._changed and self._spool.read(*self._changed[pk]) == encoded:
                continue
            self._remember(pk)
            self._gone.discard(pk)
            self._changed[pk] = (self._spool.end, len(encoded))
            self._spool.add(encoded)
            verdict = self._scope.judge(raw, "uid")
            self.index.note(pk, raw, outcome(verdict), *self._scope.judge_memberships(raw, verdict))
            if self._copy is not None:
                self._copy.add(pk, raw)
            new += 1
        return new

    async def accept_again(self, _pk: int, raw: RawRecord) -> None:
        """Take a user who was read again."""
        await self.accept([raw])

    async def gone(self, pk: int) -> None:
        """Take note that a user is gone."""
        if pk in self.index:
            self._remember(pk)
            self._gone.add(pk)
            self._changed.pop(pk, None)
            self.index.drop(pk)
            if self._copy is not None:
                self._copy.drop(pk)

    async def hand_over(self) -> None:
        """Hand over every account that changed and is in scope, and name every one that is held back."""
        causes: dict[Any, str] = {}

        def kept() -> Iterator[Envelope]:
            for encoded in self._spool.read_in_order(sorted(self._changed.values())):
                raw: RawRecord = _decoder.decode(encoded)
                verdict = self._scope.judge(raw, "uid")
                if verdict.kept:
                    record = map_account(raw, self._context)
                    yield Envelope(schema=Schema.ACCOUNT, resource=raw["uid"], payload=raw, record=record)
                else:
                    self.tally.count(outcome(verdict), verdict.reason)
                    causes[raw.get("uid")] = verdict.reason

        for batch in batched(kept()):
            self.tally.emitted += len(batch)
            await self._sink.accept(batch)
        for uid in self.index.uids_of(Outcome.FAILED):
            self.tally.name(Outcome.FAILED, causes.get(uid, EARLIER), uid)
        await self.tally.tell(self._sink)

    def removed(self) -> list[Removed]:
        """Return the accounts known before that are no more, or no more in scope."""
        return [removed for pk in self._before if (removed := self._ended(pk)) is not None]

    def _ended(self, pk: int) -> Removed | None:
        before, uid = self._before[pk]
        if pk in self._gone:
            return Removed(resource=uid, evidence="absent")
        left = before is not Outcome.FILTERED and self.index.outcome_of(pk) is Outcome.FILTERED
        return Removed(resource=uid, evidence="out_of_scope") if left else None

    def _remember(self, pk: int) -> None:
        """Remember what became of an account, before what is known of the user changes."""
        if pk in self.index and pk not in self._changed:
            self._before.setdefault(pk, (self.index.outcome_of(pk), self.index.uid(pk)))
