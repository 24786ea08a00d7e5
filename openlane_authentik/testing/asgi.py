"""Serves the fake to an ASGI server, which lets it break connections."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from openlane_authentik.testing.faults import Outcome, Wire
from openlane_authentik.testing.transport import Responder

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CONNECTION_EXTENSION: Final = "openlane_authentik.connection"
"""The ASGI extension by which a server lets the fake break its connections; see ``server``."""


async def answer_connection(fake: Responder, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI connection; ``lifespan`` and websockets are declined.

    Raises:
        NotImplementedError: the connection is not HTTP.
    """
    if scope["type"] != "http":
        raise NotImplementedError(f"the fake serves http, not {scope['type']}")
    headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in scope["headers"]}
    outcome = fake.respond(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers)
    await fake.spend(outcome)
    connection = scope.get("extensions", {}).get(CONNECTION_EXTENSION)
    if outcome.wire in {Wire.RESET, Wire.DROPPED} and connection is not None:
        connection["reset" if outcome.wire is Wire.RESET else "close"]()
        await _disconnected(receive)
        return
    await _send(fake, outcome, send)
    if outcome.wire is Wire.CUT and connection is not None:
        connection["close"]()
        await _disconnected(receive)


async def _send(fake: Responder, outcome: Outcome, send: Send) -> None:
    answer, cut = outcome.answer, outcome.wire is Wire.CUT
    headers = [(name.encode(), text.encode()) for name, text in fake.headers_of(answer)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = answer.body[: outcome.sent] if cut else answer.body
    await send({"type": "http.response.body", "body": body, "more_body": cut})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
