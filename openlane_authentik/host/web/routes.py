"""One declaration an API operation: what it is called with, what it answers, and what does it.

The router, the parsing of requests and the OpenAPI document all follow from it.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openlane_authentik.host.host import Host
from openlane_authentik.host.web.auth import Bearer
from openlane_authentik.host.web.problems import JSON, answer_error, known
from openlane_authentik.host.web.requests import read_json, read_path, read_query


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of another status than 200."""

    status: int
    content: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read into the declared shapes.

    Attributes:
        host: The host.
        path: What the path names.
        query: Of the declared shape.
        body: Of the declared shape.
        wake: Tells an engine of this process to look for work now.
    """

    host: Host
    path: Mapping[str, str]
    query: Any
    body: Any = field(repr=False)
    wake: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation may answer: a JSON shape, or another kind of content."""

    description: str
    shape: Any = None
    media_types: tuple[str, ...] = (JSON,)


Handler = Callable[[Call], Any | Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one address.

    Attributes:
        name: Of the operation, for clients that are generated.
        handler: Gives a struct of the declared shape, a ``Reply`` or a ``Response``; a plain function runs in a
            thread, as it waits for the database.
        answers: By status.
        errors: Statuses it may fail with, beside those that all share.
        open: Whether it needs no token.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    answers: Mapping[int, Answer]
    query: type | None = None
    body: type | None = None
    errors: tuple[int, ...] = ()
    open: bool = False


_ENCODER: Final = msgspec.json.Encoder()


def route(operation: Operation, host: Host, bearer: Bearer, wake: Callable[[], None]) -> Route:
    """Return the route of an operation."""

    async def endpoint(request: Request) -> Response:
        try:
            if not operation.open:
                bearer.check(request)
            call = Call(
                host=host,
                path=read_path(request),
                query=None if operation.query is None else read_query(request, operation.query),
                body=None if operation.body is None else await read_json(request, operation.body),
                wake=wake,
            )
            return _response(await run(operation.handler, call))
        except Exception as error:
            told = known(error)
            if told is None:
                raise
            return answer_error(told)

    return Route(operation.path, endpoint, methods=[operation.method], name=operation.name)


async def run(handler: Callable[[Any], Any], call: Any) -> Any:
    """Call what may wait for the database: on the event loop only if it says that it does not block it."""
    if inspect.iscoroutinefunction(handler):
        return await handler(call)
    return await run_in_threadpool(handler, call)


def _response(content: Any) -> Response:
    if isinstance(content, Response):
        return content
    reply = content if isinstance(content, Reply) else Reply(200, content)
    return Response(_ENCODER.encode(reply.content), reply.status, media_type=JSON)
