"""What tests share: a clock that needs no waiting, a sink that keeps everything, and a connected integration."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from openlane_authentik import (
    AuthentikIntegration,
    DirectorySyncConfig,
    Envelope,
    PayloadSetClosing,
    Schema,
    SyncResult,
    SyncRun,
    UserInput,
    parse_credential,
)
from openlane_authentik.clock import Clock
from openlane_authentik.testing import Directory, FakeAuthentik

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
# For what is asked without TLS: to read all authorities takes a client longer than what it is made for.
NO_TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class SimulatedClock:
    """Time that passes only when somebody waits for it, or says so."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self.elapsed = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds
        await asyncio.sleep(0)


class KeepingSink:
    """Keeps all it is handed."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.closings: dict[Schema, PayloadSetClosing] = {}
        self.left_out: dict[Schema, list[tuple[str, ...]]] = {}
        self.held_back: dict[Schema, list[tuple[str, ...]]] = {}
        self.runs: list[SyncRun] = []

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes.extend(envelopes)

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        self.left_out.setdefault(schema, []).extend(keys)

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        self.held_back.setdefault(schema, []).extend(keys)

    async def close_set(self, closing: PayloadSetClosing) -> None:
        self.closings[closing.schema] = closing

    async def close_run(self, run: SyncRun) -> None:
        self.runs.append(run)

    def of(self, schema: Schema) -> list[Envelope]:
        """Return the envelopes of one kind, in the order they came."""
        return [envelope for envelope in self.envelopes if envelope.schema == schema]

    def memberships(self) -> list[tuple[str, str]]:
        """Return each membership as (account's external id, group's external id)."""
        return [
            (envelope.record["directory_account_id"], envelope.record["directory_group_id"])
            for envelope in self.of(Schema.MEMBERSHIP)
        ]


def connect(fake: FakeAuthentik, kind: str = "viewer", clock: Clock | None = None) -> AuthentikIntegration:
    """Connect to a fake in process, with a token of some kind."""
    credential = parse_credential({"baseUrl": "https://authentik.example.test", "token": fake.token(kind)})
    return AuthentikIntegration(credential, clock=clock, transport=fake.transport())


async def run_sync(
    fake: FakeAuthentik,
    *,
    kind: str = "viewer",
    user_input: UserInput | None = None,
    config: DirectorySyncConfig | None = None,
    clock: Clock | None = None,
) -> tuple[SyncRun, KeepingSink]:
    """Sync a fake in process; return the run and all that was handed over."""
    sink = KeepingSink()
    result = await connect(fake, kind, clock).directory_sync(sink, user_input, config)
    return result.run, sink


EVERYTHING = UserInput()


class World:
    """A directory on a simulated clock, and syncs of it, one after the other."""

    def __init__(self, release: str = "2025.12", users: int = 60) -> None:
        # After everything the generated directory tells of.
        self.clock = SimulatedClock(datetime(2028, 1, 1, tzinfo=UTC))
        self.directory = Directory.generate(users=users, groups=6, seed=4, clock=self.clock.now)
        self.fake = FakeAuthentik(self.directory, release=release)
        self.fake.headers()
        self.clock.elapsed += 3600
        self.sink = KeepingSink()

    def sync(
        self,
        checkpoint: bytes | None = None,
        user_input: UserInput = EVERYTHING,
        kind: str = "viewer",
        config: DirectorySyncConfig | None = None,
    ) -> SyncResult:
        self.clock.elapsed += 300
        self.sink = KeepingSink()
        integration = connect(self.fake, kind, self.clock)
        return asyncio.run(integration.directory_sync(self.sink, user_input, config, checkpoint=checkpoint))

    def proven(self, user_input: UserInput = EVERYTHING) -> bytes:
        checkpoint = self.sync(user_input=user_input).checkpoint
        assert checkpoint is not None
        return checkpoint
