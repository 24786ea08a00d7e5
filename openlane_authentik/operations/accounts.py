"""Users on their way to account envelopes, while the next pages are being read."""

from typing import Any

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.directory.passes import record_key
from openlane_authentik.directory.roster import Fate, Roster
from openlane_authentik.emit.envelope import Envelope, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.scope import Scope, fate
from openlane_authentik.operations.tally import Tally
from openlane_authentik.records.account import map_account
from openlane_authentik.records.context import MappingContext


class AccountEmitter:
    """Filters, maps and hands over each user once, and notes in the roster what became of it.

    Attributes:
        tally: Of the accounts.
        roster: Everybody met.
        outdated: Users who have changed since their account was handed over.
    """

    def __init__(self, scope: Scope, context: MappingContext, roster: Roster, sink: Sink, clock: Clock) -> None:
        self.tally = Tally()
        self.roster = roster
        self.outdated: set[int] = set()
        self._scope = scope
        self._context = context
        self._sink = sink
        self._clock = clock
        self._without_pk: set[Any] = set()

    async def accept(self, rows: list[RawRecord]) -> int:
        """Take a page of raw users; those already met are passed over. Gives how many were new."""
        self._context.seen_at = rfc3339(self._clock.now())
        envelopes: list[Envelope] = []
        left_out: list[tuple[str, ...]] = []
        new = 0
        met = self.roster.pks
        for raw in rows:
            pk = raw.get("pk")
            if isinstance(pk, int):
                if pk in met:
                    continue
                self._take(pk, raw, envelopes, left_out)
            else:
                key = record_key(raw)
                if key in self._without_pk:
                    continue
                self._without_pk.add(key)
                self.tally.failed_by["no_pk"] += 1
            new += 1
        self.tally.emitted += len(envelopes)
        if envelopes:
            await self._sink.accept(envelopes)
        if left_out:
            await self._sink.leave_out(Schema.ACCOUNT, left_out)
        return new

    async def accept_again(self, pk: int, raw: RawRecord) -> None:
        """Replace the memberships noted of a user who was read again; an account handed over stays as it was."""
        if pk not in self.roster:
            await self.accept([raw])
            return
        account = self.roster.fate_of(pk)
        verdict = self._scope.judge(raw, "uid")
        groups, fates = self._scope.judge_memberships(raw, verdict)
        self.roster.note(pk, raw, account, groups, fates if account is Fate.KEPT else [account] * len(groups))
        self.outdated.add(pk)

    async def gone(self, pk: int) -> None:
        """Take note that a user is gone, and with it the memberships; the account was there when it was read.

        The user stays in the roster, so that the next sync notices the absence and tells of it.
        """
        if pk in self.roster:
            self.roster.leave_groups(pk)

    def _take(self, pk: int, raw: RawRecord, envelopes: list[Envelope], left_out: list[tuple[str, ...]]) -> None:
        verdict = self._scope.judge(raw, "uid")
        if verdict.kept:
            record = map_account(raw, self._context)
            envelopes.append(Envelope(schema=Schema.ACCOUNT, resource=raw["uid"], payload=raw, record=record))
        else:
            self.tally.drop(verdict)
            if not verdict.failed:
                left_out.append((raw["uid"],))
        self.roster.note(pk, raw, fate(verdict), *self._scope.judge_memberships(raw, verdict))
