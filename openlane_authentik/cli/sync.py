"""Run one sync from the command line."""

import gc
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec
from rich.console import Console

from openlane_authentik.cli.console import progress_bar
from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, Schema, SyncRun
from openlane_authentik.emit.ndjson import NdjsonSink
from openlane_authentik.emit.output import open_output
from openlane_authentik.emit.payload_sets import PayloadSetsSink
from openlane_authentik.emit.sink import Sink
from openlane_authentik.errors import OutputError
from openlane_authentik.integration import AuthentikIntegration
from openlane_authentik.operations.directory_sync import SyncResult
from openlane_authentik.remedies import Surface, retold
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

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Hand on who was left out."""
        await self._sink.leave_out(schema, keys)

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Hand on who was held back."""
        await self._sink.hold_back(schema, keys)

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """Hand a closing on."""
        self.closings.append(closing)
        await self._sink.close_set(closing)

    async def close_run(self, run: SyncRun) -> None:
        """Hand the run's closing on, with what to do in the words of the command line."""
        if run.error is not None:
            told = msgspec.structs.replace(run.error, remedy=retold(run.error.remedy, Surface.COMMAND))
            run = msgspec.structs.replace(run, error=told)
        await self._sink.close_run(run)


async def sync_to(
    integration: AuthentikIntegration,
    user_input: UserInput,
    config: DirectorySyncConfig,
    output: Path | None,
    shape: OutputFormat,
    console: Console,
    checkpoint: bytes | None = None,
    *,
    remember: bool = False,
) -> tuple[SyncResult, Summary]:
    """Sync into standard output or a file.

    Raises:
        OutputError: It cannot be written.
        IntegrationError: The run failed; a file was not written.
    """
    # What was imported lives to the end of the process: the collector need not look at it again and again.
    gc.freeze()
    with open_output(output) as file, progress_bar(console) as progress:
        sink = NdjsonSink(file) if shape is OutputFormat.NDJSON else PayloadSetsSink(file)
        summary = Summary(sink)
        result = await integration.directory_sync(
            summary, user_input, config, checkpoint=checkpoint, remember=remember, progress=progress
        )
    return result, summary


def read_checkpoint(path: Path) -> bytes | None:
    """Read a checkpoint file; None if it is not there, or is a pipe or a device, which keeps nothing.

    Raises:
        OutputError: It is there and cannot be read.
    """
    try:
        return None if _keeps_nothing(path) else path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise OutputError(f"the checkpoint {path} cannot be read: {error}") from error


def keep_checkpoint(path: Path, result: SyncResult) -> None:
    """Replace the checkpoint file by that of a run that was proven, and take it away after any other.

    Records of a run that was not proven may have been taken over; only a full run can tell which of them are gone.
    Where ``path`` is a link the file it points to is meant. A pipe or a device is left alone.

    Raises:
        OutputError: It cannot be written, or not be taken away.
    """
    if _keeps_nothing(path):
        return
    if result.checkpoint is not None:
        with open_output(path) as file:
            file.write(result.checkpoint)
        return
    try:
        path.resolve().unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"the checkpoint {path} is of an older run and cannot be removed ({error.strerror}): "
            "remove it before the next run"
        ) from error


def _keeps_nothing(path: Path) -> bool:
    return path.exists() and not (path.is_file() or path.is_dir())
