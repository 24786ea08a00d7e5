"""The primary directory of an organisation: at most one, whoever saves at once."""

from typing import Any, Final

import sqlalchemy as sa

from openlane_authentik.host.database.connections import POSTGRESQL
from openlane_authentik.host.database.tables import installation

# The key of the user input, and so of the form, that marks an installation.
PRIMARY: Final = "primaryDirectory"


def hold_organisation(held: sa.Connection, organisation: str) -> None:
    """Keep other saves of the organisation waiting until the transaction ends."""
    if held.dialect.name == POSTGRESQL:
        # An organisation may have no row yet that could be locked. On SQLite the transaction is the only one.
        held.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(organisation, 0))))


def resign_others(held: sa.Connection, organisation: str, but: str, now: str) -> None:
    """Take the mark from the organisation's other installations, and from their forms.

    What they synced says that they are the primary source: their next run reads everything, to say it no more.
    """
    others = held.execute(
        sa.select(installation.c.id, installation.c.user_input)
        .where(installation.c.organisation == organisation, installation.c.is_primary, installation.c.id != but)
        .with_for_update(key_share=True)
    ).all()
    for other in others:
        held.execute(
            installation.update()
            .where(installation.c.id == other.id)
            .values(
                is_primary=False,
                user_input=without_mark(other.user_input),
                checkpoint=None,
                checkpoint_number=None,
                version=installation.c.version + 1,
                updated_at=now,
            )
        )


def keeps_mark(held: sa.Connection, there: Any) -> bool:
    """Whether a directory that was primary when it was disconnected is so again: unless another has the mark now.

    Without it every record of the directory would change, for nothing.
    """
    has_mark = sa.exists().where(installation.c.organisation == there.organisation, installation.c.is_primary)
    return bool(there.user_input.get(PRIMARY)) and not held.scalar(sa.select(has_mark))


def without_mark(user_input: dict[str, object]) -> dict[str, object]:
    """Return a filled-in form that no longer asks to be the primary directory."""
    return {**user_input, PRIMARY: False} if user_input.get(PRIMARY) else user_input
