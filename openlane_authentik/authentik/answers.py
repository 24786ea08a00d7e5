"""What an answer of authentik means: its JSON, or the error that its status and body stand for.

Statuses and bodies as measured on authentik 2025.12.4: a refused token is 403 (never 401), a page past the end is
404 with JSON, a wrong path 404 with HTML.
"""

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from openlane_authentik.errors import (
    BrokenAnswerError,
    IntegrationError,
    InvalidPageError,
    NoPermissionGroupsError,
    NoPermissionUsersError,
    NotAuthentikError,
    NotFoundError,
    PermissionDeniedError,
    ProxyLoginError,
    RateLimitedError,
    RedirectError,
    ServerFailedError,
    ServerUnavailableError,
    TokenMissingError,
    TokenRejectedError,
    UnexpectedAnswerError,
)

_DECODER = msgspec.json.Decoder()
_OK = 200
_GATEWAY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer.

    Attributes:
        data: The decoded JSON.
        told_date: The server's clock when it answered, as its ``Date`` header has it.
        seconds: How long the answer took.
    """

    data: Any
    told_date: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came over the wire, of whatever status; the URL is text, or becomes it when an error needs it."""

    url: object
    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray
    seconds: float


def read_answer(raw: RawAnswer, now: datetime) -> Answer:
    """Decode a good answer, or raise the error that a bad one stands for.

    Args:
        raw: The answer as it came.
        now: This machine's time, against which a ``Retry-After`` date is read.

    Raises:
        IntegrationError: See ``errors.py``; which one depends on status and body alone.
    """
    if raw.status == _OK:
        return Answer(_decode(raw), raw.headers.get("date"), raw.seconds)
    raise _error(raw, now)


def _decode(raw: RawAnswer) -> Any:
    if not _is_json(raw):
        raise NotAuthentikError(f"{_path(raw)} answered {_kind(raw)}, not JSON")
    try:
        return _DECODER.decode(raw.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The decoder's own message may quote the body, which holds people's data.
        raise BrokenAnswerError(
            f"the answer of {_path(raw)} is no valid JSON ({len(raw.body)} bytes came)"
        ) from error.with_traceback(None)


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
    data = _decode(raw) if _is_json(raw) else None
    refused = frozenset(data) if isinstance(data, dict) else frozenset()
    return UnexpectedAnswerError(f"{_path(raw)} answered 400 ({_kind(raw)})", refused)


def _refused(raw: RawAnswer) -> IntegrationError:
    detail = _detail(raw)
    if detail == "Authentication credentials were not provided.":
        return TokenMissingError("authentik saw no usable Authorization header")
    if detail == "Token invalid/expired":
        return TokenRejectedError(
            "authentik refused the token: it is wrong, expired, of another intent, or its account is inactive"
        )
    if detail == "You do not have permission to perform this action.":
        if "/core/users/" in _path(raw):
            return NoPermissionUsersError("the token's account may not view users")
        if "/core/groups/" in _path(raw):
            return NoPermissionGroupsError("the token's account may not view groups")
        return PermissionDeniedError(f"the token's account may not read {_path(raw)}")
    return UnexpectedAnswerError(f"{_path(raw)} answered 403 ({_kind(raw)}) in words that are not authentik's")


def _not_found(raw: RawAnswer) -> IntegrationError:
    detail = _detail(raw)
    if detail == "Invalid page.":
        return InvalidPageError(f"a page of {_path(raw)} is gone")
    if detail is not None:
        return NotFoundError(f"{_path(raw)} does not exist, or may not be seen")
    return NotAuthentikError(f"{_path(raw)} answered 404 ({_kind(raw)})")


def _target(raw: RawAnswer) -> str:
    """Name where a redirect leads, without its user info and its query."""
    try:
        target = urlsplit(urljoin(str(raw.url), raw.headers.get("location", "")))
    except ValueError:
        return "what is no address"
    return f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"


def _detail(raw: RawAnswer) -> str | None:
    """Give authentik's own words for a refusal.

    Raises:
        BrokenAnswerError: They ended early.
    """
    if not _is_json(raw):
        return None
    data = _decode(raw)
    detail = data.get("detail") if isinstance(data, dict) else None
    return detail if isinstance(detail, str) else None


def _retry_after(raw: RawAnswer, now: datetime) -> float | None:
    """Seconds to wait, from both forms of RFC 9110, section 10.2.3: seconds and a date."""
    value = raw.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    date = http_date(value)
    return None if date is None else max(0.0, (date - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """Read a date of an HTTP header; None if it is not there or not one."""
    try:
        date = email.utils.parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date


def _is_json(raw: RawAnswer) -> bool:
    return "json" in raw.headers.get("content-type", "").lower()


def _kind(raw: RawAnswer) -> str:
    return raw.headers.get("content-type", "").split(";")[0].strip() or "no content type"


def _path(raw: RawAnswer) -> str:
    return urlsplit(str(raw.url)).path
