"""Users on their way to account envelopes, while the next pages are being read."""

from collections.abc import Iterable
from typing import Any

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.directory.passes import record_key
from openlane_authentik.directory.roster import Fate, Roster
from openlane_authentik.emit.envelope import Envelope, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.filter import Verdict
from openlane_authentik.operations.scope import Scope
from openlane_authentik.operations.tally import Tally
from openlane_authentik.records.account import map_account
from openlane_authentik.records.context import MappingContext, UnmappableRecordError, identifier


class AccountEmitter:
    """Maps, filters and hands over each user once, and notes in the roster what became of it.

    Attributes:
        tally: Of the accounts.
    """

    def __init__(self, scope: Scope, context: MappingContext, roster: Roster, sink: Sink, clock: Clock) -> None:
        self.tally = Tally()
        self._scope = scope
        self._context = context
        self._roster = roster
        self._sink = sink
        self._clock = clock
        self._without_pk: set[Any] = set()

    async def accept(self, rows: list[RawRecord]) -> int:
        """Take a page of raw users; those already met are passed over. Gives how many were new."""
        self._context.seen_at = rfc3339(self._clock.now())
        envelopes: list[Envelope] = []
        new = 0
        for raw in rows:
            pk = raw.get("pk")
            if isinstance(pk, int):
                if pk in self._roster:
                    continue
                self._take(pk, raw, envelopes)
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
        return new

    def note_again(self, pk: int, raw: RawRecord) -> None:
        """Replace the memberships noted of a user who was read again; the account was handed over and stays."""
        account = self._roster.fate_of(pk)
        verdict = self._scope.judge(raw, _uid(raw))
        self._roster.note(pk, raw, account, self._fates(raw, account, verdict))

    def _take(self, pk: int, raw: RawRecord, envelopes: list[Envelope]) -> None:
        try:
            uid = identifier(raw, "uid")
        except UnmappableRecordError as error:
            self.tally.failed_by[error.cause] += 1
            self._roster.note(pk, raw, Fate.FAILED, [(group, Fate.FAILED) for group in self._groups(raw)])
            return
        verdict = self._scope.judge(raw, uid)
        if verdict.kept:
            record = map_account(raw, self._context)
            envelopes.append(Envelope(schema=Schema.ACCOUNT, resource=uid, payload=raw, record=record))
        else:
            self.tally.drop(verdict)
        account = _fate(verdict)
        self._roster.note(pk, raw, account, self._fates(raw, account, verdict))

    def _fates(self, raw: RawRecord, account: Fate, verdict: Verdict) -> list[tuple[str, Fate]]:
        if account is not Fate.KEPT:
            return [(group, account) for group in self._groups(raw)]
        return [(group, _fate(self._scope.judge_membership(raw, group, verdict))) for group in self._groups(raw)]

    def _groups(self, raw: RawRecord) -> Iterable[str]:
        groups = raw.get("groups")
        if not self._scope.groups or not isinstance(groups, list):
            return ()
        return dict.fromkeys(group for group in groups if isinstance(group, str))


def _fate(verdict: Verdict) -> Fate:
    if verdict.kept:
        return Fate.KEPT
    return Fate.FAILED if verdict.failed else Fate.FILTERED


def _uid(raw: RawRecord) -> str:
    uid = raw.get("uid")
    return uid if isinstance(uid, str) else ""
