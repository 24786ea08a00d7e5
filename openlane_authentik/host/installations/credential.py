"""Open what is stored of a credential."""

from typing import Any

import sqlalchemy as sa

from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.errors import DisconnectedError, UnknownRecordError, WrongKeyError
from openlane_authentik.host.host import Host


def read_credential(host: Host, installation_id: str) -> dict[str, Any]:
    """Return the credential of an installation, for whoever builds its integration; it is never logged or shown.

    Raises:
        UnknownRecordError: There is no such installation.
        DisconnectedError: It has no credential.
        VaultError: It does not open: see ``Vault.unseal``.
    """
    sealed = sealed_credential(host, installation_id)
    try:
        return host.vault.unseal(installation_id, sealed)
    except WrongKeyError:
        # A key rotation may have come between reading the row and reading the key.
        again = sealed_credential(host, installation_id)
        if again == sealed:
            raise
        return host.vault.unseal(installation_id, again)


def sealed_credential(host: Host, installation_id: str) -> str:
    """Return the credential as it is stored.

    Raises:
        UnknownRecordError: There is no such installation.
        DisconnectedError: It has no credential.
    """
    with reading(host.database) as held:
        row = held.execute(
            sa.select(installation.c.credential).where(installation.c.id == installation_id)
        ).one_or_none()
    if row is None:
        raise UnknownRecordError(f"there is no installation {installation_id!r}")
    if row.credential is None:
        raise DisconnectedError("the installation has no credential")
    return str(row.credential)
