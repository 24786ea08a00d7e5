"""The copies that filters are previewed on: sealed, and replaced together with the records that they are of."""

import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.emit.filter_copy import FilterCopy
from openlane_authentik.host.database.tables import filter_copy, installation
from openlane_authentik.host.errors import ForeignCredentialError, WrongKeyError
from openlane_authentik.host.runs import ClaimedRun
from openlane_authentik.host.vault import Vault


def keep_copy(held: sa.Connection, vault: Vault, claimed: ClaimedRun, copy: FilterCopy) -> None:
    """Keep the copy of a run that is taken over, unless the installation does not want one any more.

    A whole one takes the place of all before it. Without a whole one before it the copy of a delta is good for nothing.

    Raises:
        VaultError: See ``Vault.seal_content``.
    """
    columns, wanted = filter_copy.c, installation.c
    keeps = held.scalar(
        sa.select(wanted.keep_filter_copy).where(wanted.id == claimed.installation_id, wanted.credential.is_not(None))
    )
    of_this = columns.installation_id == claimed.installation_id
    if not keeps or not (copy.whole or held.scalar(sa.select(columns.run_number).where(of_this).limit(1))):
        return
    for schema, content in ((Schema.ACCOUNT, copy.accounts), (Schema.GROUP, copy.groups)):
        if copy.whole or schema is Schema.GROUP:
            held.execute(sa.delete(filter_copy).where(of_this, columns.schema == schema.value))
        if content is not None and (content or copy.whole):
            sealed = vault.seal_content(claimed.installation_id, schema.value, content)
            key = {"installation_id": claimed.installation_id, "schema": schema.value, "run_number": claimed.number}
            held.execute(sa.insert(filter_copy).values(**key, sealed=sealed))


def read_copies(held: sa.Connection, vault: Vault, installation_id: str) -> list[FilterCopy]:
    """Return the copies of an installation, the whole one first; none if there is none.

    Raises:
        VaultError: See ``Vault.unseal_content``.
    """
    columns = filter_copy.c
    rows = held.execute(
        sa.select(columns.schema, columns.sealed)
        .where(columns.installation_id == installation_id)
        .order_by(columns.run_number)
    ).all()
    opened: dict[str, list[bytes]] = {}
    for row in rows:
        content = vault.unseal_content(installation_id, row.schema, row.sealed)
        opened.setdefault(row.schema, []).append(content)
    groups = next(iter(opened.get(Schema.GROUP.value, ())), None)
    return [
        FilterCopy(whole=number == 0, accounts=accounts, groups=groups)
        for number, accounts in enumerate(opened.get(Schema.ACCOUNT.value, ()))
    ]


def reseal_copies(held: sa.Connection, vault: Vault) -> None:
    """Seal every copy anew, and delete those that do not open: the next whole one takes their place.

    Raises:
        KeyMissingError: There is no key any more.
    """
    columns = filter_copy.c
    keys = held.execute(sa.select(columns.installation_id, columns.schema, columns.run_number)).all()
    for key in keys:
        this = sa.and_(*(columns[name] == value for name, value in key._asdict().items()))
        sealed = held.scalar(sa.select(columns.sealed).where(this))
        if sealed is None:
            continue
        try:
            content = vault.unseal_content(key.installation_id, key.schema, sealed)
        except (WrongKeyError, ForeignCredentialError):
            delete_copies(held, key.installation_id)
        else:
            anew = vault.seal_content(key.installation_id, key.schema, content)
            held.execute(sa.update(filter_copy).where(this).values(sealed=anew))


def delete_copies(held: sa.Connection, installation_id: str) -> None:
    """Delete the copies of an installation."""
    held.execute(sa.delete(filter_copy).where(filter_copy.c.installation_id == installation_id))
