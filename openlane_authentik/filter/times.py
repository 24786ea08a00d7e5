"""CEL's timestamps and durations, in whole nanoseconds.

Texts are read as Go reads them, for hosts run cel-go: timestamps by RFC 3339 with an upper-case T and Z and seconds
up to 59, durations by ``time.ParseDuration``.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from openlane_authentik.filter.values import (
    BAD_DURATION,
    BAD_TIMESTAMP,
    BAD_TIMEZONE,
    INT_MAX,
    INT_MIN,
    OVERFLOW,
    Duration,
    Failure,
    Timestamp,
    mismatch,
)

_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (date.min.toordinal() - _EPOCH_DAY) * _DAY * _SECOND
_LAST: Final = (date.max.toordinal() - _EPOCH_DAY + 1) * _DAY * _SECOND - 1

_TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,30}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3_600 * _SECOND,
}
_DURATION_PART: Final = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_MAX_DURATION_TEXT: Final = 64
_OFFSET: Final = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
_LAST_HOUR: Final = 23
_LAST_MINUTE: Final = 59


def timestamp_in_range(nanoseconds: int) -> Any:
    """Return the timestamp, or a failure outside the years 1 to 9999."""
    return Timestamp(nanoseconds) if _FIRST <= nanoseconds <= _LAST else OVERFLOW


def parse_timestamp(text: str) -> Any:
    """Read an RFC 3339 timestamp; a zone is required, digits beyond nanoseconds are dropped."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return BAD_TIMESTAMP
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = found.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return BAD_TIMESTAMP
    seconds = days * _DAY + int(hour) * 3_600 + int(minute) * 60 + int(second)
    if sign:
        east = int(zone_hour) * 3_600 + int(zone_minute) * 60
        seconds += east if sign == "-" else -east
    return timestamp_in_range(seconds * _SECOND + int((fraction or "0")[:9].ljust(9, "0")))


def parse_duration(text: str) -> Any:
    """Read a duration such as "1h30m" or "-1.5s", in time linear in its length."""
    if len(text) > _MAX_DURATION_TEXT:
        return BAD_DURATION
    unsigned = text[1:] if text[:1] in {"+", "-"} else text
    if unsigned == "0":
        return Duration(0)
    total, offset = 0, 0
    while offset < len(unsigned):
        part = _DURATION_PART.match(unsigned, offset)
        if part is None or not (part.group(1) or part.group(2)):
            return BAD_DURATION
        digits, fraction, unit = part.group(1) or "0", part.group(2) or "", _UNITS[part.group(3)]
        total += int(digits) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        offset = part.end()
    total = -total if text.startswith("-") else total
    if not unsigned:
        return BAD_DURATION
    return Duration(total) if INT_MIN <= total <= INT_MAX else OVERFLOW


def format_timestamp(moment: Timestamp) -> str:
    """Write a timestamp as RFC 3339 in UTC, without trailing zeros."""
    seconds, nanoseconds = divmod(int(moment), _SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return f"{text}{_fraction(nanoseconds)}Z"


def format_duration(duration: Duration) -> str:
    """Write a duration in seconds, without trailing zeros."""
    seconds, nanoseconds = divmod(abs(int(duration)), _SECOND)
    return f"{'-' if duration < 0 else ''}{seconds}{_fraction(nanoseconds)}s"


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""


def zone(name: str) -> tzinfo | Failure:
    """Return a time zone by its IANA name or its offset, such as "+02:00"."""
    if offset := _OFFSET.fullmatch(name):
        sign, hours, minutes = offset.group(1), int(offset.group(2)), int(offset.group(3))
        if hours > _LAST_HOUR or minutes > _LAST_MINUTE:
            return BAD_TIMEZONE
        east = timedelta(hours=hours, minutes=minutes)
        return timezone(-east if sign == "-" else east)
    if not _ZONE.fullmatch(name):
        return BAD_TIMEZONE
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # no such zone, a folder of zones, a broken one
        return BAD_TIMEZONE


def _local(moment: Timestamp, name: Any) -> datetime | Failure:
    if type(name) is not str:
        return mismatch(name)
    where = zone(name)
    if isinstance(where, Failure):
        return where
    try:
        return (_EPOCH + timedelta(microseconds=int(moment) // 1_000)).astimezone(where)
    except OverflowError:
        return OVERFLOW


_OF_DATE: Final = {
    "getFullYear": lambda at: at.year,
    "getMonth": lambda at: at.month - 1,
    "getDate": lambda at: at.day,
    "getDayOfMonth": lambda at: at.day - 1,
    "getDayOfWeek": lambda at: at.isoweekday() % 7,
    "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
    "getHours": lambda at: at.hour,
    "getMinutes": lambda at: at.minute,
    "getSeconds": lambda at: at.second,
    "getMilliseconds": lambda at: at.microsecond // 1_000,
}
# The whole duration in that unit, cut towards zero, as in cel-go.
_OF_DURATION: Final = {
    "getHours": 3_600 * _SECOND,
    "getMinutes": 60 * _SECOND,
    "getSeconds": _SECOND,
    "getMilliseconds": 1_000_000,
}
PARTS: Final = tuple(_OF_DATE)


def part(name: str, moment: Any, zone_name: Any = "UTC") -> Any:
    """Return a part of a timestamp, in a zone, or of a duration; months and days count as CEL counts them."""
    if type(moment) is Timestamp:
        at = _local(moment, zone_name)
        return at if isinstance(at, Failure) else _OF_DATE[name](at)
    if type(moment) is Duration and name in _OF_DURATION:
        whole = abs(int(moment)) // _OF_DURATION[name]
        return -whole if moment < 0 else whole
    return mismatch(moment, zone_name)
