"""What is due: the one place that turns a schedule into runs, and runs that wait into work for the engine."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import installation, sync_run
from openlane_authentik.host.errors import DatabaseError
from openlane_authentik.host.runs import ACTIVE, request_run, wait_briefly

if TYPE_CHECKING:
    from openlane_authentik.host.host import Host


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt that no worker has claimed yet."""

    run_id: str
    attempt: int
    timeout_seconds: int


def tick(host: "Host", enqueue: Callable[[Sequence[Waiting]], None], now: datetime) -> None:
    """Request a run of every installation that is due, and hand every run that waits to the engine.

    Any number of workers may do so at the same time, and as often as they like: an installation gets no second run
    while one is active, and the engine knows an attempt that it was handed before.

    Raises:
        DatabaseUnreachableError: See ``reading``.
    """
    for installation_id in _due(host.database, now):
        with suppress(DatabaseError), transaction(host.database) as held:
            wait_briefly(held)  # whoever holds it must not keep the others from their runs
            request_run(held, installation_id, "schedule", now)
    waiting = _waiting(host.database)
    if waiting:
        enqueue(waiting)


def _due(engine: sa.Engine, now: datetime) -> list[str]:
    active = sa.select(sync_run.c.id).where(
        sync_run.c.installation_id == installation.c.id, sync_run.c.status.in_(ACTIVE)
    )
    with reading(engine) as held:
        return list(
            held.scalars(
                sa.select(installation.c.id)
                .where(
                    installation.c.next_run_at <= rfc3339(now),
                    installation.c.status.in_(("PENDING", "CONNECTED")),
                    ~active.exists(),
                )
                .order_by(installation.c.next_run_at)
            )
        )


def _waiting(engine: sa.Engine) -> list[Waiting]:
    with reading(engine) as held:
        rows = held.execute(
            sa.select(sync_run.c.id, sync_run.c.attempt, installation.c.timeout_seconds)
            .join(installation, installation.c.id == sync_run.c.installation_id)
            .where(sync_run.c.status == "PENDING")
            .order_by(sync_run.c.requested_at, sync_run.c.id)
        )
        return [Waiting(row.id, row.attempt, row.timeout_seconds) for row in rows]
