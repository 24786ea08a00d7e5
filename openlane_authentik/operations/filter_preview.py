"""Telling what a filter would leave out, before any sync runs with it."""

import asyncio
from collections.abc import Container, Iterator, Sequence
from itertools import islice

from openlane_authentik.directory.index import Outcome
from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, Schema, SyncRun
from openlane_authentik.emit.filter_copy import FilterCopy, LeftOutSink
from openlane_authentik.filter.fields import WHOLE_PAYLOAD
from openlane_authentik.operations.batches import BATCH
from openlane_authentik.operations.filter_copy import NOT_HELD, read_copy
from openlane_authentik.operations.scope import Scope, outcome
from openlane_authentik.operations.tally import Key


def judges_by_copy(scope: Scope, copies: Sequence[FilterCopy]) -> bool:
    """Whether copies hold all that a scope looks at."""
    named = scope.filter.payload_fields
    if not copies or not copies[0].whole or WHOLE_PAYLOAD in named or named & NOT_HELD:
        return False
    return not scope.groups or copies[-1].groups is not None


async def preview_by_copy(scope: Scope, copies: Sequence[FilterCopy], sink: LeftOutSink) -> None:
    """Name to the sink each record of the copies that a scope would leave out, and let others work meanwhile.

    Raises:
        ValueError: A copy is damaged.
    """
    groups = set(_groups_left_out(scope, copies)) if scope.groups else set()
    await sink.leave_out(Schema.GROUP, [(group,) for group in sorted(groups)])
    judged = _judge_accounts(scope, copies, groups)
    while some := list(islice(judged, BATCH)):
        for schema in (Schema.ACCOUNT, Schema.MEMBERSHIP):
            if keys := [key for left_out in some for kind, key in left_out if kind is schema]:
                await sink.leave_out(schema, keys)
        await asyncio.sleep(0)


def _groups_left_out(scope: Scope, copies: Sequence[FilterCopy]) -> Iterator[str]:
    for raw in read_copy([copies[-1].groups or b""]):
        if outcome(scope.judge(raw, "pk")) is Outcome.FILTERED:
            yield raw["pk"]


def _judge_accounts(
    scope: Scope, copies: Sequence[FilterCopy], groups: Container[str]
) -> Iterator[list[tuple[Schema, Key]]]:
    """Return what is left out of each user: the account, or memberships in groups that are not left out."""
    for raw in read_copy([copy.accounts for copy in copies]):
        verdict = scope.judge(raw, "uid")
        if outcome(verdict) is Outcome.FILTERED:
            yield [(Schema.ACCOUNT, (raw["uid"],))]
        elif verdict.kept:
            judged = zip(*scope.judge_memberships(raw, verdict), strict=True)
            filtered = [group for group, its in judged if its is Outcome.FILTERED and group not in groups]
            yield [(Schema.MEMBERSHIP, (raw["uid"], group)) for group in filtered]
        else:
            yield []


class LeftOutOnly:
    """Passes on what a sync leaves out, and nothing else of it.

    Args:
        sink: Takes it.
    """

    def __init__(self, sink: LeftOutSink) -> None:
        self._sink = sink

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Let records go."""

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Pass on the keys."""
        await self._sink.leave_out(schema, keys)

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Let keys go: what is held back stays as it is."""

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """Let a closing go."""

    async def close_run(self, run: SyncRun) -> None:
        """Let the closing go."""
