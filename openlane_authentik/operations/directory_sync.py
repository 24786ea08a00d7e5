"""DirectorySync: the whole path, from the pages of authentik to envelopes and what is proven of them.

    read (directory/) -> keep (filter/) -> map (records/) -> enclose and hand over (emit/)

Accounts are handed over while users are read; with a checkpoint, when it is proven who changed. No set is closed
before everything was read and held against each other, so that no line can claim completeness for a run that fails
later.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.releases import OLDEST_SUPPORTED, Release
from openlane_authentik.clock import rfc3339
from openlane_authentik.directory.checkpoint import Bounds, Checkpoint
from openlane_authentik.directory.completeness import exit_code
from openlane_authentik.directory.index import DirectoryIndex, Outcome
from openlane_authentik.directory.logins import logins_from
from openlane_authentik.directory.unsettled import UnsettledError
from openlane_authentik.directory.visibility import read_me
from openlane_authentik.emit.envelope import (
    PayloadSetClosing,
    RunFailure,
    RunStatus,
    RunWarning,
    SyncRun,
)
from openlane_authentik.emit.filter_copy import FilterCopy
from openlane_authentik.emit.sink import Sink
from openlane_authentik.errors import DeadlineError, IntegrationError, ReleaseTooOldError
from openlane_authentik.log import get_logger
from openlane_authentik.operations.accounts import AccountEmitter
from openlane_authentik.operations.changed_accounts import ChangedAccounts
from openlane_authentik.operations.closing import Verdicts
from openlane_authentik.operations.collection import Collected, Collector, Progress
from openlane_authentik.operations.filter_copy import CopyWriter
from openlane_authentik.operations.groups import emit_groups
from openlane_authentik.operations.memberships import emit_memberships
from openlane_authentik.operations.scope import Scope
from openlane_authentik.operations.starting_point import known_before, starting_point
from openlane_authentik.operations.version import read_release
from openlane_authentik.records.context import MappingContext
from openlane_authentik.settings import DirectorySyncConfig

_log = get_logger()


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync gives.

    Attributes:
        run: The line that closed the run.
        checkpoint: Where the next sync can begin; None when it was not asked for, when not every set was read
            completely, or when the release is too old for it (before 2025.8). Opaque, and to be kept like the records:
            it holds people's names.
        filter_copy: For the preview of a filter; None when it was not asked for.

    A delta goes on from all that the run of its checkpoint told, and tells nothing of it twice. Who keeps a checkpoint
    must have taken over, of every set of that run, the envelopes, who was left out and held back, who is gone by
    ``read_complete`` (see ``Sink``), and ``removed``, or some removals are lost for ever. Who goes by envelopes and
    ``snapshot_complete`` alone must not keep the checkpoint of a full run with a set that lacks it. After taking over
    the records of a run that gave none, begin the next run without one: only a full run tells which of those records
    are gone.
    """

    run: SyncRun
    checkpoint: bytes | None = field(repr=False)
    filter_copy: FilterCopy | None = field(repr=False, default=None)


class DirectorySync:
    """One run."""

    def __init__(
        self,
        client: AuthentikClient,
        sink: Sink,
        scope: Scope,
        context: MappingContext,
        config: DirectorySyncConfig,
        progress: Progress,
    ) -> None:
        self._client = client
        self._sink = sink
        self._scope = scope
        self._context = context
        self._config = config
        self._progress = progress
        self._release: Release | None = None
        self._mode = "delta"
        self._remember = False
        self._copy = False
        self._full_reason: str | None = None
        self._started_at = client.clock.now()
        self._started = client.clock.monotonic()
        self._closings: list[PayloadSetClosing] = []

    async def run(self, checkpoint: bytes | None, *, remember: bool, copy: bool = False) -> SyncResult:
        """Read, filter, map and hand over the directory, and close each set with what was proven.

        Args:
            checkpoint: Of the last run, if there is one. If it cannot be continued everything is read; whom it knows
                is then asked for all the same, if it is of the same address.
            remember: Whether to give a checkpoint for the next run.
            copy: Whether to give a copy for the preview of a filter.

        Raises:
            IntegrationError: The run failed; the sink was told so in its ``close_run``.
        """
        self._remember = remember
        self._copy = copy
        _log.info("sync started", directory=self._context.directory_instance_id, scope=self._scope.fingerprint)
        try:
            with _deadline_as_error():
                async with asyncio.timeout(self._config.timeout_seconds):
                    result = await self._run(checkpoint)
        except IntegrationError as error:
            run = self._closing_line(RunStatus.FAILED, [], error.exit_code, error)
            _log.error("sync failed", code=error.code, seen=str(error), **run.stats)
            await self._sink.close_run(run)
            raise
        await self._sink.close_run(result.run)
        _log.info(
            "sync finished",
            mode=result.run.mode,
            exit_code=result.run.exit_code,
            emitted={closing.schema.value: closing.counts.emitted for closing in self._closings},
            unproven={closing.schema.value: closing.reasons for closing in self._closings if closing.reasons},
            **result.run.stats,
        )
        return result

    async def _run(self, checkpoint: bytes | None) -> SyncResult:
        self._release = await read_release(self._client)
        if self._release is not None and self._release < OLDEST_SUPPORTED:
            raise ReleaseTooOldError(f"this is authentik {self._release.text}")
        me = await read_me(self._client)
        bounds = Bounds(self._context.directory_instance_id, me.uid, self._scope.fingerprint)
        collector = Collector(self._client, self._release, me, self._config, self._progress)
        try:
            return await self._run_delta(collector, checkpoint, bounds)
        except UnsettledError as error:
            self._mode, self._full_reason = "full", error.reason
        _log.info("reading everything", reason=self._full_reason)
        return await self._run_full(collector, checkpoint, bounds)

    async def _run_full(self, collector: Collector, checkpoint: bytes | None, bounds: Bounds) -> SyncResult:
        with ExitStack() as opened:
            index = opened.enter_context(DirectoryIndex())
            known = known_before(checkpoint, bounds.instance)
            earlier = opened.enter_context(known.index) if known is not None else None
            clock = self._client.clock
            renewed = known is not None and known.bounds.account != bounds.account
            copy = CopyWriter() if self._copy else None
            accounts = AccountEmitter(
                self._scope, self._context, index, self._sink, clock, earlier, renewed=renewed, copy=copy
            )
            collected = await collector.everything(accounts, with_groups=self._scope.groups)
            return await self._hand_over(collected, accounts, bounds, self._started_at, copy)

    async def _run_delta(self, collector: Collector, checkpoint: bytes | None, bounds: Bounds) -> SyncResult:
        interval = timedelta(seconds=self._config.full_sync_interval_seconds)
        known = starting_point(checkpoint, bounds, self._release, self._scope, self._started_at, interval)
        copy = CopyWriter() if self._copy else None
        with (
            known.index as index,
            ChangedAccounts(self._scope, self._context, index, self._sink, self._client.clock, copy=copy) as accounts,
        ):
            collected = await collector.changes(accounts, known)
            if collected.logins_left and "last_login" in self._scope.filter.payload_fields:
                raise UnsettledError("filter_needs_full")
            await accounts.hand_over()
            return await self._hand_over(collected, accounts, bounds, known.full_at, copy)

    async def _hand_over(
        self,
        collected: Collected,
        accounts: AccountEmitter | ChangedAccounts,
        bounds: Bounds,
        full_at: datetime,
        copy: CopyWriter | None,
    ) -> SyncResult:
        """Close the accounts, hand over groups and memberships, and close them."""
        verdicts = Verdicts(collected, self._scope)
        index, delta = accounts.index, self._mode == "delta"
        known = index.outcomes() + Counter({Outcome.UNNAMED: accounts.without_pk})
        removed = accounts.removed()
        await self._close(verdicts.close(accounts.tally, known, removed if removed or delta else None, delta=delta))
        groups_copy = CopyWriter() if copy is not None and collected.groups is not None else None
        if collected.groups is not None:
            self._context.seen_at = rfc3339(self._client.clock.now())
            rows = collected.groups.rows()
            groups, outcomes = await emit_groups(rows, self._scope, self._context, self._sink, groups_copy)
            await self._close(verdicts.close(groups))
            differences = collected.reconciled.differences
            memberships = await emit_memberships(index, outcomes, differences, self._context, self._sink)
            await self._close(verdicts.close(memberships))
        code = exit_code(verdicts.reasons)
        run = self._closing_line(RunStatus.COMPLETED, [*self._warnings(verdicts)], code, None)
        filter_copy = None
        if copy is not None:
            packed = groups_copy.to_bytes() if groups_copy is not None else None
            filter_copy = FilterCopy(whole=not delta, accounts=copy.to_bytes(), groups=packed)
        if code != 0 or not self._can_begin_again:
            return SyncResult(run, None, filter_copy)
        checkpoint = Checkpoint(
            bounds=bounds,
            taken_at=self._started_at,
            full_at=full_at,
            logins_from=self._logins_from(collected, index),
            groups=collected.groups.keys() if collected.groups is not None else None,
            outdated=sorted(accounts.outdated & index.pks),
            index=index,
        )
        return SyncResult(run, checkpoint.to_bytes(), filter_copy)

    def _logins_from(self, collected: Collected, index: DirectoryIndex) -> int | None:
        if self._release is None or not self._release.has_login_filter:
            return None
        if collected.logins_left:
            return collected.logins_from
        seconds = self._client.clock.monotonic() - self._started
        return logins_from(index.newest_login, self._started_at, seconds)

    @property
    def _can_begin_again(self) -> bool:
        return self._remember and self._release is not None and self._release.has_date_filters

    async def _close(self, closing: PayloadSetClosing) -> None:
        self._closings.append(closing)
        await self._sink.close_set(closing)

    def _warnings(self, verdicts: Verdicts) -> Iterator[RunWarning]:
        for diagnostic in self._scope.filter.warnings:
            yield RunWarning(code=diagnostic.code, message=diagnostic.message)
        yield from verdicts.warnings()
        for kind, times in sorted(self._context.unknown_types.items()):
            yield RunWarning(
                code="unknown_user_type", message=f"{times} users are of the type {kind!r}, taken for USER"
            )

    def _closing_line(
        self, status: RunStatus, warnings: list[RunWarning], code: int, error: IntegrationError | None
    ) -> SyncRun:
        clock = self._client.clock
        return SyncRun(
            status=status,
            started_at=rfc3339(self._started_at),
            completed_at=rfc3339(clock.now()),
            directory_instance_id=self._context.directory_instance_id,
            release=self._release.text if self._release else None,
            mode=self._mode,
            full_reason=self._full_reason,
            scope=self._scope.fingerprint,
            full_count=sum(closing.counts.emitted for closing in self._closings),
            stats={
                "seconds": round(clock.monotonic() - self._started, 3),
                "requests": self._client.requests,
                "retries": self._client.budget.retries,
            },
            warnings=warnings,
            error=_failure(error) if error is not None else None,
            exit_code=code,
        )


def _failure(error: IntegrationError) -> RunFailure:
    return RunFailure(code=error.code, message=str(error), remedy=error.remedy, recovery=error.recovery)


@contextmanager
def _deadline_as_error() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise DeadlineError("the run's time limit has passed") from error
