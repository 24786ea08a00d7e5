"""Keep connections that wait for their clients from tiring out the host.

uvicorn closes what is idle between two requests and bounds the size of headers, but gives a client all the time in the
world to send a request or to read an answer, and its ``limit_concurrency`` refuses the newest client, who may be the
only honest one. Hypercorn and Granian have a time limit for headers, and neither makes room. So this module adds to
uvicorn's own protocol a time limit for whatever is awaited from a client, and a cap at which the connection that has
waited longest is closed.
"""

import asyncio
import resource
from collections import OrderedDict
from enum import Enum, auto
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

# Threads, pipes, log and listener; the pools of the database and of the queue, at three descriptors a connection.
_RESERVED: Final = 80
# What one run may open: its connections to the provider, and the temporary files of its staging.
_RESERVED_A_RUN: Final = 12
# Connections cost memory, too, however many descriptors there are.
_MOST: Final = 1_000
_LEAST: Final = 16


class Awaited(Enum):
    """What a client owes; the first is what is given up first at the cap.

    Attributes:
        HEADERS: Of its first request.
        NEXT: Another request, after one that was answered.
        BODY: The rest of a request.
        READING: To read the answer.
    """

    HEADERS = auto()
    NEXT = auto()
    BODY = auto()
    READING = auto()


# uvicorn itself closes what is idle after an answer; what comes in then has as long as the first headers.
_SECONDS: Final = {Awaited.HEADERS: 10.0, Awaited.NEXT: 10.0, Awaited.BODY: 30.0, Awaited.READING: 30.0}


def most_connections(runs_at_once: int) -> int:
    """Return how many connections leave enough descriptors for the database and for so many runs."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return _MOST
    return max(_LEAST, min(_MOST, allowed - _RESERVED - _RESERVED_A_RUN * runs_at_once))


class OpenConnections:
    """The connections of one server, and of each what its client owes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[WatchedProtocol] = set()
        # By what is awaited, the connections in the order in which they began to wait.
        self._waiting: dict[Awaited, OrderedDict[WatchedProtocol, None]] = {kind: OrderedDict() for kind in Awaited}

    def add(self, connection: "WatchedProtocol") -> None:
        """Add a connection; at the cap another one is closed for it, or itself when none waits for its client."""
        self._open.add(connection)
        if len(self._open) > self._most:
            waiting = (next(iter(self._waiting[kind]), None) for kind in Awaited)
            given_up = next(filter(None, waiting), connection)
            self.forget(given_up)
            given_up.transport.abort()

    def move(self, connection: "WatchedProtocol", before: Awaited | None, now: Awaited | None) -> None:
        """Note that a client owes something else from now on."""
        if connection in self._open:
            if before is not None:
                self._waiting[before].pop(connection, None)
            if now is not None:
                self._waiting[now][connection] = None

    def forget(self, connection: "WatchedProtocol") -> None:
        """Leave out a connection that is closed."""
        self._open.discard(connection)
        for waiting in self._waiting.values():
            waiting.pop(connection, None)


class WatchedProtocol(H11Protocol):
    """uvicorn's protocol, with a time limit for whatever is awaited from the client."""

    open_connections: ClassVar[OpenConnections]
    _awaited: Awaited | None = None
    _deadline: asyncio.TimerHandle | None = None
    _unread: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Begin to wait for the headers."""
        super().connection_made(transport)
        self.open_connections.add(self)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Take what came, and see what is missing still."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, even if the connection is to be closed: the client may not read."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """See what is awaited when the client has read."""
        super().resume_writing()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing any more."""
        self._await(None)
        self.open_connections.forget(self)
        super().connection_lost(exc)

    def _look(self) -> None:
        """Compare what is awaited with what was; a time limit that runs for the same thing runs on."""
        awaited = self._owed()
        if awaited is not self._awaited:
            self._await(awaited)

    def _owed(self) -> Awaited | None:
        if self.flow.write_paused:
            return Awaited.READING
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None:
            return Awaited.HEADERS
        if cycle.response_complete:
            return Awaited.NEXT
        return Awaited.BODY if cycle.more_body else None

    def _await(self, awaited: Awaited | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.open_connections.move(self, self._awaited, awaited)
        self._awaited = awaited
        if awaited is not None:
            self._unread = self.transport.get_write_buffer_size()
            self._deadline = self.loop.call_later(_SECONDS[awaited], self._too_late)

    def _too_late(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if self._awaited is Awaited.READING and unread < self._unread:
            # Slow, but it reads: such a connection is only given up at the cap.
            self._unread = unread
            self._deadline = self.loop.call_later(_SECONDS[Awaited.READING], self._too_late)
            return
        # Not ``close``, which waits for a client that does not read.
        self.transport.abort()


def watched_protocol(most: int) -> type[WatchedProtocol]:
    """Return the protocol of a server that holds at most so many connections."""
    attributes: dict[str, Any] = {"open_connections": OpenConnections(most)}
    return type(WatchedProtocol.__name__, (WatchedProtocol,), attributes)
