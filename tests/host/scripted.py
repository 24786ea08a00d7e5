"""An integration that hands over exactly what a test tells it to, so that every rule of the store can be tried."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openlane_authentik.clock import rfc3339
from openlane_authentik.emit.envelope import (
    Counts,
    Envelope,
    PayloadSetClosing,
    Removed,
    RunStatus,
    RunWarning,
    Schema,
    SyncRun,
)
from openlane_authentik.emit.sink import Sink
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import Installation, SaveRequest, save
from tests.host.in_process import with_definition
from tests.host.support import ORGANISATION
from tests.host.tiny_integration import TinyCheck, TinyConnection, TinyReport, TinySlot, TinySpec
from tests.support import SimulatedClock

ID = "def_scripted"


@dataclass(frozen=True)
class ScriptedResult:
    """A run, and where the next begins."""

    run: SyncRun
    checkpoint: bytes | None


@dataclass
class Script:
    """What the next run hands over; also the definition and the integration itself.

    Attributes:
        accounts, groups: By id the fields beside it.
        memberships: (account, group).
        left_out: By schema the keys that the filter keeps out; counted as filtered.
        unnamed: They are counted, and not told.
        synced: The sets that are closed.
        reasons: By schema what stands against its proof.
        failed: By schema how many records failed.
        removed: What a delta says of accounts; the accounts are then those that changed.
        told: What a full set says of accounts.
        lost: By schema how many records are counted and not handed over.
        extra: Envelopes handed over and counted besides.
        checkpoint: What the run gives, when every set is proven.
        seen: The checkpoints that the runs were given.
        meanwhile: Called when all is handed over.
        error: Raised then.
        healthy: What a health check finds.
    """

    clock: SimulatedClock
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    memberships: set[tuple[str, str]] = field(default_factory=set)
    left_out: dict[Schema, list[tuple[str, ...]]] = field(default_factory=dict)
    unnamed: bool = False
    synced: tuple[Schema, ...] = tuple(Schema)
    reasons: dict[Schema, list[str]] = field(default_factory=dict)
    failed: dict[Schema, int] = field(default_factory=dict)
    removed: list[Removed] | None = None
    told: list[Removed] | None = None
    lost: dict[Schema, int] = field(default_factory=dict)
    extra: list[Envelope] = field(default_factory=list)
    checkpoint: bytes | None = b"here"
    seen: list[bytes | None] = field(default_factory=list)
    meanwhile: Callable[[], object] | None = None
    error: Exception | None = None
    healthy: bool = True

    spec = TinySpec(id=ID)
    credential_registrations = ()
    user_input = TinySlot({"type": "object"})
    connections = (TinyConnection(),)

    def to_json(self) -> bytes:
        return b"{}"

    def build(self, _credential: Mapping[str, Any]) -> "Script":
        return self

    def parse_user_input(self, user_input: Mapping[str, Any]) -> Mapping[str, Any]:
        return user_input

    def parse_config(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        return config

    async def health_check(self, _user_input: Any = None) -> TinyReport:
        if not self.healthy:
            return TinyReport("refused", [TinyCheck("script", "fail", "token_rejected", "")], 77)
        return TinyReport("healthy", [TinyCheck("script", "pass", "ok", "")], 0)

    async def installation_metadata(self) -> dict[str, Any]:
        return {"lodge": "Scripted"}

    async def directory_sync(
        self, sink: Sink, _user_input: Any = None, _config: Any = None, *, checkpoint: bytes | None = None
    ) -> ScriptedResult:
        self.seen.append(checkpoint)
        for schema in Schema:
            await self._hand_over(sink, schema)
        if self.meanwhile is not None:
            await asyncio.to_thread(self.meanwhile)
        if self.error is not None:
            raise self.error
        run = self._closed()
        await sink.close_run(run)
        unproven = any(self.reasons.values()) or any(self.failed.values())
        return ScriptedResult(run, None if unproven else self.checkpoint)

    async def _hand_over(self, sink: Sink, schema: Schema) -> None:
        envelopes = [*self._envelopes(schema), *(extra for extra in self.extra if extra.schema is schema)]
        left_out, failed = self.left_out.get(schema, []), self.failed.get(schema, 0)
        lost = self.lost.get(schema, 0)
        await sink.accept(envelopes[: len(envelopes) - lost])
        if left_out and not self.unnamed:
            await sink.leave_out(schema, left_out)
        if schema not in self.synced:
            return
        emitted, filtered = len(envelopes), len(left_out)
        delta = schema is Schema.ACCOUNT and self.removed is not None
        reasons = [*self.reasons.get(schema, []), *(["records_failed"] if failed else [])]
        await sink.close_set(
            PayloadSetClosing(
                schema=schema,
                read_complete=not reasons,
                snapshot_complete=not reasons and not delta,
                reasons=reasons,
                counts=Counts(read=emitted + filtered + failed, emitted=emitted, filtered=filtered, failed=failed),
                filtered_by={"filter": filtered} if filtered else {},
                failed_by={"filter_failed": failed} if failed else {},
                scope="scope",
                evidence={"method": "script"},
                delta=delta,
                removed=self.removed if delta else self.told if schema is Schema.ACCOUNT else None,
            )
        )

    def _envelopes(self, schema: Schema) -> list[Envelope]:
        if schema not in self.synced:
            return []
        seen = {"last_seen_at": rfc3339(self.clock.now()), "observed_at": rfc3339(self.clock.now())}
        match schema:
            case Schema.ACCOUNT:
                return [account(key, **fields, **seen) for key, fields in self.accounts.items()]
            case Schema.GROUP:
                return [
                    _envelope(schema, key, {"external_id": key, **fields, **seen})
                    for key, fields in self.groups.items()
                ]
            case Schema.MEMBERSHIP:
                return [
                    _envelope(
                        schema,
                        group,
                        {"directory_account_id": uid, "directory_group_id": group, "role": "MEMBER", **seen},
                    )
                    for uid, group in sorted(self.memberships)
                ]

    def _closed(self) -> SyncRun:
        now = rfc3339(self.clock.now())
        return SyncRun(
            status=RunStatus.COMPLETED,
            started_at=now,
            completed_at=now,
            directory_instance_id="scripted",
            release="1",
            mode="full" if self.removed is None else "delta",
            full_reason=None,
            scope="scope",
            full_count=0,
            stats={"requests": 1},
            warnings=[RunWarning(code=code, message=code) for codes in self.reasons.values() for code in codes],
            error=None,
            exit_code=75 if any(self.reasons.values()) else 0,
        )

    def people(self, count: int, *, groups: int = 0) -> None:
        """Fill the directory: so many accounts, each in every one of so many groups."""
        self.accounts = {f"u{number:03}": {"display_name": f"Person {number}"} for number in range(count)}
        self.groups = {f"g{number}": {"display_name": f"Group {number}"} for number in range(groups)}
        self.memberships = {(uid, group) for uid in self.accounts for group in self.groups}

    def drop(self, *uids: str) -> None:
        """Delete accounts, and with them their memberships."""
        for uid in uids:
            del self.accounts[uid]
        self.memberships = {pair for pair in self.memberships if pair[0] not in uids}

    def replace(self, successors: Mapping[str, str], **fields: Any) -> list[Removed]:
        """Give accounts other ids, and fields; return what a run tells of it that knew them before."""
        for old, new in successors.items():
            self.accounts[new] = {**self.accounts.pop(old), **fields}
        self.memberships = {(successors.get(uid, uid), group) for uid, group in self.memberships}
        return [Removed(resource=old, evidence="replaced", successor=new) for old, new in successors.items()]


def account(external_id: str, **fields: Any) -> Envelope:
    """Return the envelope of an account."""
    record = {"external_id": external_id, "canonical_email": f"{external_id}@example.test", **fields}
    return _envelope(Schema.ACCOUNT, external_id, record)


def _envelope(schema: Schema, resource: str, record: dict[str, Any]) -> Envelope:
    return Envelope(schema=schema, resource=resource, payload={"raw": resource}, record=record)


def scripted(host: Host, **request: Any) -> tuple[Host, Script, Installation]:
    """Return a host where a script is connected."""
    clock = host.clock
    assert isinstance(clock, SimulatedClock)
    script = Script(clock)
    opened = with_definition(host, script)
    return opened, script, save_scripted(opened, **request)


def save_scripted(host: Host, installation_id: str | None = None, **request: Any) -> Installation:
    """Save the installation of a script."""
    assert isinstance(host.clock, SimulatedClock)
    host.clock.elapsed += 1
    return asyncio.run(save(host, ID, SaveRequest(organisation=ORGANISATION, **request), installation_id))
