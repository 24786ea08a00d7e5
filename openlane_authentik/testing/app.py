"""The fake itself: an ASGI application over a directory, with faults, drift, and a log of what was asked."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qs

from openlane_authentik.testing.answers import Answer, refusal
from openlane_authentik.testing.asgi import Receive, Scope, Send, answer_connection
from openlane_authentik.testing.calls import API, Call
from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.endpoints import Endpoints
from openlane_authentik.testing.faults import Fault, Outcome, Schedule, When
from openlane_authentik.testing.kinds import NO_ACCOUNT
from openlane_authentik.testing.messages import Language
from openlane_authentik.testing.other_lists import STATIC_DEVICES
from openlane_authentik.testing.releases import release_named
from openlane_authentik.testing.requested import Cost, RequestInfo
from openlane_authentik.testing.snapshots import Snapshot
from openlane_authentik.testing.tokens import RefusedTokenError, Tokens
from openlane_authentik.testing.transport import FakeTransport

Hook = Callable[[Directory], object]
"""Changes the directory between two requests."""

ToldDate = Callable[[datetime], datetime | None]
"""Given the server's own time, what the ``Date`` header says; it answers None for no such header."""


_SECRETS: Final = {
    f"{API}admin/system/": "it echoes the token",
    STATIC_DEVICES: "it carries recovery codes",
}
"""What no reader should ever ask for, and why."""


def _every_request(_request: RequestInfo) -> bool:
    return True


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
        told_date: What the ``Date`` header says, given the server's own time: the clock of a proxy in front, which may
            answer None for no such header. The server's own time when not given.
        locale: The language of the brand, ``en``, ``de`` or ``fr``, whatever ``Accept-Language`` asks for.

    Attributes:
        told_date: As above; may be set at any time.
        replica: A snapshot that users, groups (lists and details) and ``users/me`` are answered from instead of the
            directory; None for none. Permissions are the server's own.
        reads_replica: Which requests read the replica, when there is one; all by default.

    Raises:
        ValueError: no such release, or no messages in that language.
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
        told_date: ToldDate | None = None,
        locale: str = "en",
    ) -> None:
        profile = release_named(release)
        if max_page_size is not None:
            profile = replace(profile, max_page_size=max_page_size)
        self.directory = directory if directory is not None else Directory.generate()
        self.base_path = base_path.rstrip("/")
        self.tokens = Tokens(self.directory, profile)
        self.requests: list[RequestInfo] = []
        self.violations: list[str] = []
        self.told_date = told_date
        self.replica: Snapshot | None = None
        self.reads_replica: Callable[[RequestInfo], bool] = _every_request
        self._language = Language(locale)
        self._endpoints = Endpoints(self.directory, profile, self.tokens, brand_title, self._language)
        self._faults = Schedule()
        self._before: defaultdict[int, list[Hook]] = defaultdict(list)
        self._after: defaultdict[int, list[Hook]] = defaultdict(list)
        self._cost = cost
        self._worker_count = workers
        self._workers: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None
        self._sleep = sleep

    @property
    def locale(self) -> str:
        """The language of the brand; may be set at any time, to ``en``, ``de`` or ``fr``."""
        return self._language.locale

    @locale.setter
    def locale(self, locale: str) -> None:
        self._language.locale = locale

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

    def narrow(
        self, kind: str = "viewer", *, users: Iterable[int] | None = None, groups: Iterable[str] | None = None
    ) -> None:
        """Take the global permissions of a kind's account away, and leave it the visibility of some rows.

        From now on its lists are partial without a word, as for ``object_level``. A superuser is taken out of its
        groups of superusers.

        Args:
            kind: A kind with a role, or ``superuser``.
            users: The users it may still see, the first 25 by default.
            groups: The groups it may still see, the first 7 by default.

        Raises:
            ValueError: the kind has no role.
        """
        with self.directory.lock:
            self.tokens.narrow(kind, users, groups)

    def widen(self, kind: str = "viewer") -> None:
        """Return a kind's account back what ``narrow`` took; nothing happens when nothing was taken."""
        with self.directory.lock:
            self.tokens.widen(kind)

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
            replica = self.replica if self.replica is not None and self.reads_replica(info) else None
            answer = self._answer(method, call, replica)
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
        await answer_connection(self, scope, receive, send)

    def headers_of(self, answer: Answer) -> list[tuple[str, str]]:
        """The headers an answer is sent with."""
        now = self.directory.clock()
        told_date = now if self.told_date is None else self.told_date(now)
        return answer.headers(told_date, len(self.requests), self.locale)

    def _answer(self, method: str, call: Call, replica: Snapshot | None) -> Answer:
        if method not in {"GET", "HEAD"}:
            self.violations.append(f"{method} {call.path}")
            return refusal(405, f'Method "{method}" not allowed.')
        if call.path in _SECRETS:
            self.violations.append(f"{method} {call.path}: {_SECRETS[call.path]}")
        return self._endpoints.answer(call, replica)

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
