"""Users on their way to account envelopes, while the next pages are being read."""

from collections.abc import Sequence
from typing import Any

from openlane_authentik.authentik.pages import RawRecord, user_pk
from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.directory.index import DirectoryIndex, Outcome
from openlane_authentik.directory.passes import record_key
from openlane_authentik.directory.replaced import replaced, uids_differ
from openlane_authentik.emit.envelope import Envelope, Removed, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.filter_copy import CopyWriter
from openlane_authentik.operations.scope import Scope, outcome
from openlane_authentik.operations.tally import Tally
from openlane_authentik.records.account import map_account
from openlane_authentik.records.context import MappingContext, text


class AccountEmitter:
    """Filters, maps and hands over each user once, and notes in the index what became of it.

    Args:
        scope: Filter and switches.
        context: Of this run.
        index: To be filled with everybody met.
        sink: Takes the envelopes.
        clock: Stamps them.
        known: Who was known before, if that is remembered.
        renewed: Whether the token's own account is known by another ``uid`` than then.
        copy: Is given everybody read.

    Attributes:
        tally: Of the accounts.
        index: Everybody met who is not gone.
        outdated: Users who have changed since their account was handed over.
    """

    def __init__(
        self,
        scope: Scope,
        context: MappingContext,
        index: DirectoryIndex,
        sink: Sink,
        clock: Clock,
        known: DirectoryIndex | None = None,
        *,
        renewed: bool = False,
        copy: CopyWriter | None = None,
    ) -> None:
        self.tally = Tally(Schema.ACCOUNT)
        self.index = index
        self.outdated: set[int] = set()
        self._scope = scope
        self._context = context
        self._sink = sink
        self._clock = clock
        self._known = known
        self._renewed = renewed
        self._copy = copy
        self._uid_changed = False
        self._without_pk: set[Any] = set()
        # What became of the account of those who are gone again, and their uid, "" if they have none.
        self._gone: dict[int, tuple[Outcome, str]] = {}

    @property
    def without_pk(self) -> int:
        """How many users have no usable ``pk``."""
        return len(self._without_pk)

    @property
    def absent(self) -> Sequence[int]:
        """Users who are believed to be gone: first those handed over, then those only known before."""
        known = self._known.pks if self._known is not None else frozenset()
        return [*sorted(self._gone), *sorted(known - self.index.pks - self._gone.keys())]

    @property
    def uids_differ(self) -> bool:
        """Whether one user was shown with two uids, which one installation of authentik never does."""
        if self._uid_changed or self._known is None or self._renewed:
            return self._uid_changed
        return uids_differ(self._known, self.index)

    async def accept(self, rows: list[RawRecord]) -> int:
        """Take a page of raw users; those already met are passed over. Return how many were new."""
        self._context.seen_at = rfc3339(self._clock.now())
        envelopes: list[Envelope] = []
        new = 0
        met = self.index.pks
        for raw in rows:
            pk = user_pk(raw)
            if pk is None:
                key = record_key(raw)
                if key in self._without_pk:
                    continue
                self._without_pk.add(key)
                self.tally.count(Outcome.UNNAMED, "no_pk")
            elif pk in met:
                continue
            elif pk in self._gone:
                self._note_again(pk, raw, self._gone.pop(pk)[0])
            else:
                self._take(pk, raw, envelopes)
            new += 1
        self.tally.emitted += len(envelopes)
        if envelopes:
            await self._sink.accept(envelopes)
        await self.tally.tell(self._sink)
        return new

    async def accept_again(self, pk: int, raw: RawRecord) -> None:
        """Replace what was noted of a user who was read again; an account handed over stays as it was."""
        if pk in self.index:
            self._note_again(pk, raw, self.index.outcome_of(pk))
        else:
            await self.accept([raw])

    async def gone(self, pk: int) -> None:
        """Take note that a user is gone; an account handed over, left out or held back is named in the closing."""
        if pk in self.index:
            self._gone[pk] = (self.index.outcome_of(pk), text(self.index.identity(pk).get("uid")))
            self.index.drop(pk)
            if self._copy is not None:
                self._copy.drop(pk)

    def removed(self) -> list[Removed]:
        """Return the accounts to be ended: read and gone since, or known before by another ``uid``."""
        gone = [Removed(resource=uid, evidence="absent") for _, uid in self._gone.values() if uid]
        pairs = replaced(self._known, self.index) if self._known is not None and self._renewed else ()
        return gone + [Removed(resource=old, evidence="replaced", successor=new) for old, new in pairs]

    def _note_again(self, pk: int, raw: RawRecord, account: Outcome) -> None:
        self._uid_changed |= pk in self.index and not self.index.has_uid_of(pk, raw)
        verdict = self._scope.judge(raw, "uid")
        groups, outcomes = self._scope.judge_memberships(raw, verdict)
        self._note(pk, raw, account, groups, outcomes if account is Outcome.KEPT else [account] * len(groups))
        self.outdated.add(pk)

    def _take(self, pk: int, raw: RawRecord, envelopes: list[Envelope]) -> None:
        verdict = self._scope.judge(raw, "uid")
        account = outcome(verdict)
        if verdict.kept:
            record = map_account(raw, self._context)
            envelopes.append(Envelope(schema=Schema.ACCOUNT, resource=raw["uid"], payload=raw, record=record))
        else:
            self.tally.count(account, verdict.reason)
            self.tally.name(account, verdict.reason, raw.get("uid"))
        self._note(pk, raw, account, *self._scope.judge_memberships(raw, verdict))

    def _note(self, pk: int, raw: RawRecord, account: Outcome, groups: list[str], outcomes: list[Outcome]) -> None:
        self.index.note(pk, raw, account, groups, outcomes)
        if self._copy is not None:
            self._copy.add(pk, raw)
