"""The sinks: lines that stream, and the host's array that is whole or unreadable."""

import asyncio
import functools
import io
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik import Envelope, NdjsonSink, PayloadSetClosing, PayloadSetsSink, Schema, Sink, SyncRun
from openlane_authentik.emit.envelope import RunFailure, RunStatus
from openlane_authentik.testing import Directory, FakeAuthentik
from tests.support import KeepingSink, SimulatedClock, run_sync

_ORDER = (Schema.ACCOUNT, Schema.GROUP, Schema.MEMBERSHIP)


def _envelope(schema: Schema, number: int, text: str = "") -> Envelope:
    return Envelope(
        schema=schema, resource=f"r{number}", payload={"pk": number, "name": text}, record={"external_id": str(number)}
    )


@functools.cache
def _real() -> KeepingSink:
    """Sync a small fake, for closings that have all they have in real life."""
    _, sink = asyncio.run(run_sync(FakeAuthentik(Directory.generate(users=3, groups=2)), clock=SimulatedClock()))
    return sink


def _closing(schema: Schema, *, complete: bool = True) -> PayloadSetClosing:
    return msgspec.structs.replace(_real().closings[schema], snapshot_complete=complete)


def _run(status: RunStatus = RunStatus.COMPLETED) -> SyncRun:
    run = _real().runs[0]
    if status is RunStatus.COMPLETED:
        return run
    failure = RunFailure(code="broken_answer", message="x", remedy="y", recovery="retry")
    return msgspec.structs.replace(run, status=status, error=failure, exit_code=75)


async def _emit(sink: Sink, sets: Sequence[Sequence[Sequence[Envelope]]], run: SyncRun | None) -> None:
    for schema, batches in zip(_ORDER, sets, strict=False):
        for batch in batches:
            await sink.accept(batch)
        await sink.close_set(_closing(schema, complete=schema is not Schema.GROUP))
    if run is not None:
        await sink.close_run(run)


def _written(kind: type[NdjsonSink | PayloadSetsSink], sets: Any, run: SyncRun | None = None) -> bytes:
    file = io.BytesIO()
    asyncio.run(_emit(kind(file), sets, run or _run()))
    return file.getvalue()


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_SETS = st.tuples(
    *(
        st.lists(
            st.lists(st.builds(_envelope, st.just(schema), st.integers(0, 9), _TEXT), max_size=3),
            max_size=3,
        )
        for schema in _ORDER
    )
)


@settings(deadline=None, derandomize=True)
@given(_SETS)
def test_ndjson_is_one_object_a_line(sets: tuple[list[list[Envelope]], ...]) -> None:
    """Each envelope, each set's closing and the run's closing is one line, whatever characters a record has."""
    written = _written(NdjsonSink, sets)
    assert written.endswith(b"\n")
    lines = [json.loads(line) for line in written.decode().removesuffix("\n").split("\n")]
    expected: list[str] = []
    for batches in sets:
        expected += ["envelope"] * sum(map(len, batches)) + ["payloadSet"]
    assert [line["type"] for line in lines] == [*expected, "syncRun"]
    envelopes = [envelope for batches in sets for batch in batches for envelope in batch]
    assert [
        (line["schema"], line["resource"], line["action"], line["payload"], line["record"])
        for line in lines
        if line["type"] == "envelope"
    ] == [(e.schema, e.resource, "upsert", e.payload, e.record) for e in envelopes]


def test_ndjson_names_who_is_left_out_and_held_back() -> None:
    """Each record left out or held back is a line with its kind and its key, so that a reader can tell who is gone."""
    file = io.BytesIO()

    async def emit() -> None:
        sink = NdjsonSink(file)
        await sink.leave_out(Schema.ACCOUNT, [("u1",), ("u2",)])
        await sink.hold_back(Schema.MEMBERSHIP, [("u3", "g1")])

    asyncio.run(emit())
    assert [json.loads(line) for line in file.getvalue().splitlines()] == [
        {"type": "leftOut", "schema": "DirectoryAccount", "key": ["u1"]},
        {"type": "leftOut", "schema": "DirectoryAccount", "key": ["u2"]},
        {"type": "heldBack", "schema": "DirectoryMembership", "key": ["u3", "g1"]},
    ]


@settings(deadline=None, derandomize=True)
@given(_SETS)
def test_payload_sets_are_exactly_the_hosts_array(sets: tuple[list[list[Envelope]], ...]) -> None:
    """One array of ``{schema, envelopes, snapshotComplete}`` in the order of the sets, and nothing beside them."""
    written = json.loads(_written(PayloadSetsSink, sets))
    assert written == [
        {
            "schema": schema,
            "envelopes": [
                {"resource": envelope.resource, "action": "upsert", "payload": envelope.payload}
                for batch in batches
                for envelope in batch
            ],
            "snapshotComplete": schema is not Schema.GROUP,
        }
        for schema, batches in zip(_ORDER, sets, strict=True)
    ]


def test_sets_without_envelopes_are_there() -> None:
    """An empty set is said to be empty, not left out: that is how removals are inferred."""
    written = json.loads(_written(PayloadSetsSink, [[], [[]], []]))
    assert [(found["schema"], found["envelopes"]) for found in written] == [(schema, []) for schema in _ORDER]


def test_accounts_alone_are_one_set() -> None:
    """With groups switched off only the account set is sent."""
    written = json.loads(_written(PayloadSetsSink, [[[_envelope(Schema.ACCOUNT, 1)]]]))
    assert [found["schema"] for found in written] == [Schema.ACCOUNT]


@pytest.mark.parametrize("closed", [0, 1, 2, 3])
def test_a_failed_run_leaves_no_array(closed: int) -> None:
    """However far a run came, if it failed no JSON reader takes what it wrote for whole."""
    sets = [[[_envelope(schema, 1)]] for schema in _ORDER[:closed]]
    file = io.BytesIO()
    sink = PayloadSetsSink(file)

    async def fail() -> None:
        await _emit(sink, sets, None)
        if closed < 3:
            await sink.accept([_envelope(_ORDER[closed], 2)])
        await sink.close_run(_run(RunStatus.FAILED))

    asyncio.run(fail())
    with pytest.raises(json.JSONDecodeError):
        json.loads(file.getvalue())


def test_a_failed_run_says_so_in_its_last_line() -> None:
    """The last NDJSON line of a run that failed carries FAILED, code, remedy and recovery."""
    last = json.loads(_written(NdjsonSink, [], _run(RunStatus.FAILED)))
    assert (last["type"], last["status"], last["exitCode"]) == ("syncRun", "FAILED", 75)
    assert last["error"] == {"code": "broken_answer", "message": "x", "remedy": "y", "recovery": "retry"}


@pytest.mark.parametrize("kind", [NdjsonSink, PayloadSetsSink])
def test_the_end_of_a_run_is_flushed(kind: type[NdjsonSink | PayloadSetsSink]) -> None:
    """When the run is closed, all of it is out of the sink's hands."""
    raw = io.BytesIO()
    buffered = io.BufferedWriter(raw, buffer_size=1 << 20)
    asyncio.run(_emit(kind(buffered), [[[_envelope(Schema.ACCOUNT, 1)]]], _run()))
    assert raw.getvalue()
