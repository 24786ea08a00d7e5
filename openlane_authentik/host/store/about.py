"""What an export says of itself: of which directory, run, instant and filter it is, and what of it was proven."""

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.store.history import directory
from openlane_authentik.host.store.proofs import Proof, newest_run, proof_of

# What the change log does not hold, so that it is empty as of a past run.
_NOT_LOGGED: Final = ("lastLoginAt",)


class About(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Of what an export is.

    Attributes:
        written_at: When it was written.
        organisation, installation, installation_id: Whose.
        directory: The id of the directory instance.
        as_of: ``now``, or ``run`` and the number that was asked for.
        run: The newest run that had ended well by then; None when there was none.
        run_ended_at: When that run became visible.
        filter: The filter expression that the run worked with; empty for everything.
        groups_synced: Whether the run read groups and memberships.
        proof: By schema; None when the run's details are no longer kept, or there was no run.
        not_known: Columns that are empty because the host does not know them of the past.
        rows: How many lines there are besides this one.
    """

    written_at: str
    organisation: str
    installation: str
    installation_id: str
    directory: str
    as_of: str
    run: int | None
    run_ended_at: str | None
    filter: str | None
    groups_synced: bool | None
    proof: dict[str, Proof] | None
    not_known: list[str]
    rows: int

    @classmethod
    def columns(cls) -> list[str]:
        """Name the columns of a table that tell the same."""
        return [f"export{name[0].upper()}{name[1:]}" for name in _names(cls)]

    def cells(self) -> list[str | None]:
        """Return the cells below ``columns``."""
        return [_cell(getattr(self, field.name)) for field in msgspec.structs.fields(self)]


def about_export(held: sa.Connection, installation_id: str, as_of: int | None, written_at: str) -> About:
    """Tell of what an export is that is read from the same state of the database.

    Args:
        held: A connection that reads from one state.
        installation_id: Whose; there is one.
        as_of: The number of a run; None for now.
        written_at: The moment.
    """
    one = held.execute(sa.select(installation).where(installation.c.id == installation_id)).one()
    run = held.execute(newest_run(installation_id, as_of)).one_or_none()
    counts = (run.counts or {}) if run else {}
    sets = run.sets if run else None
    return About(
        written_at=written_at,
        organisation=one.organisation,
        installation=one.name,
        installation_id=one.id,
        directory=one.instance_id,
        as_of="now" if as_of is None else f"run {as_of}",
        run=run.number if run else None,
        run_ended_at=run.completed_at if run else None,
        filter=(run.user_input or {}).get("filterExpr", "") if run else None,
        # A set that is not synced has no more than the counts of those that ended or went out of scope.
        groups_synced="read" in counts.get(Schema.GROUP.value, {}) if run else None,
        proof=sets and {schema: proof_of(told) for schema, told in sets.items()},
        not_known=[] if as_of is None else list(_NOT_LOGGED),
        rows=held.scalar(_counted(installation_id, as_of)) or 0,
    )


def _counted(installation_id: str, as_of: int | None) -> sa.Select[Any]:
    accounts = directory(Schema.ACCOUNT, installation_id, as_of)
    memberships = directory(Schema.MEMBERSHIP, installation_id, as_of)
    lines = accounts.outerjoin(memberships, memberships.c.external_id == accounts.c.external_id)
    return sa.select(sa.func.count()).select_from(lines)


def _names(shape: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(shape)]


def _cell(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return "yes" if value else "no"
        case dict():
            return "; ".join(f"{schema} {proof}" for schema, proof in value.items())
        case list():
            return ", ".join(value)
    return str(value)
