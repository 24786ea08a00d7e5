"""Authentik's timestamps as whole microseconds since 1970, so that a range's bounds can be moved by exactly one."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from openlane_authentik.clock import rfc3339

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(value: Any) -> int | None:
    """Read an RFC 3339 timestamp; None if it is not there or not one."""
    return _read(value) if isinstance(value, str) else None


# A page's timestamps are asked for when its order is verified, and again when its users are noted.
@lru_cache(maxsize=2048)
def _read(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    micros = moment_micros(moment)
    # With an offset, a moment of the first or the last day may lie where none can be written in UTC.
    return micros if FIRST_MICROS <= micros <= LAST_MICROS else None


def moment_micros(moment: datetime) -> int:
    """Count the microseconds from 1970 to a moment."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


FIRST_MICROS = moment_micros(datetime.min.replace(tzinfo=UTC))
LAST_MICROS = moment_micros(datetime.max.replace(tzinfo=UTC))


def from_micros(micros: int) -> str:
    """Write a moment the way authentik's filters read it.

    Raises:
        OverflowError: It is before the year 1 or after the year 9999.
    """
    return rfc3339(_EPOCH + timedelta(microseconds=micros))
