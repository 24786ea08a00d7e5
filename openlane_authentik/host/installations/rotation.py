"""Key rotation: a new key, everything sealed anew with it, and only then the old ones dropped.

A crash between any two steps leaves a database that opens, and the next rotation ends what this one began.
"""

import sqlalchemy as sa

from openlane_authentik.host.database.connections import connection, transaction
from openlane_authentik.host.database.tables import host_fact, installation
from openlane_authentik.host.errors import VaultError
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.checkpoint import reseal_checkpoints
from openlane_authentik.host.store.filter_copies import reseal_copies
from openlane_authentik.host.vault import PROOF, Vault
from openlane_authentik.host.vault.keys import KeyFile, new_key
from openlane_authentik.log import get_logger

_log = get_logger()


def rotate(host: Host) -> int:
    """Seal every credential anew, every checkpoint, and every copy that filters are previewed on.

    With a key file the new key is made here, and afterwards the file holds no other. Keys that the operator gives
    are the operator's to change: the first of them seals, and the others may go when this has ended.

    Returns:
        How many credentials there are.

    Raises:
        VaultError: A credential does not open with the keys there are; nothing was changed in the database.
        HostSettingError: The key file cannot be written.
        DatabaseUnreachableError: See ``transaction``.
    """
    with connection(host.database) as held, held.begin():
        host.vault.hold(held)
    keys = host.vault.keys
    if not isinstance(keys, KeyFile):
        return _reseal(host)
    with keys.alone():
        new = new_key()
        keys.write([new, *keys.read()])
        count = _reseal(host)
        keys.write([new])
    return count


def _reseal(host: Host) -> int:
    with transaction(host.database) as held:
        # From here on nobody seals with an old key: see ``Vault.hold``.
        host.vault.hold(held, alone=True)
        proof = held.execute(sa.select(host_fact.c.value).where(host_fact.c.name == PROOF)).scalar_one()
        held.execute(host_fact.update().where(host_fact.c.name == PROOF).values(value=host.vault.reseal(PROOF, proof)))
        rows = held.execute(
            sa.select(installation.c.id, installation.c.credential)
            .where(installation.c.credential.is_not(None))
            .order_by(installation.c.id)
            .with_for_update()
        ).all()
        for row in rows:
            held.execute(
                installation.update()
                .where(installation.c.id == row.id)
                .values(credential=_resealed(host.vault, row.id, row.credential))
            )
        reseal_checkpoints(held, host.vault)
        reseal_copies(held, host.vault)
    _log.info("key_rotated", credentials=len(rows))
    return len(rows)


def _resealed(vault: Vault, installation_id: str, sealed: str) -> str:
    try:
        return vault.reseal(installation_id, sealed)
    except VaultError as error:
        raise type(error)(f"installation {installation_id}: {error}") from None
