"""One run, as a process: a job on standard input, what it took on standard output."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa

from benchmarks.measure import measured
from openlane_authentik.definition import definition
from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, Schema, SyncRun
from openlane_authentik.host import runs, sync
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import SaveRequest, list_installations, save

FIRST: Final = "first sync"
FULL: Final = "full, unchanged"
DELTA: Final = "delta"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run; without a database its records go nowhere."""

    kind: str
    url: str
    token: str
    folder: str
    database_url: str | None


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What it took, and what it did: seconds, bytes, records received, and lines of the change log written."""

    wall: float
    cpu: float
    memory: int
    records: int
    changes: int
    mode: str


class _Nowhere:
    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Let records go."""

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Let keys go."""

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Let keys go."""

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """Let a set close."""

    async def close_run(self, run: SyncRun) -> None:
        """Let the run close."""


def main() -> None:
    """Run the job that standard input describes."""
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    taken = _stored(job) if job.database_url else _unstored(job)
    sys.stdout.write(msgspec.json.encode(taken).decode() + "\n")


def _unstored(job: Job) -> Taken:
    integration = definition.build({"baseUrl": job.url, "token": job.token})
    checkpoint = Path(job.folder) / "checkpoint"
    known = checkpoint.read_bytes() if job.kind == DELTA else None
    results = []

    def work() -> None:
        results.append(asyncio.run(integration.directory_sync(_Nowhere(), checkpoint=known)))

    usage = measured(work)
    (result,) = results
    if result.checkpoint is None:
        raise RuntimeError(f"the sync proved nothing: {[warning.code for warning in result.run.warnings]}")
    checkpoint.write_bytes(result.checkpoint)
    run = result.run
    return Taken(
        wall=usage.wall,
        cpu=usage.cpu,
        memory=usage.memory,
        records=run.full_count,
        changes=0,
        mode=run.mode,
    )


def _stored(job: Job) -> Taken:
    host = open_host(HostSettings(data_dir=Path(job.folder), database_url=job.database_url))
    try:
        if job.kind == FIRST:
            credential = {"baseUrl": job.url, "token": job.token}
            request = SaveRequest(organisation="benchmark", credential=credential)
            asyncio.run(save(host, definition.spec.id, request))
        return _run(host, job.kind)
    finally:
        host.close()


def _run(host: Host, kind: str) -> Taken:
    (shown,) = list_installations(host)
    with transaction(host.database) as held:
        if kind == FULL:
            held.execute(sa.update(installation).values(checkpoint=None))
        run_id = runs.request_run(held, shown.id, "manual", host.clock.now())
    if run_id is None:
        raise RuntimeError("a run is active")
    usage = measured(lambda: asyncio.run(sync.execute(host, run_id, 1, "benchmark")))
    with transaction(host.database) as held:
        run = runs.get_run(held, run_id)
    if run.status != "COMPLETED" or run.exit_code != 0:
        raise RuntimeError(f"the run proved nothing: {run.status} {run.error}")
    return Taken(
        wall=usage.wall,
        cpu=usage.cpu,
        memory=usage.memory,
        records=run.full_count or 0,
        changes=run.delta_count or 0,
        mode=run.mode or "",
    )


if __name__ == "__main__":
    main()
