"""A small sync on simulated time, what it left behind, and the faults that can happen to it."""

import asyncio
import gc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final

from openlane_authentik import DirectorySyncConfig, IntegrationError, Schema, SyncRun, UserInput
from openlane_authentik.testing import Directory, FakeAuthentik, Fault, RequestInfo
from tests.support import START, KeepingSink, SimulatedClock, connect

RELEASES: Final = ("2023.10", "2026.2")
MOST_REQUESTS: Final = 3000
MOST_SECONDS: Final = 3600.0
CONFIG: Final = DirectorySyncConfig(page_size=12, timeout_seconds=MOST_SECONDS)

TOKEN_REFUSED: Final = '{"detail": "Token invalid/expired"}'

# Passes by itself, and the same request is sent again.
PASSING: Final[dict[str, Callable[[], Fault]]] = {
    "429": lambda: Fault.status(429),
    "429 with seconds": lambda: Fault.status(429, retry_after=5),
    "429 with a date": lambda: Fault.status(429, retry_after=START + timedelta(seconds=60)),
    "502": lambda: Fault.status(502),
    "503": lambda: Fault.status(503),
    "503 with seconds": lambda: Fault.status(503, retry_after=5),
    "504": lambda: Fault.status(504),
    "reset": Fault.reset,
    "dropped": Fault.dropped,
    "cut at once": lambda: Fault.cut_body(0.0),
    "cut in half": Fault.cut_body,
    "cut at the end": lambda: Fault.cut_body(0.99),
    "truncated JSON": Fault.truncated_json,
    "empty JSON": lambda: Fault.truncated_json(0.0),
    "slow": lambda: Fault.slow(30.0),
    "too slow": lambda: Fault.slow(61.0),
}
# Looks like a good answer, but is not to be believed.
MISLEADING: Final[dict[str, Callable[[], Fault]]] = {
    "pointing back": Fault.pointing_back,
    "pointing to page 1": lambda: Fault.pointing_back(1),
    "ignored filter": Fault.ignored_filter,
}
# Believed when it comes twice, and then ends the run by its own error: the code of the error, and the exit code.
ODD: Final[dict[str, tuple[Callable[[], Fault], str, int]]] = {
    "HTML": (Fault.html, "not_authentik", 78),
    "redirect": (lambda: Fault.redirect("https://login.example.test/"), "redirected", 78),
    "401": (lambda: Fault.status(401), "proxy_login", 78),
    "403 token": (lambda: Fault.status(403, body=TOKEN_REFUSED), "token_rejected", 77),
    "403 JSON": (lambda: Fault.status(403), "token_rejected", 77),
    "403 HTML": (lambda: Fault.status(403, html=True), "unexpected_answer", 78),
    "404 HTML": (lambda: Fault.status(404, html=True), "not_authentik", 78),
    "400": (lambda: Fault.status(400), "unexpected_answer", 78),
    "wrong JSON": (Fault.wrong_json, "not_authentik", 78),
    "500": (lambda: Fault.status(500), "server_failed", 75),
}


class RunawayError(AssertionError):
    """More requests, or more simulated time, than a run may take."""


@dataclass
class Result:
    """One run: what it handed over, and how it ended."""

    sink: KeepingSink
    run: SyncRun | None
    error: IntegrationError | None
    requests: int
    seconds: float

    @property
    def exit_code(self) -> int:
        """The run's exit code, whichever way it ended."""
        if self.error is not None:
            return self.error.exit_code
        assert self.run is not None
        return self.run.exit_code

    @property
    def proven(self) -> dict[Schema, bool]:
        """Which sets were closed, and as complete or not."""
        return {schema: closing.snapshot_complete for schema, closing in self.sink.closings.items()}

    @property
    def all_proven(self) -> bool:
        """Whether all three sets say complete."""
        return self.proven == dict.fromkeys(Schema, True)


class SmallWorld:
    """A fake with 60 users and 9 groups that nobody changes, on simulated time."""

    def __init__(self, release: str, users: int = 60, kind: str = "viewer") -> None:
        self.clock = SimulatedClock()
        self.kind = kind
        self.directory = Directory.generate(users, 9, seed=4, ties=15, clock=self.clock.now)
        self.fake = FakeAuthentik(self.directory, release=release, sleep=self.clock.sleep, cost=self._cost, workers=64)
        self.fake.token(kind)
        self._most_requests = MOST_REQUESTS

    def _cost(self, request: RequestInfo) -> float:
        if request.number > self._most_requests or self.clock.elapsed > 3 * MOST_SECONDS:
            raise RunawayError(f"request {request.number} after {self.clock.elapsed} s")
        return 0.01

    def sync(self, config: DirectorySyncConfig = CONFIG, user_input: UserInput | None = None) -> Result:
        """Sync once, and hold the run against what must be so of every run."""
        sink = KeepingSink()
        sent, began = len(self.fake.requests), self.clock.elapsed
        self._most_requests = sent + MOST_REQUESTS
        run, error = asyncio.run(self._sync(sink, config, user_input))
        result = Result(sink, run, error, len(self.fake.requests) - sent, self.clock.elapsed - began)
        self._hold(result)
        return result

    async def _sync(
        self, sink: KeepingSink, config: DirectorySyncConfig, user_input: UserInput | None
    ) -> tuple[SyncRun | None, IntegrationError | None]:
        before = asyncio.all_tasks()
        run, error = None, None
        try:
            run = (await connect(self.fake, self.kind, self.clock).directory_sync(sink, user_input, config)).run
        except IntegrationError as raised:
            error = raised
        # The generators of bodies that are not read to their end are closed by the loop, in its next turns.
        for _ in range(20):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == before, "a task was left behind"
        return run, error

    def _hold(self, result: Result) -> None:
        """Nothing twice, nothing missing from what says complete, and a last word that fits."""
        directory, sink = self.directory, result.sink
        there = {
            Schema.ACCOUNT: {user["uid"] for user in directory.users.values()},
            Schema.GROUP: set(directory.groups),
            Schema.MEMBERSHIP: {
                (user["uid"], group)
                for pk, user in directory.users.items()
                for group in directory.memberships.rights_of(pk)
            },
        }
        given: dict[Schema, list[Any]] = {
            Schema.ACCOUNT: [envelope.resource for envelope in sink.of(Schema.ACCOUNT)],
            Schema.GROUP: [envelope.resource for envelope in sink.of(Schema.GROUP)],
            Schema.MEMBERSHIP: sink.memberships(),
        }
        for schema, keys in given.items():
            assert len(keys) == len(set(keys)), f"{schema}: handed over twice"
            assert set(keys) <= there[schema], f"{schema}: never was"
            if result.proven.get(schema):
                assert set(keys) == there[schema], f"{schema}: a false complete"
        last_words = [(run.status, run.exit_code) for run in sink.runs]
        if result.error is None:
            assert last_words == [("COMPLETED", result.exit_code)]
            assert result.all_proven == (result.exit_code == 0)
        else:
            assert last_words == [("FAILED", result.error.exit_code)]
            assert not any(result.proven.values()), "a failed run says complete"


@cache
def clean_requests(release: str) -> int:
    """Count the requests of a run in which nothing goes wrong."""
    result = SmallWorld(release).sync()
    assert result.all_proven
    return result.requests


def no_open_sockets(block: Callable[[], None]) -> None:
    """Run something; a socket or a file that it leaves open is an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        block()
        gc.collect()
    left = [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)]
    assert not left, left
