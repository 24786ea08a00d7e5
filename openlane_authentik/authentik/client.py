"""One GET to authentik: at its pace, within its time and size, and again where that helps."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from openlane_authentik.authentik.answers import Answer, RawAnswer, read_answer
from openlane_authentik.authentik.pace import Pace
from openlane_authentik.authentik.refusals import Refusals
from openlane_authentik.authentik.request import Params, Request
from openlane_authentik.authentik.retry import ATTEMPTS, RetryBudget, retrying
from openlane_authentik.authentik.transport import connection_error
from openlane_authentik.clock import Clock
from openlane_authentik.errors import (
    AnswerTooLargeError,
    CredentialError,
    DeadlineError,
    IntegrationError,
    NotAuthentikError,
    RateLimitedError,
    RequestTimeoutError,
    ServerUnavailableError,
)

T = TypeVar("T")

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
            IntegrationError: See ``errors.py``; which of them are raised only when the same request has failed twice,
                see ``retry.py``.
        """
        request = Request(path, params or {})
        if self._refusals.is_known(request):
            surrender = (*surrender, CredentialError)
        try:
            return await self._get(request, shape, surrender)
        except CredentialError as refusal:
            raise await self._refusals.reason(request) from refusal

    async def _lets_in(self, path: str) -> bool:
        try:
            await self._get(Request(path, {}), _object, ())
        except CredentialError:
            return False
        return True

    async def _get(
        self, request: Request, shape: Callable[[Any], T], surrender: tuple[type[IntegrationError], ...]
    ) -> Answer[T]:
        return await retrying(self.budget, surrender)(self._get_once, request, shape)

    async def _get_once(self, request: Request, shape: Callable[[Any], T]) -> Answer[T]:
        async with self._pace:
            if self.clock.monotonic() >= self.budget.deadline:
                raise DeadlineError("the run's time limit has passed")
            self.requests += 1
            try:
                return read_answer(await self._fetch(request), self.clock.now(), shape)
            except (RateLimitedError, ServerUnavailableError):
                self._pace.slow_down()
                raise

    async def _fetch(self, request: Request) -> RawAnswer:
        started = self.clock.monotonic()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                asked = self._http.build_request("GET", request.path, params=request.params)
                response = await self._http.send(asked, stream=True)
                try:
                    body = await _read(response, request.path)
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


async def _read(response: httpx.Response, path: str) -> bytearray:
    """Read a body as far as it is not too large; what unpacks to too much is given up on the way."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            raise AnswerTooLargeError(f"an answer of {path} is larger than {LARGEST_ANSWER_BYTES // 1024**2} MiB")
    return body
