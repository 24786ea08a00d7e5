"""A second integration, of a made-up provider that keeps badges: what a host may expect of any, and no more.

It has a credential field of its own, never a delta, and no instance id; its directory is what ``BADGES`` holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from openlane_authentik.emit.envelope import Counts, Envelope, PayloadSetClosing, RunStatus, Schema, SyncRun
from openlane_authentik.emit.sink import Sink
from openlane_authentik.errors import IntegrationError

ID = "def_tiny_badges"
# By badge number, who wears it; tests change it.
BADGES: dict[str, str] = {}
# What the provider lets in.
PASSES = {"open sesame"}
_AT = "2026-03-01T12:00:00.000000Z"


class PassRefusedError(IntegrationError):
    """The made-up provider does not let the pass in."""

    code = "pass_refused"
    exit_code = 77
    remedy = "Ask the porter for another pass."


class TinyCheck(msgspec.Struct, frozen=True):
    """One check."""

    check: str
    status: str
    code: str
    seen: str
    remedy: str = ""


class TinyReport(msgspec.Struct, frozen=True):
    """What the check found."""

    status: str
    checks: list[TinyCheck]
    exit_code: int


@dataclass(frozen=True)
class TinyResult:
    """A run, without a checkpoint."""

    run: SyncRun
    checkpoint: bytes | None = None


@dataclass(frozen=True)
class TinyIntegration:
    """A connected porter's lodge."""

    secret: str = field(repr=False)

    async def health_check(self, _user_input: Any = None) -> TinyReport:
        if self.secret in PASSES:
            return TinyReport("healthy", [TinyCheck("pass", "pass", "ok", "the porter nods")], 0)
        refused = TinyCheck("pass", "fail", PassRefusedError.code, "the porter shakes his head", "Ask for another.")
        return TinyReport("needs attention", [refused], 77)

    async def directory_sync(
        self, sink: Sink, _user_input: Any = None, _config: Any = None, *, checkpoint: bytes | None = None
    ) -> TinyResult:
        assert checkpoint is None, "a host may only hand back what it was given"
        if self.secret not in PASSES:
            raise PassRefusedError("the porter shakes his head")
        envelopes = [
            Envelope(
                schema=Schema.ACCOUNT,
                resource=number,
                payload={"badge": number, "wearer": wearer},
                record={"external_id": number, "display_name": wearer, "canonical_email": "", "status": "ACTIVE"},
            )
            for number, wearer in sorted(BADGES.items())
        ]
        await sink.accept(envelopes)
        await sink.close_set(
            PayloadSetClosing(
                schema=Schema.ACCOUNT,
                read_complete=True,
                snapshot_complete=True,
                reasons=[],
                counts=Counts(read=len(envelopes), emitted=len(envelopes)),
                filtered_by={},
                failed_by={},
                scope="all badges",
                evidence={},
            )
        )
        run = SyncRun(
            status=RunStatus.COMPLETED,
            started_at=_AT,
            completed_at=_AT,
            directory_instance_id="lodge",
            release=None,
            mode="full",
            full_reason="always",
            scope="all badges",
            full_count=len(envelopes),
            stats={},
            warnings=[],
            error=None,
            exit_code=0,
        )
        await sink.close_run(run)
        return TinyResult(run)

    async def installation_metadata(self) -> dict[str, Any]:
        return {"lodge": "North Gate", "door": "1"}


@dataclass(frozen=True)
class TinySpec:
    """Who it is."""

    id: str = ID
    display_name: str = "Badges"
    description: str = "The badges of a made-up porter's lodge."


@dataclass(frozen=True)
class TinySlot:
    """A form."""

    schema: dict[str, Any]


@dataclass(frozen=True)
class TinyRegistration:
    """What names and identifies it."""

    external_name: str = "lodge"
    external_id: str = "door"


@dataclass(frozen=True)
class TinyDisconnect:
    """How it ends."""

    description: str = "Hand the pass back to the porter."


@dataclass(frozen=True)
class TinyConnection:
    """How it is connected."""

    installation: TinyRegistration = TinyRegistration()
    disconnect: TinyDisconnect = TinyDisconnect()


@dataclass(frozen=True)
class TinyDefinition:
    """The card."""

    spec: TinySpec = TinySpec()
    credential_registrations: tuple[TinySlot, ...] = (
        TinySlot(
            {
                "type": "object",
                "properties": {"pass": {"type": "string", "minLength": 4, "writeOnly": True}},
                "required": ["pass"],
                "additionalProperties": False,
            }
        ),
    )
    user_input: TinySlot = TinySlot({"type": "object", "properties": {"primaryDirectory": {"type": "boolean"}}})
    connections: tuple[TinyConnection, ...] = (TinyConnection(),)

    def to_json(self) -> bytes:
        return msgspec.json.encode({"spec": {"id": self.spec.id, "displayName": self.spec.display_name}})

    def build(self, credential: Mapping[str, Any]) -> TinyIntegration:
        return TinyIntegration(credential["pass"])

    def parse_user_input(self, user_input: Mapping[str, Any]) -> Mapping[str, Any]:
        return user_input

    def parse_config(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        return config


definition = TinyDefinition()
