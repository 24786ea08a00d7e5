"""One GET to authentik: at its pace, within its time and size, and again where that helps."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from openlane_authentik.authentik.answers import Answer, RawAnswer, body_limit, refuse_bad_answer
from openlane_authentik.authentik.body import read_body
from openlane_authentik.authentik.decoding import Reading, Rows, page_of, whole
from openlane_authentik.authentik.pace import Pace
from openlane_authentik.authentik.refusals import Refusals
from openlane_authentik.authentik.request import Params, Request
from openlane_authentik.authentik.retry import ATTEMPTS, RetryBudget, retrying
from openlane_authentik.authentik.transport import connection_error
from openlane_authentik.clock import Clock
from openlane_authentik.errors import (
    CredentialError,
    DeadlineError,
    IntegrationError,
    NotAuthentikError,
    RateLimitedError,
    RequestTimeoutError,
    ServerUnavailableError,
)

T = TypeVar("T")

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
        self._refusals = Refusals(self._lets_in)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        shape: Callable[[Any], T],
        surrender: tuple[type[IntegrationError], ...] = (),
    ) -> Answer[T]:
        """Read one resource.

        Args:
            path: Below ``/api/v3/``, with its trailing slash: without it authentik answers 404.
            params: The query.
            shape: Makes of the JSON what was asked for, or raises ``NotAuthentikError`` when it is something else.
            surrender: Errors after which the same request is not sent again.

        Raises:
            IntegrationError: See ``errors``. Most are raised only after the same request failed twice, see
                ``retry.py``.
        """
        return await self._read(Request(path, params or {}), whole(shape), surrender)

    async def get_page(
        self, path: str, params: Params, size: int, *, surrender: tuple[type[IntegrationError], ...] = ()
    ) -> Answer[Rows]:
        """Read one page of a list, of at most so many rows; else as ``get``."""
        return await self._read(Request(path, {**params, "page_size": size}), page_of(size), surrender)

    async def _read(
        self, request: Request, reading: Reading[T], surrender: tuple[type[IntegrationError], ...]
    ) -> Answer[T]:
        if self._refusals.is_known(request):
            surrender = (*surrender, CredentialError)
        try:
            return await self._send(request, reading, surrender)
        except CredentialError as refusal:
            raise await self._refusals.reason(request) from refusal

    async def _lets_in(self, path: str) -> bool:
        try:
            await self._send(Request(path, {}), whole(_object), ())
        except CredentialError:
            return False
        return True

    async def _send(
        self, request: Request, reading: Reading[T], surrender: tuple[type[IntegrationError], ...]
    ) -> Answer[T]:
        return await retrying(self.budget, surrender)(self._send_once, request, reading)

    async def _send_once(self, request: Request, reading: Reading[T]) -> Answer[T]:
        async with self._pace:
            if self.clock.monotonic() >= self.budget.deadline:
                raise DeadlineError("the run's time limit has passed")
            self.requests += 1
            try:
                raw = await self._fetch(request, reading.most_bytes)
                refuse_bad_answer(raw, self.clock.now())
                data = await reading.of(raw.body, request.path)
                return Answer(data, raw.seconds)
            except (RateLimitedError, ServerUnavailableError):
                self._pace.slow_down()
                raise

    async def _fetch(self, request: Request, largest: int) -> RawAnswer:
        started = self.clock.monotonic()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                asked = self._http.build_request("GET", request.path, params=request.params)
                response = await self._http.send(asked, stream=True)
                try:
                    limit = body_limit(response.status_code, response.headers, largest)
                    coding = response.headers.get("content-encoding", "")
                    body = await read_body(response.aiter_raw(), coding, limit, request.path) if limit else bytearray()
                finally:
                    await response.aclose()
            seconds = self.clock.monotonic() - started
            return RawAnswer(request, response.url, response.status_code, response.headers, body, seconds)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise connection_error(error, self.host) from error
        except TimeoutError as error:
            raise RequestTimeoutError(f"{self.host} did not finish its answer in {REQUEST_SECONDS:.0f} s") from error


def _object(data: Any) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    raise NotAuthentikError("authentik's own account or brand is JSON that is no object")
