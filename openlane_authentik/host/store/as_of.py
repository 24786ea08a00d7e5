"""Which run is meant by "as of": the run of a number, or the newest that had ended by a date or a time."""

import re
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import sync_run
from openlane_authentik.host.errors import InvalidRequestError, UnknownRecordError

PATTERN: Final = (
    r"^([1-9][0-9]{0,9}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?)$"
)
MEANT: Final = "the number of a run, a date (until its end in UTC), or a time with its zone (2026-08-31T12:00:00Z)"
_END_OF_DAY: Final = "T23:59:59.999999+00:00"
_LARGEST: Final = 2**31 - 1


def run_as_of(engine: sa.Engine, installation_id: str, asked: str | None) -> int | None:
    """Return the number of the run that is meant: of a date or a time the newest that had ended well by then.

    Args:
        engine: The host's database.
        installation_id: Whose.
        asked: A number, which is not looked up; a date, until the end of that day in UTC; or an RFC 3339 time. None,
            for now, gives None.

    Raises:
        InvalidRequestError: It is none of them.
        UnknownRecordError: No run had ended by then, or none can have this number.
    """
    if asked is None:
        return None
    if not re.fullmatch(PATTERN, asked):
        raise InvalidRequestError(f"as of {asked!r}: give {MEANT}")
    if asked.isdigit():
        if int(asked) > _LARGEST:
            raise UnknownRecordError(f"the installation has no run {asked}")
        return int(asked)
    until = _moment(asked)
    run = sync_run.c
    ended = sa.select(run.number, run.completed_at).where(
        run.installation_id == installation_id, run.status == "COMPLETED"
    )
    with reading(engine) as held:
        found = held.execute(ended.where(run.completed_at <= until).order_by(run.number.desc()).limit(1)).one_or_none()
        if found is not None:
            return int(found.number)
        first = held.execute(ended.order_by(run.number).limit(1)).one_or_none()
    if first is None:
        raise UnknownRecordError("no run of the installation has ended well yet")
    raise UnknownRecordError(
        f"no run had ended well by {until}: the first, run {first.number}, ended at {first.completed_at}"
    )


def _moment(asked: str) -> str:
    try:
        return rfc3339(datetime.fromisoformat(asked.upper() if "T" in asked.upper() else asked + _END_OF_DAY))
    except (ValueError, OverflowError):
        raise InvalidRequestError(f"as of {asked!r}: there is no such day or time; give {MEANT}") from None
