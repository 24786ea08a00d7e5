"""What an answer of authentik means: its JSON, or the error that the request, its status and its shape stand for.

Messages are not used: a brand's locale translates them. Statuses and shapes as measured on authentik 2025.12 to 2026.5:
a refusal is 403 with JSON (never 401), a page past the end and a missing object are 404 with JSON, a wrong path is 404
with HTML. The JSON of a refusal is an object with a text as ``detail``; of a 400, one whose keys are the refused
parameters.
"""

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin, urlsplit

from openlane_authentik.authentik.decoding import decode_json
from openlane_authentik.authentik.request import Request
from openlane_authentik.errors import (
    CredentialError,
    IntegrationError,
    InvalidPageError,
    NotAuthentikError,
    NotFoundError,
    ParameterRefusedError,
    ProxyLoginError,
    RateLimitedError,
    RedirectError,
    ServerFailedError,
    ServerUnavailableError,
    UnexpectedAnswerError,
)

_OK = 200
# Of what a header says, in a message.
_MOST_TOLD = 100
_GATEWAY = frozenset({502, 503, 504})
_TOLD_BY_BODY = frozenset({400, 403, 404})
_LARGEST_REFUSAL = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A good answer.

    Attributes:
        data: What its JSON was found to be.
        seconds: How long the answer took.
    """

    data: T
    seconds: float


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came, whatever its status; the URL is turned into text only when an error needs it."""

    request: Request
    url: object
    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray
    seconds: float


def body_limit(status: int, headers: Mapping[str, str], largest: int) -> int:
    """Return how many bytes of a body are worth reading: none if it is not JSON, or if the status says it all.

    Args:
        status: Of the answer.
        headers: Of the answer.
        largest: How large a good answer may be.
    """
    if not _is_json(headers):
        return 0
    if status == _OK:
        return largest
    return _LARGEST_REFUSAL if status in _TOLD_BY_BODY else 0


def refuse_bad_answer(raw: RawAnswer, now: datetime) -> None:
    """Raise the error that a bad answer stands for; the JSON of a good one is decoded later.

    Args:
        raw: The answer as it came, its body read as far as ``body_limit`` says.
        now: This machine's time, against which a ``Retry-After`` date is read.

    Raises:
        CredentialError: The request was refused (403); only further requests tell why, see ``refusals.py``.
        IntegrationError: See ``errors``; which one depends on request, status and shape alone.
    """
    if raw.status != _OK:
        raise _error(raw, now)
    if not _is_json(raw.headers):
        raise NotAuthentikError(f"{_path(raw)} answered {_kind(raw)}, not JSON")


def _error(raw: RawAnswer, now: datetime) -> IntegrationError:
    status = raw.status
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        return RedirectError(f"{_path(raw)} redirects ({status}) to {_target(raw)}")
    if status == 429:  # noqa: PLR2004
        return RateLimitedError(f"{_path(raw)} answered 429", retry_after=_retry_after(raw, now))
    if status in _GATEWAY:
        return ServerUnavailableError(f"{_path(raw)} answered {status}", retry_after=_retry_after(raw, now))
    if status >= 500:  # noqa: PLR2004
        return ServerFailedError(f"{_path(raw)} answered {status}")
    if status == 400:  # noqa: PLR2004
        return _bad_request(raw)
    if status == 401:  # noqa: PLR2004
        return ProxyLoginError(f"{_path(raw)} answered 401, which authentik itself never does")
    if status == 403:  # noqa: PLR2004
        return _refused(raw)
    if status == 404:  # noqa: PLR2004
        return _not_found(raw)
    return UnexpectedAnswerError(f"{_path(raw)} answered {status} ({_kind(raw)})")


def _bad_request(raw: RawAnswer) -> IntegrationError:
    data = _told(raw)
    if data and data.keys() <= raw.request.params.keys():
        return ParameterRefusedError(f"{_path(raw)} refused {', '.join(sorted(data))}", frozenset(data))
    return UnexpectedAnswerError(f"{_path(raw)} answered 400 ({_kind(raw)})")


def _refused(raw: RawAnswer) -> IntegrationError:
    if _is_refusal(raw):
        return CredentialError(f"{_path(raw)} answered 403")
    return UnexpectedAnswerError(f"{_path(raw)} answered 403 ({_kind(raw)}), and not as authentik does")


def _not_found(raw: RawAnswer) -> IntegrationError:
    if _is_refusal(raw) and raw.request.is_later_page:
        return InvalidPageError(f"a page of {_path(raw)} is gone")
    if _is_refusal(raw) and raw.request.is_detail:
        return NotFoundError(f"{_path(raw)} does not exist, or may not be seen")
    return NotAuthentikError(f"{_path(raw)} answered 404 ({_kind(raw)})")


def _target(raw: RawAnswer) -> str:
    """Name where a redirect leads, without its user info and its query."""
    try:
        target = urlsplit(urljoin(str(raw.url), raw.headers.get("location", "")))
    except ValueError:
        return "what is no address"
    return f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"[:_MOST_TOLD]


def _is_refusal(raw: RawAnswer) -> bool:
    """Whether this is a refusal as authentik writes it, in whatever language.

    Raises:
        BrokenAnswerError: It ended early.
    """
    return isinstance(_told(raw).get("detail"), str)


def _told(raw: RawAnswer) -> dict[str, Any]:
    """Return the JSON object of a bad answer; an empty one if it is something else.

    Raises:
        BrokenAnswerError: It ended early.
    """
    if not _is_json(raw.headers):
        return {}
    data = decode_json(raw.body, _path(raw))
    return data if isinstance(data, dict) else {}


def _retry_after(raw: RawAnswer, now: datetime) -> float | None:
    """Seconds to wait, from both forms of RFC 9110, section 10.2.3: seconds and a date."""
    value = raw.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    date = http_date(value)
    return None if date is None else max(0.0, (date - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """Read a date of an HTTP header, in UTC; None if it is not there, not one, or out of the range of years."""
    try:
        date = email.utils.parsedate_to_datetime(value or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_json(headers: Mapping[str, str]) -> bool:
    return "json" in headers.get("content-type", "").lower()


def _kind(raw: RawAnswer) -> str:
    return raw.headers.get("content-type", "").split(";")[0].strip()[:_MOST_TOLD] or "no content type"


def _path(raw: RawAnswer) -> str:
    return urlsplit(str(raw.url)).path
