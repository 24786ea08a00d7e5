"""Newline-delimited JSON: one line a record, one to close each set, one to close the run."""

from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from openlane_authentik.emit.envelope import Envelope, HeldBack, LeftOut, Line, PayloadSetClosing, Schema, SyncRun


class NdjsonSink:
    """Writes lines to a binary file as they come."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encoder = msgspec.json.Encoder()

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Write a line for each envelope."""
        self._file.write(self._encoder.encode_lines(envelopes))

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Write a line for each record."""
        self._file.write(self._encoder.encode_lines([LeftOut(schema=schema, key=key) for key in keys]))

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Write a line for each record."""
        self._file.write(self._encoder.encode_lines([HeldBack(schema=schema, key=key) for key in keys]))

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """Write the set's closing line."""
        self._write(closing)

    async def close_run(self, run: SyncRun) -> None:
        """Write the run's closing line, and see that all lines are out."""
        self._write(run)
        self._file.flush()

    def _write(self, line: Line) -> None:
        self._file.write(self._encoder.encode(line) + b"\n")
