"""How an open episode moves with a run: it is removed, replaced, or goes out of scope and comes back.

``staged_ending`` has the first three, found before anything is changed, so that an operator can be asked first.
"""

from typing import Any, Final

import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.store.kinds import (
    ACCOUNTS,
    GROUPS,
    Kind,
    ending,
    left_out,
)

REMOVED: Final = "removed"
REPLACED: Final = "replaced"
OUT_OF_SCOPE: Final = "out_of_scope"


def add_endings(
    held: sa.Connection,
    kind: Kind,
    which: sa.ColumnElement[bool],
    how: sa.ColumnElement[str],
    successor: sa.ColumnElement[Any] | None = None,
) -> None:
    """Write episodes into ``staged_ending``, except that who is out of scope does not go out of it again."""
    names = (sa.literal(kind.schema.value), *kind.log_keys(kind.table))
    # Only who is replaced has a successor.
    followed = sa.null() if successor is None else sa.case((how == REPLACED, successor))
    moves = sa.or_(how != OUT_OF_SCOPE, kind.table.c.out_of_scope_at.is_(None))
    held.execute(
        sa.insert(ending).from_select(
            ["schema", "external_id", "group_id", "kind", "successor"],
            sa.select(*names, how, followed).where(which, moves),
        )
    )


def ends_as(how: str, kind: Kind, record_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether an account or a group moves so with this run."""
    one = ending.alias()
    return sa.exists().where(
        one.c.schema == kind.schema.value, one.c.external_id == record_id, one.c.group_id == "", one.c.kind == how
    )


def is_out(kind: Kind, installation_id: str, record_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether an account or a group is out of scope when this run has been taken over."""
    one = kind.table.alias()
    out_before = sa.exists().where(
        kind.open(installation_id, one), one.c.external_id == record_id, one.c.out_of_scope_at.is_not(None)
    )
    received = sa.exists().where(kind.staged.c.external_id == record_id)
    return sa.or_(ends_as(OUT_OF_SCOPE, kind, record_id), sa.and_(out_before, ~received))


def is_in(kind: Kind, installation_id: str, record_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether an account or a group is in the directory when this run has been taken over."""
    one, moved = kind.table.alias(), ending.alias()
    moves = sa.exists().where(moved.c.schema == kind.schema.value, moved.c.external_id == record_id)
    present = sa.exists().where(kind.present(installation_id, one), one.c.external_id == record_id)
    return sa.or_(sa.exists().where(kind.staged.c.external_id == record_id), sa.and_(present, ~moves))


def membership_is_kept_out(
    installation_id: str, account_id: sa.ColumnElement[str], group_id: sa.ColumnElement[str]
) -> sa.ColumnElement[bool]:
    """Whether a membership that was not received is out of scope, by itself or with its account or its group."""
    return sa.or_(
        is_named(left_out, Schema.MEMBERSHIP, account_id, group_id),
        ~is_in(ACCOUNTS, installation_id, account_id),
        ~is_in(GROUPS, installation_id, group_id),
    )


def is_named(
    names: sa.Table, schema: Schema, external_id: sa.ColumnElement[str], group_id: sa.ColumnElement[str] | None = None
) -> sa.ColumnElement[bool]:
    """Whether a record is left out, or held back, by name."""
    one = names.alias()
    group = sa.literal("") if group_id is None else group_id
    return sa.exists().where(one.c.schema == schema.value, one.c.external_id == external_id, one.c.group_id == group)
