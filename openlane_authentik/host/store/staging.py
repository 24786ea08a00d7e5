"""Where a run's records wait until all of it is known: temporary tables of one connection, seen by nobody else.

Both databases drop them with the connection, so that a worker that dies leaves nothing behind. SQLite keeps them in a
file of their own: while a run collects, other writers wait for nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from openlane_authentik.clock import Clock, rfc3339
from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, Schema, SyncRun
from openlane_authentik.host.database.connections import POSTGRESQL, connection
from openlane_authentik.host.errors import CollectionFailedError
from openlane_authentik.host.store import kinds
from openlane_authentik.host.store.kinds import KINDS
from openlane_authentik.host.store.rows import Row, row_of

Result = TypeVar("Result")

_ROWS: Final = 5_000
_MEGABYTES: Final = 64


async def in_thread(work: Callable[..., Result], *arguments: Any) -> Result:
    """Do something that must come to its end in a thread: who is cancelled meanwhile waits for it first.

    A connection must not be closed under the hands of a thread that uses it.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            # Who is cancelled twice waits all the same.
            with suppress(asyncio.CancelledError):
                await asyncio.wait({working})
        if not working.cancelled():
            # Nobody is left whom its error could be told.
            working.exception()
        raise


class Staging(AbstractContextManager["Staging"]):
    """Takes what a sync emits, as its sink.

    Attributes:
        closings: The sets closed so far.
        held: The connection that has the records.
    """

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self.closings: dict[Schema, PayloadSetClosing] = {}
        self._engine = engine
        self._clock = clock
        self._waiting: dict[str, list[Row]] = {}
        # Pages are read side by side, and a connection takes one statement at a time.
        self._one_at_a_time = asyncio.Lock()

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            self.held = entered.enter_context(connection(self._engine))
            # With the connection itself the temporary tables go.
            self.held.detach()
            # Temporary tables need no lock on the database's own.
            self.held.execution_options(reads_only=True)
            with self.held.begin():
                self._set(temp_buffers=_MEGABYTES)
                for table in kinds.staged.tables.values():
                    self.held.execute(CreateTable(table))
            self._connected = entered.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connected.__exit__(kind, error, trace)

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Stage records."""
        if envelopes:
            now = rfc3339(self._clock.now())
            kind = KINDS[envelopes[0].schema]
            await self._stage(kind.staged, lambda envelope: row_of(envelope, now), envelopes)

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Note records that are there and left out."""
        await self._stage(kinds.left_out, lambda key: _names(schema, *key), keys)

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Note records that are there and of which nothing else is known."""
        await self._stage(kinds.held_back, lambda key: _names(schema, *key), keys)

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """Note what was proven of a set, and of a delta who is no more."""
        self.closings[closing.schema] = closing
        gone = closing.removed or []
        await self._stage(
            kinds.told_ended, lambda one: _names(closing.schema, one.resource) | {"evidence": one.evidence}, gone
        )

    async def close_run(self, run: SyncRun) -> None:
        """Nothing: what closed the run is the result of the sync."""

    def flush(self) -> None:
        """Stage what still waits, and see that every record emitted is there, once, in a set that was closed.

        Raises:
            CollectionFailedError: Two records have the same key, some were not handed over, or no accounts were closed.
        """
        if Schema.ACCOUNT not in self.closings:
            raise CollectionFailedError("the run came to its end without closing its accounts")
        for table in kinds.staged.tables.values():
            self.settle(table)
        with self.held.begin():
            for schema, kind in KINDS.items():
                staged = self.held.scalar(sa.select(sa.func.count()).select_from(kind.staged))
                emitted = self.closings[schema].counts.emitted if schema in self.closings else 0
                if staged != emitted:
                    raise CollectionFailedError(f"{emitted} records of {schema.value} were emitted, and {staged} came")

    def settle(self, table: sa.Table) -> None:
        """Stage what still waits for one table, and make its rows quick to find.

        Raises:
            CollectionFailedError: Two records have the same key.
        """
        self._write(table, self._waiting.pop(table.name, []))
        try:
            with self.held.begin():
                for index in table.indexes:
                    index.create(self.held)
                kinds.analyze(self.held, table)
        except IntegrityError:
            raise CollectionFailedError(f"two records of {table.name} have the same key") from None

    def begin(self) -> AbstractContextManager[object]:
        """Begin the transaction that takes the records over, on this very connection."""
        with self.held.begin():
            # Joins of all that a run received with all that is there, which should not go through files.
            self._set(work_mem=_MEGABYTES)
        self.held.execution_options(reads_only=False)
        return self.held.begin()

    def _set(self, **megabytes: int) -> None:
        """Give this connection's server process more memory, where it has one."""
        if self.held.dialect.name == POSTGRESQL:
            for name, number in megabytes.items():
                self.held.exec_driver_sql(f"SET {name} = '{number}MB'")

    async def _stage(self, table: sa.Table, row: Callable[[Any], Row], things: Iterable[Any]) -> None:
        waiting = self._waiting.setdefault(table.name, [])
        waiting.extend(map(row, things))
        if len(waiting) >= _ROWS:
            # Out of the way before anything is awaited: others add rows meanwhile.
            del self._waiting[table.name]
            async with self._one_at_a_time:
                await in_thread(self._write, table, waiting)

    def _write(self, table: sa.Table, rows: list[Row]) -> None:
        if rows:
            with self.held.begin():
                self.held.execute(sa.insert(table), rows)


def _names(schema: Schema, external_id: str, group_id: str = "") -> Row:
    return {"schema": schema.value, "external_id": external_id, "group_id": group_id}
