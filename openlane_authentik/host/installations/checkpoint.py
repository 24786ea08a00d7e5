"""Where the next sync of an installation can begin."""

import sqlalchemy as sa

from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.host import Host


def read_checkpoint(host: Host, installation_id: str) -> bytes | None:
    """Give the checkpoint that the last run left; None when the next must read everything."""
    with reading(host.database) as held:
        found: bytes | None = held.scalar(
            sa.select(installation.c.checkpoint).where(installation.c.id == installation_id)
        )
    return found
