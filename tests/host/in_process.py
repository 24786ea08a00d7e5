"""Syncs without sockets: the integration of authentik over a fake in this process, hundreds of runs a minute."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa

from openlane_authentik import AuthentikCredential, AuthentikIntegration, Schema, SyncResult, parse_credential
from openlane_authentik.definition import definition
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import Installation, SaveRequest, save
from openlane_authentik.host.providers import Providers
from openlane_authentik.host.runs import Run, active_run, get_run
from openlane_authentik.host.store.history import directory
from openlane_authentik.host.store.kinds import KINDS
from openlane_authentik.host.store.lists import Change, list_changes
from openlane_authentik.host.sync import execute
from openlane_authentik.testing import FakeAuthentik
from tests.host.support import AUTHENTIK, ORGANISATION, request_run
from tests.support import SimulatedClock

URL = "https://authentik.example.test"
# By schema and key (external id, group id) the record as it is stored.
Records = dict[Schema, dict[tuple[str, str], dict[str, Any]]]


Meanwhile = Callable[[], Awaitable[None]]


class InProcess:
    """The definition of authentik, but what it builds talks to a fake, by the clock of the test.

    Attributes:
        fake: Which server; may be exchanged between two runs.
        kind: Of the token that is used whatever was saved; None for what was saved.
        meanwhile: Happens once, when the next sync has read everything and nothing of it is taken over yet.
    """

    def __init__(self, fake: FakeAuthentik, clock: SimulatedClock) -> None:
        self.fake = fake
        self.kind: str | None = None
        self.meanwhile: Meanwhile | None = None
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(definition, name)

    def build(self, credential: Mapping[str, Any]) -> AuthentikIntegration:
        if self.kind is not None:
            credential = {**credential, "token": self.fake.token(self.kind)}
        return _Interrupted(self, parse_credential(credential), self._clock)

    def take(self) -> Meanwhile | None:
        """Return what is to happen meanwhile, and forget it."""
        meanwhile, self.meanwhile = self.meanwhile, None
        return meanwhile


class _Interrupted(AuthentikIntegration):
    def __init__(self, source: InProcess, credential: AuthentikCredential, clock: SimulatedClock) -> None:
        super().__init__(credential, clock=clock, transport=source.fake.transport())
        self._source = source

    async def directory_sync(self, *asked: Any, **more: Any) -> SyncResult:
        meanwhile = self._source.take()
        result = await super().directory_sync(*asked, **more)
        if meanwhile is not None:
            await meanwhile()
        return result


def with_definition(host: Host, *definitions: Any) -> Host:
    """Return the host as one where only these integrations are installed."""
    return replace(host, providers=Providers({given.spec.id: given for given in definitions}))


def save_in_process(
    host: Host, fake: FakeAuthentik, *, installation_id: str | None = None, **request: Any
) -> Installation:
    """Save an installation of a fake in process, as a person would, a second after whatever was before."""
    return asyncio.run(save_meanwhile(host, fake, installation_id=installation_id, **request))


async def save_meanwhile(
    host: Host, fake: FakeAuthentik, *, installation_id: str | None = None, **request: Any
) -> Installation:
    """Save as ``save_in_process`` does, while something else goes on."""
    clock = host.clock
    assert isinstance(clock, SimulatedClock)
    clock.elapsed += 1
    credential = {"baseUrl": URL, "token": fake.token()}
    saved = SaveRequest(organisation=ORGANISATION, credential=credential, **request)
    return await save(host, AUTHENTIK, saved, installation_id)


def sync_now(host: Host, installation_id: str) -> Run:
    """Ask for a run, or take the one that waits, work on it to its end, and give it as the ledger has it then."""
    with reading(host.database) as held:
        waiting = active_run(held, installation_id)
    run_id = waiting or request_run(host, installation_id)
    asyncio.run(execute(host, run_id, 1, "worker-1"))
    with reading(host.database) as held:
        return get_run(held, run_id)


def stored(host: Host, installation_id: str, as_of: int | None = None) -> Records:
    """Return the directory now, or as of a run."""
    records: Records = {}
    with reading(host.database) as held:
        for schema in Schema:
            rows = held.execute(sa.select(directory(schema, installation_id, as_of))).all()
            records[schema] = {(row.external_id, row.group_id): msgspec.json.decode(row.record) for row in rows}
            assert len(records[schema]) == len(rows), f"a {schema} is there twice"
    return records


def episodes(host: Host, schema: Schema, external_id: str, group_id: str = "") -> list[Any]:
    """Return the rows of one record, the oldest first."""
    kind = KINDS[schema]
    id_column, group_column = kind.log_keys(kind.table)
    query = sa.select(kind.table).where(id_column == external_id, group_column == group_id)
    with reading(host.database) as held:
        return list(held.execute(query.order_by(kind.table.c.episode)))


def changes_of(host: Host, installation_id: str, **which: Any) -> list[Change]:
    """Return every line of the change log that fits, the oldest first."""
    found: list[Change] = []
    mark = None
    while True:
        page = list_changes(host.database, installation_id, after=mark, limit=1000, **which)
        found += page.items
        if page.next is None:
            return found
        mark = page.next


def kinds_of(changes: list[Change]) -> dict[tuple[str, str, str], str]:
    """Return by (schema, external id, group id) what happened to each record, of the lines of one run."""
    return {(line.schema, line.external_id, line.group_id or ""): line.kind for line in changes}


def replay(records: Records, changes: list[Change], out: Records | None = None) -> Records:
    """Carry out lines of the change log on a directory, as somebody would who has nothing else.

    Args:
        records: The directory before.
        changes: Lines of the log, the oldest first.
        out: Who was out of scope before, as last known; brought up to date.
    """
    result = {schema: dict(there) for schema, there in records.items()}
    replaced: Records = {schema: {} for schema in Schema}
    out = {schema: {} for schema in Schema} if out is None else out
    for line in changes:
        schema, key = Schema(line.schema), (line.external_id, line.group_id or "")
        there, aside = result[schema], out[schema]
        before = None if line.before is None else stable(schema, msgspec.json.decode(line.before))
        succeeded = line.kind == "succeeded"
        was = replaced[schema].get((line.predecessor or "", key[1])) if succeeded else there.get(key, aside.get(key))
        assert was == before, f"{line.kind} of {key}: was {was}, the log says {before}"
        if line.kind == "in_scope":
            assert key in aside
        if succeeded:
            there.pop(key, None)
        ended = there.pop(key, aside.pop(key, before or {}))
        assert (line.after is None) <= (line.kind in {"removed", "replaced", "out_of_scope", "succeeded"})
        if line.kind == "replaced":
            replaced[schema][key] = ended
        if line.after is not None:
            assert (before is None) == (line.kind in {"added", "returned"})
            there[key] = stable(schema, msgspec.json.decode(line.after))
        elif line.kind in {"out_of_scope", "succeeded"}:
            aside[key] = ended
    return result


def stable(schema: Schema, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without the ids that a membership's key says already."""
    aside = {"directory_account_id", "directory_group_id"} if schema is Schema.MEMBERSHIP else set()
    return {key: value for key, value in record.items() if key not in aside}
