"""Every failure as an answer: a status, and ``{error: {code, message, remedy}}``; what is unknown tells nothing."""

import traceback
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openlane_authentik.errors import IntegrationError, Recovery
from openlane_authentik.host.errors import (
    CollectionFailedError,
    DatabaseError,
    DisconnectedError,
    HostError,
    InvalidRequestError,
    RequestError,
    TooManyTriesError,
    UnauthorisedError,
    UnconfirmedScopeError,
    UnhealthyError,
)
from openlane_authentik.log import get_logger
from openlane_authentik.remedies import Surface, retold

JSON: Final = "application/json"
_log = get_logger()


class Problem(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What went wrong.

    Attributes:
        code: Stable; programs key on it.
        message: What was seen.
        remedy: What to do.
        report: Of the health check that failed.
        records: How many records have to be confirmed.
    """

    code: str
    message: str
    remedy: str
    report: dict[str, Any] | None = None
    records: int | None = None


class Failure(msgspec.Struct, frozen=True):
    """The answer to a request that failed."""

    error: Problem


UNKNOWN: Final = Problem("internal", "the host failed in a way it does not know", "Look at the host's log.")
_NO_PATH: Final = Problem("not_found", "there is nothing at this address", "See /openapi.json for what there is.")
_NO_METHOD: Final = Problem("method_not_allowed", "this address takes another method", _NO_PATH.remedy)
_INTERNAL: Final = 500


def problem_of(error: IntegrationError) -> Problem:
    """Tell a known failure."""
    report = error.report if isinstance(error, UnhealthyError) else None
    records = error.records if isinstance(error, UnconfirmedScopeError) else None
    return Problem(error.code, str(error), retold(error.remedy, Surface.HOST), report, records)


def known(error: Exception) -> IntegrationError | None:
    """Return a failure as one that can be told; None when nothing may be told of it."""
    if isinstance(error, IntegrationError):
        return error
    if isinstance(error, sa.exc.DataError | OverflowError):
        # What one database takes for a text or a number, another does not.
        return InvalidRequestError("the database cannot hold a value of the request")
    return None


def status_of(error: IntegrationError) -> int:
    """Return the status that a failure is answered with."""
    match error:
        case RequestError():
            return error.status
        case DatabaseError():
            return 503
        case DisconnectedError():
            return 409
        case CollectionFailedError():
            return 502
        case HostError():
            return _INTERNAL
    return 502 if error.recovery is Recovery.RETRY else 422


def headers_of(error: Exception) -> dict[str, str]:
    """Return what an answer tells in its headers, too."""
    match error:
        case UnauthorisedError():
            return {"WWW-Authenticate": "Bearer"}
        case TooManyTriesError():
            return {"Retry-After": str(error.seconds)}
    return {}


def answer_problem(problem: Problem, status: int, headers: dict[str, str] | None = None) -> Response:
    """Answer with a failure, as JSON."""
    return Response(msgspec.json.encode(Failure(problem)), status, headers, JSON)


def answer_error(error: IntegrationError, status: int | None = None) -> Response:
    """Answer with a known failure, as JSON, by its own status if not another is given; the host's own is logged."""
    status = status or status_of(error)
    if status >= _INTERNAL:
        _log.error("request_failed", code=error.code, status=status, seen=str(error))
    return answer_problem(problem_of(error), status, headers_of(error))


def problem_of_http(error: HTTPException) -> Problem:
    """Return what the router found."""
    return _NO_METHOD if error.status_code == 405 else _NO_PATH  # noqa: PLR2004 - HTTP's own number


def log_unknown(error: Exception) -> None:
    """Log a failure that is not known: where it was, never its text, which may quote a statement and its values."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    _log.error("request_failed", code=UNKNOWN.code, status=_INTERNAL, error=type(error).__name__, where=where)


class LastResort:
    """Answers what nothing else did, so that no server below writes an exception with its text into a log.

    Args:
        app: What may fail.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watching(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watching)
        except Exception as error:  # noqa: BLE001 - the last resort
            log_unknown(error)
            if started:
                # Nothing else tells a client that what it got is not the whole.
                raise RuntimeError("the answer was broken off") from None
            await answer_problem(UNKNOWN, _INTERNAL)(scope, receive, send)
