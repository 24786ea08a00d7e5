"""Figures for Prometheus, computed from the database when they are asked for, whichever process is asked.

They need the API token, on loopback too: a page of a foreign site can reach loopback through a browser by a name that
it lets point there. Prometheus sends it by ``authorization: {credentials_file: ...}``.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import attention, installation, sync_run
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import InstallationStatus
from openlane_authentik.host.scheduling.workers import live_workers
from openlane_authentik.host.store.breaker import OPEN
from openlane_authentik.host.web.routes import Answer, Call, Operation

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_RUN_STATUSES: Final = ("PENDING", "RUNNING", "COMPLETED", "FAILED")
_PREFIX: Final = "openlane_host"


class HostCollector(Collector):
    """Reads the figures from one state of the database."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def describe(self) -> Iterator[Metric]:
        """Return nothing: to register a collector needs no database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return the figures.

        Raises:
            DatabaseUnreachableError: See ``reading``.
        """
        with reading(self._host.database) as held:
            yield _by_status("installations", "Installations by status.", held, installation, tuple(InstallationStatus))
            yield _by_status("runs", "Runs in the ledger by status.", held, sync_run, _RUN_STATUSES)
            yield self._ages(held)
            yield _changes(held)
            yield _attention(held)
        workers = GaugeMetricFamily(f"{_PREFIX}_workers", "Workers that have said lately that they live.")
        workers.add_metric([], len(live_workers(self._host)))
        yield workers

    def _ages(self, held: sa.Connection) -> Metric:
        ages = GaugeMetricFamily(
            f"{_PREFIX}_seconds_since_completed_run",
            "Seconds since the last run of a connected installation that completed; absent before the first.",
            labels=["installation"],
        )
        now = self._host.clock.now()
        columns = sync_run.c
        rows = held.execute(
            sa.select(columns.installation_id, sa.func.max(columns.completed_at).label("last"))
            .join(installation, installation.c.id == columns.installation_id)
            .where(columns.status == "COMPLETED", installation.c.status != InstallationStatus.DISABLED)
            .group_by(columns.installation_id)
        )
        for row in rows:
            ages.add_metric([row.installation_id], (now - datetime.fromisoformat(row.last)).total_seconds())
        return ages


def metrics(call: Call) -> Response:
    """Answer with the figures."""
    registry = CollectorRegistry()
    registry.register(HostCollector(call.host))
    return Response(generate_latest(registry), media_type=MEDIA_TYPE)


def _by_status(
    name: str, text: str, held: sa.Connection, table: sa.Table, statuses: tuple[str, ...]
) -> GaugeMetricFamily:
    figures = GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=["status"])
    rows = held.execute(sa.select(table.c.status, sa.func.count().label("many")).group_by(table.c.status))
    found: dict[Any, Any] = {row.status: row.many for row in rows}
    for status in statuses:
        figures.add_metric([str(status)], found.get(str(status), 0))
    return figures


def _changes(held: sa.Connection) -> CounterMetricFamily:
    # The ledger's own sums: to count the change log itself would read all of it.
    figures = CounterMetricFamily(
        f"{_PREFIX}_changes", "Lines that runs wrote into the change log.", labels=["installation"]
    )
    columns = sync_run.c
    rows = held.execute(
        sa.select(installation.c.id, sa.func.coalesce(sa.func.sum(columns.delta_count), 0).label("many"))
        .outerjoin(sync_run, columns.installation_id == installation.c.id)
        .group_by(installation.c.id)
    )
    for row in rows:
        figures.add_metric([row.id], float(row.many))
    return figures


def _attention(held: sa.Connection) -> GaugeMetricFamily:
    figures = GaugeMetricFamily(
        f"{_PREFIX}_attention_open", "Questions that wait for an operator.", labels=["installation"]
    )
    rows = held.execute(
        sa.select(installation.c.id, sa.func.count(attention.c.id).label("many"))
        .outerjoin(attention, sa.and_(attention.c.installation_id == installation.c.id, attention.c.status == OPEN))
        .group_by(installation.c.id)
    )
    for row in rows:
        figures.add_metric([row.id], row.many)
    return figures


OPERATION: Final = Operation(
    method="GET",
    path="/metrics",
    name="getMetrics",
    summary="Figures for Prometheus.",
    handler=metrics,
    answers={200: Answer("The figures, in Prometheus' text format.", None, ("text/plain",))},
)
