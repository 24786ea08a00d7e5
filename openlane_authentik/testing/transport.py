"""Serves the fake to ``httpx`` without a socket: thousands of seeded runs a minute, on any clock."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Protocol

import httpx

from openlane_authentik.testing.answers import Answer
from openlane_authentik.testing.faults import Outcome, Wire


class Responder(Protocol):
    """What the transport needs of a fake."""

    def respond(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Outcome:
        """Answer one request."""
        ...

    async def spend(self, outcome: Outcome) -> None:
        """Let the time pass that an outcome takes."""
        ...

    def headers_of(self, answer: Answer) -> list[tuple[str, str]]:
        """The headers an answer is sent with."""
        ...


class FakeTransport(httpx.AsyncBaseTransport):
    """An ``httpx`` transport over a fake; what breaks a connection becomes the error ``httpx`` gives for it.

    A reset is ``ReadError``, a connection dropped or cut short ``RemoteProtocolError``. A request whose declared time
    (its work and its delay, not the wait for a free worker) exceeds the read timeout sleeps that timeout by the fake's
    own ``sleep`` and then is ``ReadTimeout``.
    """

    def __init__(self, fake: Responder) -> None:
        self._fake = fake

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve one request.

        Raises:
            httpx.ReadError: the fault was a reset.
            httpx.RemoteProtocolError: the connection was dropped; one cut short says so when the body is read.
            httpx.ReadTimeout: the answer took longer than the request would wait.
        """
        headers = {name.lower(): text for name, text in request.headers.items()}
        outcome = self._fake.respond(request.method, request.url.path, request.url.query.decode("ascii"), headers)
        limit = request.extensions.get("timeout", {}).get("read")
        if limit is not None and outcome.work + outcome.delay > limit:
            await self._fake.spend(replace(outcome, work=0.0, delay=limit))
            raise httpx.ReadTimeout(f"no answer within {limit:g} s", request=request)
        await self._fake.spend(outcome)
        if outcome.wire is Wire.RESET:
            raise httpx.ReadError("the connection was reset", request=request)
        if outcome.wire is Wire.DROPPED:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        answer = outcome.answer
        body = b"" if request.method == "HEAD" else answer.body
        stream = _CutStream(body[: outcome.sent], request) if outcome.wire is Wire.CUT else httpx.ByteStream(body)
        return httpx.Response(
            answer.status,
            headers=self._fake.headers_of(answer),
            stream=stream,
            extensions={"http_version": b"HTTP/1.1"},
            request=request,
        )


class _CutStream(httpx.AsyncByteStream):
    """Some bytes, then the end of the connection."""

    def __init__(self, sent: bytes, request: httpx.Request) -> None:
        self._sent = sent
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._sent
        raise httpx.RemoteProtocolError(
            "peer closed connection without sending complete message body", request=self._request
        )
