"""This package, as a host uses it: ``AuthentikIntegration.directory_sync`` into an ``NdjsonSink``."""

import asyncio
from pathlib import Path

from benchmarks.job import Job
from openlane_authentik import AuthentikIntegration, NdjsonSink, Sink, UserInput, parse_credential
from openlane_authentik.operations.scope import Scope


def prepare(job: Job) -> "_Sync":
    """Compile the filter and make two small requests, so that all that is loaded on first use has been."""
    credential = parse_credential({"baseUrl": job.url, "token": job.token}, allow_http=True)
    sync = _Sync(job, AuthentikIntegration(credential))
    compile_filter(job)
    asyncio.run(sync.integration.installation_metadata())
    return sync


def compile_filter(job: Job) -> None:
    """Compile the filter of a job the way a run does."""
    Scope(UserInput(filter_expr=job.filter_expr))


class _Sync:
    def __init__(self, job: Job, integration: AuthentikIntegration) -> None:
        self.integration = integration
        self._job = job
        self._user_input = UserInput(filter_expr=job.filter_expr)
        self._checkpoint = Path(job.checkpoint).read_bytes() if job.checkpoint else None
        self._new_checkpoint: bytes | None = None

    def __call__(self) -> None:
        with Path(self._job.output).open("wb") as file:
            asyncio.run(self._sync(NdjsonSink(file)))
        if self._job.new_checkpoint and self._new_checkpoint is not None:
            Path(self._job.new_checkpoint).write_bytes(self._new_checkpoint)

    async def _sync(self, sink: Sink) -> None:
        result = await self.integration.directory_sync(
            sink, self._user_input, checkpoint=self._checkpoint, remember=bool(self._job.new_checkpoint)
        )
        self._new_checkpoint = result.checkpoint
        if result.run.exit_code != 0:
            raise RuntimeError(f"the sync proved nothing: {[warning.code for warning in result.run.warnings]}")
