"""How long the details of runs are kept. The change log, and what a run counted, are kept for ever."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import run_attempt, sync_run
from openlane_authentik.host.host import Host
from openlane_authentik.host.runs import ACTIVE
from openlane_authentik.log import get_logger

# So few at a time, that nobody waits for long.
_RUNS: Final = 1_000
_log = get_logger()


def forget_run_details(host: Host, now: datetime) -> int:
    """Forget the evidence, warnings, figures and attempts of runs that ended before the retention time.

    Status, counts, scope and error stay. The newest completed run of an installation is kept whole, however old.

    Returns:
        How many runs became shorter.

    Raises:
        DatabaseUnreachableError: See ``transaction``.
    """
    before = rfc3339(now - timedelta(days=host.settings.retention_days))
    forgotten = 0
    while shortened := _forget_some(host, before):
        forgotten += shortened
    if forgotten:
        _log.info("run details forgotten", runs=forgotten)
    return forgotten


def _forget_some(host: Host, before: str) -> int:
    run = sync_run.c
    newer = sync_run.alias()
    details = (run.sets, run.warnings, run.stats)
    has_details = sa.or_(
        *(detail.is_not(sa.null()) for detail in details), sa.exists().where(run_attempt.c.run_id == run.id)
    )
    # A later completed one shows that this is not the newest; a run that failed is never that.
    newest_completed = sa.and_(
        run.status == "COMPLETED",
        ~sa.exists().where(
            newer.c.installation_id == run.installation_id,
            newer.c.status == "COMPLETED",
            newer.c.number > run.number,
        ),
    )
    with transaction(host.database) as held:
        ids = list(
            held.scalars(
                sa.select(run.id)
                .where(run.completed_at < before, run.status.not_in(ACTIVE), has_details, ~newest_completed)
                .limit(_RUNS)
            )
        )
        held.execute(sa.update(sync_run).where(run.id.in_(ids)).values({detail.name: sa.null() for detail in details}))
        held.execute(sa.delete(run_attempt).where(run_attempt.c.run_id.in_(ids)))
    return len(ids)
