"""How much of the directory would go out of scope, of what a preview has named."""

from collections.abc import Collection

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.store.breaker import Limits
from openlane_authentik.host.store.kinds import KINDS, MEMBERSHIPS, Kind, left_out
from openlane_authentik.host.store.last_day import count, count_there


class Drop(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a save would take out of scope of one schema.

    Attributes:
        present: How many there are in the directory.
        dropped: How many of them would go.
        too_many: Whether that is more than the installation's limits let a run remove unasked.
    """

    present: int
    dropped: int
    too_many: bool


def has_records(held: sa.Connection, installation_id: str) -> bool:
    """Whether the directory holds anything."""
    return any(there["present"] for there in count_there(held, installation_id).values())


def count_dropped(
    held: sa.Connection, installation_id: str, synced: Collection[Schema], limits: Limits
) -> dict[str, Drop]:
    """Count what would go, by what is staged as left out.

    Args:
        held: The connection with the staged names.
        installation_id: Whose directory.
        synced: The schemas that would be synced; of any other everything goes.
        limits: Of the installation.

    Returns:
        By schema, where anything goes.
    """
    dropped = {}
    for schema, kind in KINDS.items():
        present = kind.present(installation_id)
        goes = sa.and_(present, _left_out(kind)) if schema in synced else present
        if number := count(held, kind, goes):
            there = count(held, kind, present)
            too_many = number == there or limits.exceeded_by(number, there)
            dropped[schema.value] = Drop(present=there, dropped=number, too_many=too_many)
    return dropped


def _left_out(kind: Kind) -> sa.ColumnElement[bool]:
    """Whether a record is left out: by itself, or as a membership by its account or its group."""
    by_itself = sa.exists().where(kind.named(left_out))
    if kind is not MEMBERSHIPS:
        return by_itself
    columns, mine = left_out.c, kind.table.c
    account = sa.exists().where(columns.schema == Schema.ACCOUNT.value, columns.external_id == mine.account_id)
    group = sa.exists().where(columns.schema == Schema.GROUP.value, columns.external_id == mine.group_id)
    return sa.or_(by_itself, account, group)
