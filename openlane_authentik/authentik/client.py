"""One GET to authentik: at its pace, within its time and size, and again where that helps."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import httpx

from openlane_authentik.authentik.answers import Answer, RawAnswer, read_answer
from openlane_authentik.authentik.pace import Pace
from openlane_authentik.authentik.retry import ATTEMPTS, RetryBudget, retrying
from openlane_authentik.authentik.transport import connection_error
from openlane_authentik.clock import Clock
from openlane_authentik.errors import (
    AnswerTooLargeError,
    DeadlineError,
    RateLimitedError,
    RequestTimeoutError,
    ServerUnavailableError,
    TryAgainError,
)

Params = Mapping[str, str | int]

# A page of 100 users is 220 kB (measured); one of 100 users with 1 MB of attributes each still passes.
LARGEST_ANSWER_BYTES: Final = 192 * 1024 * 1024
REQUEST_SECONDS: Final = 120.0


class AuthentikClient:
    """Reads from one authentik for the length of one run.

    Args:
        http: See ``open_http``; closed with the client.
        clock: What this run waits and stamps by.
        concurrency: Requests under way at a time, at first.
        timeout_seconds: After which no request is begun any more.
        attempts: How often one request is sent at most.

    Attributes:
        host: Of the base URL, for messages.
        clock: As given.
        budget: What this run may spend on retries.
        requests: How many were sent, retries included.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        clock: Clock,
        concurrency: int,
        timeout_seconds: float,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.host = http.base_url.host
        self.clock = clock
        self.budget = RetryBudget(clock, clock.monotonic() + timeout_seconds, attempts)
        self.requests = 0
        self._http = http
        self._pace = Pace(concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(
        self, path: str, params: Params | None = None, *, surrender: tuple[type[TryAgainError], ...] = ()
    ) -> Answer:
        """Read one resource.

        Args:
            path: Below ``/api/v3/``, with its trailing slash: without it authentik answers 404.
            params: The query.
            surrender: Errors after which the same request is not sent again.

        Raises:
            IntegrationError: See ``errors.py``.
        """
        return await retrying(self.budget, surrender)(self._get_once, path, params or {})

    async def _get_once(self, path: str, params: Params) -> Answer:
        async with self._pace:
            if self.clock.monotonic() >= self.budget.deadline:
                raise DeadlineError("the run's time limit has passed")
            self.requests += 1
            try:
                return read_answer(await self._fetch(path, params), self.clock.now())
            except (RateLimitedError, ServerUnavailableError):
                self._pace.slow_down()
                raise

    async def _fetch(self, path: str, params: Params) -> RawAnswer:
        started = self.clock.monotonic()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                response = await self._http.send(self._http.build_request("GET", path, params=params), stream=True)
                try:
                    body = await _read(response, path)
                finally:
                    await response.aclose()
            seconds = self.clock.monotonic() - started
            return RawAnswer(response.url, response.status_code, response.headers, body, seconds)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise connection_error(error, self.host) from error
        except TimeoutError as error:
            raise RequestTimeoutError(f"{self.host} did not finish its answer in {REQUEST_SECONDS:.0f} s") from error


async def _read(response: httpx.Response, path: str) -> bytearray:
    """Read a body as far as it is not too large; what unpacks to too much is given up on the way."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            raise AnswerTooLargeError(f"an answer of {path} is larger than {LARGEST_ANSWER_BYTES // 1024**2} MiB")
    return body
