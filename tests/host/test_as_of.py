"""What "as of" means: a run, a day or a moment."""

import pytest
import sqlalchemy as sa

from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import sync_run
from openlane_authentik.host.errors import InvalidRequestError, UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.as_of import run_as_of
from tests.host.in_process import sync_now
from tests.host.scripted import scripted

_ENDED = {1: "2026-08-30T23:59:59.999999Z", 2: "2026-08-31T00:00:00.000000Z", 3: "2026-08-31T23:59:59.999999Z"}


def _lived(host: Host) -> tuple[Host, str]:
    """Return an installation with three runs that ended well and a fourth, after them, that failed."""
    opened, script, saved = scripted(host)
    script.people(1)
    for number in (*_ENDED, 4):
        script.error = OSError() if number == 4 else None
        sync_now(opened, saved.id)
        ended = {"completed_at": _ENDED.get(number, "2026-09-01T00:00:00.000000Z")}
        with transaction(opened.database) as held:
            held.execute(sa.update(sync_run).where(sync_run.c.number == number).values(ended))
    return opened, saved.id


def test_a_day_lasts_to_its_end_in_utc_and_a_moment_has_a_zone(host: Host) -> None:
    """The newest run that had ended well by then; a run that failed changed nothing and is none."""
    opened, installation_id = _lived(host)
    for asked, number in (
        (None, None),
        ("2", 2),
        ("77", 77),
        ("2026-08-30", 1),
        ("2026-08-31", 3),
        ("2026-09-02", 3),
        ("9999-12-31", 3),
        ("2026-08-31T00:00:00Z", 2),
        ("2026-08-31T23:59:59Z", 2),
        ("2026-08-31T23:59:59.999999z", 3),
        ("2026-08-31t02:00:00+02:00", 2),
        ("2026-08-30T19:00:00-05:00", 2),
    ):
        assert run_as_of(opened.database, installation_id, asked) == number, asked


def test_what_is_before_the_first_run_is_refused(host: Host) -> None:
    """The refusal names the first run and when it ended; without any run it says so."""
    opened, installation_id = _lived(host)
    for early in ("2026-08-29", "0001-01-01", "2026-08-30T23:59:59Z", "2026-08-31T01:59:59+02:00"):
        with pytest.raises(UnknownRecordError, match=r"the first, run 1, ended at 2026-08-30T23:59:59\.999999Z"):
            run_as_of(opened.database, installation_id, early)
    with pytest.raises(UnknownRecordError, match="no run of the installation has ended"):
        run_as_of(opened.database, "nobody's", "2026-08-31")


def test_what_is_neither_run_nor_time_is_refused(host: Host) -> None:
    """A time without a zone, a day there never was, or anything else is refused with what is meant."""
    for asked in (
        *("", "0", "-1", "1.5", "1\n", "yesterday", "\u0661"),
        *("2026-8-1", "2026-02-30", "0001-01-01T00:00:00+23:00", "2026-08-31T24:30:00Z"),
        *("20260831T000000Z", "2026-08-31T12:00:00", "2026-08-31 12:00:00Z", "2026-08-31T12:00:00Z x"),
    ):
        with pytest.raises(InvalidRequestError, match="the number of a run, a date"):
            run_as_of(host.database, "one", asked)


def test_a_number_beyond_all_runs_is_no_run(host: Host) -> None:
    """A number that no database column holds is answered like any other run that never was."""
    with pytest.raises(UnknownRecordError, match="no run 9999999999"):
        run_as_of(host.database, "one", "9999999999")
