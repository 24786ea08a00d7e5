"""What the tests of runs share: installations put straight into their table, and waiting for what must come."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import installation, worker
from openlane_authentik.host.host import Host
from openlane_authentik.host.runs import ClaimedRun, complete_run, settle_installation

LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)
# When what must come soon is given up: a busy machine may take long for anything.
SOON_SECONDS = 120.0


def add_installation(engine: sa.Engine, installation_id: str = "one", **values: Any) -> str:
    """Put an installation into its table: connected long ago, and due since then."""
    start = rfc3339(LONG_AGO)
    row: dict[str, Any] = {
        "id": installation_id,
        "organisation": "org-1",
        "definition_id": "def",
        "instance_id": installation_id,
        "name": installation_id,
        "status": "CONNECTED",
        "user_input": {},
        "config": {},
        "metadata": {},
        "is_primary": False,
        "version": 1,
        "timeout_seconds": 600,
        "interval_seconds": 1200,
        "failures_in_a_row": 0,
        "next_run_at": start,
        "breaker_share": 0.2,
        "breaker_least": 10,
        "keep_filter_copy": True,
        "filter_warnings": [],
        "created_at": start,
        "updated_at": start,
    }
    with transaction(engine) as held:
        held.execute(sa.insert(installation).values(**row | values))
    return installation_id


def look_up(engine: sa.Engine, table: sa.Table, **where: Any) -> list[Any]:
    """Return the rows with these values."""
    with reading(engine) as held:
        return list(held.execute(sa.select(table).where(*(table.c[name] == value for name, value in where.items()))))


def look_at(engine: sa.Engine, installation_id: str = "one") -> Any:
    """Return the row of an installation."""
    (row,) = look_up(engine, installation, id=installation_id)
    return row


def age_workers(engine: sa.Engine, *worker_ids: str) -> None:
    """Let the last beat of these workers, or of all, lie long ago, as if one had waited; none of them is there."""
    aged = sa.update(worker).values(beat_at=rfc3339(LONG_AGO))
    with transaction(engine) as held:
        held.execute(aged.where(worker.c.id.in_(worker_ids)) if worker_ids else aged)


def end_well(host: Host, claimed: ClaimedRun, *, changes: int = 1, now: datetime | None = None) -> None:
    """End a run as one that found so many changes."""
    moment = now or host.clock.now()
    with transaction(host.database) as held:
        complete_run(held, claimed, {"delta_count": changes}, moment)
        settle_installation(held, claimed, checkpoint=b"here", changes=changes, now=moment)


def wait_until(holds: Callable[[], object], seconds: float = SOON_SECONDS) -> float:
    """Wait until something holds; return how long that took."""
    begun = time.monotonic()
    while not holds():
        waited = time.monotonic() - begun
        assert waited < seconds, f"did not come within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun
