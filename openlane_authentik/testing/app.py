"""The fake itself: an ASGI application over a directory, with faults, drift, and a log of what was asked."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from openlane_authentik.testing.answers import Answer, refusal
from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.endpoints import API, Call, Endpoints
from openlane_authentik.testing.faults import Fault, Outcome, Schedule, When, Wire
from openlane_authentik.testing.query import Parameters
from openlane_authentik.testing.releases import release_named
from openlane_authentik.testing.tokens import NO_ACCOUNT, RefusedTokenError, Tokens
from openlane_authentik.testing.transport import FakeTransport

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Hook = Callable[[Directory], object]
"""Changes the directory between two requests."""

CONNECTION_EXTENSION: Final = "openlane_authentik.connection"
"""The ASGI extension by which a server lets the fake break its connections; see ``server``."""


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request as the log keeps it: never a header's value.

    Attributes:
        number: 1 for the first request.
        method: The HTTP method.
        path: The path as sent, base path and all.
        query: The decoded query, every value of every name.
        header_names: The names of the headers, in lower case.
        authorized: Whether a token was sent that the server took.
        rows: How many records the answer lists.
        status: The status of the answer, before any fault.
        size: The bytes of its body.
    """

    number: int
    method: str
    path: str
    query: Parameters
    header_names: frozenset[str]
    authorized: bool = False
    rows: int = 0
    status: int = 0
    size: int = 0


Cost = Callable[[RequestInfo], float]
"""The seconds of a worker's time that a request takes."""


async def _real_sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


class FakeAuthentik:
    """A fake authentik server over a directory; an ASGI 3 application, free of any framework.

    Serve it over HTTP with ``serve(fake)``, or hand ``fake.transport()`` to an ``httpx.AsyncClient``.

    Args:
        directory: What it answers from; 200 generated users by default.
        release: The release whose API it speaks, a name of ``RELEASES``.
        base_path: The path authentik lives under, as ``/auth``.
        brand_title: What ``core/brands/current/`` calls the installation.
        max_page_size: The tenant's maximum, when an admin changed it.
        cost: What a request costs a worker, for benchmarks; nothing by default.
        workers: How many requests are worked on at once, when they cost something.
        sleep: Waits so many seconds, for slow faults and costs; inject one to run on a simulated clock.

    Raises:
        ValueError: no such release.
    """

    def __init__(
        self,
        directory: Directory | None = None,
        *,
        release: str = "2025.12",
        base_path: str = "",
        brand_title: str = "authentik",
        max_page_size: int | None = None,
        cost: Cost | None = None,
        workers: int = 2,
        sleep: Callable[[float], Awaitable[None]] = _real_sleep,
    ) -> None:
        profile = release_named(release)
        if max_page_size is not None:
            profile = replace(profile, max_page_size=max_page_size)
        self.directory = directory if directory is not None else Directory.generate()
        self.base_path = base_path.rstrip("/")
        self.tokens = Tokens(self.directory, profile)
        self.requests: list[RequestInfo] = []
        self.violations: list[str] = []
        self._endpoints = Endpoints(self.directory, profile, self.tokens, brand_title)
        self._faults = Schedule()
        self._before: defaultdict[int, list[Hook]] = defaultdict(list)
        self._after: defaultdict[int, list[Hook]] = defaultdict(list)
        self._cost = cost
        self._worker_count = workers
        self._workers: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None
        self._sleep = sleep

    # What a test sets up

    def token(
        self,
        kind: str = "viewer",
        *,
        identifier: str | None = None,
        expires: datetime | timedelta | None = None,
        expiring: bool | None = None,
        visible_users: Iterable[int] | None = None,
        visible_groups: Iterable[str] | None = None,
    ) -> str:
        """The token of a kind. The first one makes the account, which the lists then name like any user.

        Args:
            kind: A name of ``KINDS``, or ``wrong``, ``malformed``, ``no_header``.
            identifier: Which of several tokens of the kind; all belong to one account.
            expires: When it ends, or how long from now; 200 days by default.
            expiring: False for one that lasts for ever whatever ``expires`` says.
            visible_users: For ``object_level``: the users it may see, the first 25 by default.
            visible_groups: For ``object_level``: the groups it may see, the first 7 by default.

        Raises:
            ValueError: no such kind.
        """
        return self.tokens.issue(
            kind,
            identifier=identifier,
            expires=expires,
            expiring=expiring,
            visible_users=visible_users,
            visible_groups=visible_groups,
        )

    def headers(self, kind: str = "viewer") -> dict[str, str]:
        """The request headers that carry the token of a kind; none for ``no_header``."""
        token = self.token(kind)
        if kind in NO_ACCOUNT and not token:
            return {} if kind == "no_header" else {"authorization": "Bearer"}
        return {"authorization": f"Bearer {token}"}

    def transport(self) -> FakeTransport:
        """An ``httpx`` transport that serves the fake in this process, faults included."""
        return FakeTransport(self)

    def inject(self, fault: Fault, *, nth: int = 1, when: When | None = None, times: int | None = 1) -> None:
        """Plan a fault.

        Args:
            fault: What goes wrong.
            nth: From which request on, counted from 1 over all requests of this fake.
            when: Only for requests this says yes to, given the path below the base path and the query.
            times: How often; None for ever.
        """
        self._faults.add(fault, nth, when, times)

    def clear_faults(self) -> None:
        """Let nothing more go wrong."""
        self._faults.clear()

    def before(self, nth: int, change: Hook) -> None:
        """Run a change just before the n-th request is answered."""
        self._before[nth].append(change)

    def after(self, nth: int, change: Hook) -> None:
        """Run a change once the answer to the n-th request is fixed, before anything of it is sent."""
        self._after[nth].append(change)

    # What a server asks of it

    def respond(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Outcome:
        """Answer one request: hooks, the answer, its fault, the log. ``headers`` have lower-case names."""
        parameters = {name: tuple(values) for name, values in parse_qs(query, keep_blank_values=True).items()}
        with self.directory.lock:
            number = len(self.requests) + 1
            below = self._below_base(path)
            info = RequestInfo(number, method, path, parameters, frozenset(headers))
            info = replace(info, authorized=self._is_authorized(headers.get("authorization")))
            self.requests.append(info)
            for change in self._before.pop(number, ()):
                change(self.directory)
            fault = self._faults.due(number, below or path, parameters)
            call = Call(
                below, fault.ask(parameters) if fault else parameters, headers.get("authorization"), dict(headers)
            )
            answer = self._answer(method, call)
            self.requests[number - 1] = info = replace(
                info, rows=answer.rows, status=answer.status, size=len(answer.body)
            )
            for change in self._after.pop(number, ()):
                change(self.directory)
        outcome = fault.apply(answer) if fault else Outcome(answer)
        return replace(outcome, work=self._cost(info)) if self._cost else outcome

    async def spend(self, outcome: Outcome) -> None:
        """Let the time pass that an outcome takes: a worker's, then the delay on top."""
        # Even an answer that takes no time lets other tasks go first, as a network would.
        await asyncio.sleep(0)
        if outcome.work > 0:
            async with self._free_worker():
                await self._sleep(outcome.work)
        if outcome.delay > 0:
            await self._sleep(outcome.delay)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; ``lifespan`` and websockets are declined."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the fake serves http, not {scope['type']}")
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in scope["headers"]}
        outcome = self.respond(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers)
        await self.spend(outcome)
        connection = scope.get("extensions", {}).get(CONNECTION_EXTENSION)
        if outcome.wire in {Wire.RESET, Wire.DROPPED} and connection is not None:
            connection["reset" if outcome.wire is Wire.RESET else "close"]()
            await _disconnected(receive)
            return
        await self._send(outcome, send)
        if outcome.wire is Wire.CUT and connection is not None:
            connection["close"]()
            await _disconnected(receive)

    def headers_of(self, answer: Answer) -> list[tuple[str, str]]:
        """The headers an answer is sent with."""
        return answer.headers(self.directory.clock(), len(self.requests))

    async def _send(self, outcome: Outcome, send: Send) -> None:
        answer, cut = outcome.answer, outcome.wire is Wire.CUT
        headers = [(name.encode(), text.encode()) for name, text in self.headers_of(answer)]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = answer.body[: outcome.sent] if cut else answer.body
        await send({"type": "http.response.body", "body": body, "more_body": cut})

    def _answer(self, method: str, call: Call) -> Answer:
        if method not in {"GET", "HEAD"}:
            self.violations.append(f"{method} {call.path}")
            return refusal(405, f'Method "{method}" not allowed.')
        if call.path == f"{API}admin/system/":
            self.violations.append(f"{method} {call.path}: it echoes the token")
        return self._endpoints.answer(call)

    def _below_base(self, path: str) -> str:
        """The path below the base path; one outside it matches no endpoint."""
        return path.removeprefix(self.base_path) if path.startswith(f"{self.base_path}/") else ""

    def _is_authorized(self, header: str | None) -> bool:
        try:
            return self.tokens.authenticate(header) is not None
        except RefusedTokenError:
            return False

    def _free_worker(self) -> asyncio.Semaphore:
        # A semaphore belongs to the loop that waited on it; each loop that comes by gets its own.
        loop = asyncio.get_running_loop()
        if self._workers is None or self._workers[0] is not loop:
            self._workers = (loop, asyncio.Semaphore(self._worker_count))
        return self._workers[1]


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
