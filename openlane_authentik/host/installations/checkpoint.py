"""Where the next sync of an installation can begin."""

import sqlalchemy as sa

from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import installation, sync_run
from openlane_authentik.host.host import Host


def read_checkpoint(host: Host, installation_id: str) -> bytes | None:
    """Give the checkpoint of the records that are there; None when the next run must read everything."""
    newest = sa.select(sa.func.max(sync_run.c.number)).where(
        sync_run.c.installation_id == installation.c.id, sync_run.c.status == "COMPLETED"
    )
    with reading(host.database) as held:
        found: bytes | None = held.scalar(
            sa.select(installation.c.checkpoint).where(
                installation.c.id == installation_id, installation.c.checkpoint_number == newest.scalar_subquery()
            )
        )
    return found
