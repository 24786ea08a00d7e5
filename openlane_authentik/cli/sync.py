"""Run one sync from the command line."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from openlane_authentik.cli.console import progress_bar
from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, SyncRun
from openlane_authentik.emit.ndjson import NdjsonSink
from openlane_authentik.emit.output import open_output
from openlane_authentik.emit.payload_sets import PayloadSetsSink
from openlane_authentik.emit.sink import Sink
from openlane_authentik.integration import AuthentikIntegration
from openlane_authentik.settings import DirectorySyncConfig, UserInput


class OutputFormat(StrEnum):
    """How envelopes are written."""

    NDJSON = "ndjson"
    PAYLOAD_SETS = "payload-sets"


class Summary:
    """A sink that hands everything on, and remembers what closed the sets and the first record of each kind."""

    def __init__(self, sink: Sink) -> None:
        self.closings: list[PayloadSetClosing] = []
        self.examples: dict[str, Envelope] = {}
        self._sink = sink

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Hand envelopes on."""
        if envelopes:
            self.examples.setdefault(envelopes[0].schema, envelopes[0])
        await self._sink.accept(envelopes)

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """Hand a closing on."""
        self.closings.append(closing)
        await self._sink.close_set(closing)

    async def close_run(self, run: SyncRun) -> None:
        """Hand the run's closing on."""
        await self._sink.close_run(run)


async def sync_to(
    integration: AuthentikIntegration,
    user_input: UserInput,
    config: DirectorySyncConfig,
    output: Path | None,
    shape: OutputFormat,
    console: Console,
) -> tuple[SyncRun, Summary]:
    """Sync into standard output or a file.

    Raises:
        OutputError: It cannot be written.
        IntegrationError: The run failed; a file was not written.
    """
    with open_output(output) as file, progress_bar(console) as progress:
        sink = NdjsonSink(file) if shape is OutputFormat.NDJSON else PayloadSetsSink(file)
        summary = Summary(sink)
        return await integration.directory_sync(summary, user_input, config, progress), summary
