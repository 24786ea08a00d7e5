"""The host's own shape: one JSON array of payload sets, written as the records come."""

from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, RunStatus, Schema, SyncRun


class PayloadSetsSink:
    """Writes ``[{"schema", "envelopes": [...], "snapshotComplete"}, ...]``.

    A run that fails leaves an array that never ends, which no JSON reader takes for whole.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encoder = msgspec.json.Encoder()
        self._before_set = b"["
        self._before_envelope = b""

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Write the envelopes into the set at hand, opening it with the first."""
        for envelope in envelopes:
            self._open(envelope.schema)
            shape = {"resource": envelope.resource, "action": envelope.action, "payload": envelope.payload}
            self._file.write(self._before_envelope + self._encoder.encode(shape))
            self._before_envelope = b",\n"

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Payload sets do not tell who was left out."""

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Payload sets do not tell who was held back."""

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """Write the end of the set at hand."""
        self._open(closing.schema)
        complete = b"true" if closing.snapshot_complete else b"false"
        self._file.write(b'],"snapshotComplete":' + complete + b"}")
        self._before_set = b",\n"
        self._before_envelope = b""

    async def close_run(self, run: SyncRun) -> None:
        """Write the end of the array, unless the run failed."""
        if run.status is RunStatus.COMPLETED:
            self._file.write(b"]\n")
        self._file.flush()

    def _open(self, schema: str) -> None:
        if not self._before_envelope:
            self._file.write(self._before_set + b'{"schema":' + self._encoder.encode(schema) + b',"envelopes":[\n')
            self._before_envelope = b" "
