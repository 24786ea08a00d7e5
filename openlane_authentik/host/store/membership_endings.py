"""Which memberships a run ends: each goes the way of its account and its group.

With an account or a group that is removed the membership is. With an account that is replaced it goes on under the
successor, if the successor has it, or if this cannot be told. While its account or its group is out of scope nobody
names it, and it stays, out of scope, until these come back or are removed. A membership that is held back, by itself
or with its account, stays as it is, unless its group is gone or goes out of scope.
"""

import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.store.kinds import ACCOUNTS, GROUPS, MEMBERSHIPS, ending, held_back, left_out
from openlane_authentik.host.store.moves import (
    OUT_OF_SCOPE,
    REMOVED,
    REPLACED,
    add_endings,
    ends_as,
    is_named,
    is_out,
    membership_is_kept_out,
)
from openlane_authentik.host.store.successions import waiting


def find_membership_endings(held: sa.Connection, installation_id: str, unnamed: str | None, *, synced: bool) -> None:
    """Write into ``staged_ending`` which memberships end; what ends of accounts and groups must be there.

    Args:
        held: Within the transaction.
        installation_id: Whose.
        unnamed: What becomes of those that the set does not name; None if it does not tell, as it is unproven.
        synced: Whether there was a set.
    """
    columns, staged, account = MEMBERSHIPS.table.c, MEMBERSHIPS.staged.c, ending.alias()
    of_account = (
        account.c.schema == Schema.ACCOUNT.value,
        account.c.external_id == columns.account_id,
        account.c.kind == REPLACED,
    )
    replaced = sa.exists().where(*of_account)
    goes_on = sa.or_(
        sa.exists().where(*of_account, staged.account_id == account.c.successor, staged.group_id == columns.group_id),
        sa.exists().where(*of_account, _is_held_back(account.c.successor, columns.group_id)),
        sa.exists().where(*of_account, membership_is_kept_out(installation_id, account.c.successor, columns.group_id)),
    )
    gone = sa.or_(ends_as(REMOVED, ACCOUNTS, columns.account_id), ends_as(REMOVED, GROUPS, columns.group_id))
    out = sa.or_(
        is_out(ACCOUNTS, installation_id, columns.account_id), is_out(GROUPS, installation_id, columns.group_id)
    )
    left = sa.exists().where(MEMBERSHIPS.named(left_out))
    # Of an account that waits only its group's end ends one.
    stays = sa.or_(_is_held_back(columns.account_id, columns.group_id), waiting(columns.account_id))
    received = sa.exists().where(MEMBERSHIPS.same(MEMBERSHIPS.staged))
    told = sa.true() if unnamed is not None else sa.or_(left, replaced)
    which = sa.or_(gone, out, sa.and_(~stays, told)) if synced else sa.true()
    how = sa.case(
        (gone, REMOVED),
        (goes_on, REPLACED),
        (replaced, unnamed or REPLACED),
        (sa.or_(left, out), OUT_OF_SCOPE),
        else_=sa.literal(unnamed or OUT_OF_SCOPE),
    )
    successor = sa.select(account.c.successor).where(*of_account).scalar_subquery()
    add_endings(held, MEMBERSHIPS, sa.and_(MEMBERSHIPS.open(installation_id), ~received, which), how, successor)


def _is_held_back(account_id: sa.ColumnElement[str], group_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.or_(
        is_named(held_back, Schema.MEMBERSHIP, account_id, group_id),
        is_named(held_back, Schema.ACCOUNT, account_id),
    )
