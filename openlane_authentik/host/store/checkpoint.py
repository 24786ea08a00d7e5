"""Where the next sync of an installation can begin: sealed, since it names people whom the filter leaves out."""

from typing import Final

import sqlalchemy as sa

from openlane_authentik.host.database.tables import installation, sync_run
from openlane_authentik.host.errors import ForeignCredentialError, WrongKeyError
from openlane_authentik.host.vault import Vault
from openlane_authentik.log import get_logger

_log = get_logger()

_NAME: Final = "checkpoint"


def seal_checkpoint(vault: Vault, installation_id: str, checkpoint: bytes | None) -> bytes | None:
    """Seal what a run gave for the next one; None when it gave nothing.

    Raises:
        VaultError: See ``Vault.seal_content``.
    """
    return None if checkpoint is None else vault.seal_content(installation_id, _NAME, checkpoint)


def read_checkpoint(held: sa.Connection, vault: Vault, installation_id: str) -> bytes | None:
    """Return the checkpoint of the records that are there; None when the next run must read everything.

    Raises:
        KeyMissingError: There is no key any more.
    """
    newest = sa.select(sa.func.max(sync_run.c.number)).where(
        sync_run.c.installation_id == installation.c.id, sync_run.c.status == "COMPLETED"
    )
    sealed = held.scalar(
        sa.select(installation.c.checkpoint).where(
            installation.c.id == installation_id, installation.c.checkpoint_number == newest.scalar_subquery()
        )
    )
    return _opened(vault, installation_id, sealed)


def reseal_checkpoints(held: sa.Connection, vault: Vault) -> None:
    """Seal every checkpoint anew, and delete those that do not open: the next run reads everything.

    Raises:
        KeyMissingError: There is no key any more.
    """
    columns = installation.c
    for installation_id in held.scalars(sa.select(columns.id).where(columns.checkpoint.is_not(None))).all():
        this = columns.id == installation_id
        opened = _opened(vault, installation_id, held.scalar(sa.select(columns.checkpoint).where(this)))
        anew = seal_checkpoint(vault, installation_id, opened)
        held.execute(sa.update(installation).where(this).values(checkpoint=anew))


def _opened(vault: Vault, installation_id: str, sealed: bytes | None) -> bytes | None:
    if sealed is None:
        return None
    try:
        return vault.unseal_content(installation_id, _NAME, sealed)
    except (WrongKeyError, ForeignCredentialError) as error:
        # What does not open is as good as not there: everything is read.
        _log.warning("checkpoint_unreadable", installation_id=installation_id, code=error.code)
        return None
