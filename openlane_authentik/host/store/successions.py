"""Accounts that are there under another id: who succeeds whom, and who of them waits.

A run tells by the evidence ``replaced`` that the person of an account is there under the id of its *successor*. Where
it may end accounts, the account ends as replaced, and its successor goes on in its place: see ``endings`` and
``continuing``. Where it may not, as it asks an operator or is not proven, the account stays as it was, its successor
and the successor's memberships are *withheld*, and what was told is remembered. Meanwhile an operator sees each person
once, under the id and with the record and groups known before; everybody else is taken over as ever. The next run is
full. A run that proves that the old account is gone, and that has the successor, carries out what was told, even if it
no longer knows the old id itself.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from openlane_authentik.emit.envelope import PayloadSetClosing, Schema
from openlane_authentik.host.database.tables import pending_replacement
from openlane_authentik.host.store.kinds import (
    ACCOUNTS,
    MEMBERSHIPS,
    analyze,
    ending,
    held_back,
    left_out,
    succession,
    told_ended,
)
from openlane_authentik.host.store.moves import REPLACED

_ACCOUNT_IDS: Final = (
    (ACCOUNTS, ACCOUNTS.staged.c.external_id),
    (MEMBERSHIPS, MEMBERSHIPS.staged.c.account_id),
)


def drop_the_gone(held: sa.Connection) -> dict[Schema, int]:
    """Drop what this run received of accounts that it tells to be ended, as they were gone when it ended.

    Returns:
        How many records of each schema; a membership goes with its account.
    """
    told = told_ended.c
    if not held.scalar(sa.select(sa.exists().where(told.schema == Schema.ACCOUNT.value))):
        return {}
    dropped = {}
    for kind, account_id in _ACCOUNT_IDS:
        gone = sa.exists().where(told.schema == Schema.ACCOUNT.value, told.external_id == account_id)
        dropped[kind.schema] = held.execute(sa.delete(kind.staged).where(gone)).rowcount
    return dropped


def find_successions(held: sa.Connection, installation_id: str, closing: PayloadSetClosing) -> None:
    """Write into ``staged_succession`` which accounts are there under another id.

    What an earlier run told of an account holds until the account itself is seen, or told of, again. Of an
    account that was replaced more than once the successor is the last.
    """
    pending = pending_replacement.c
    seen = [
        sa.exists().where(ACCOUNTS.staged.c.external_id == pending.external_id),
        *(
            sa.exists().where(named.c.schema == closing.schema.value, named.c.external_id == pending.external_id)
            for named in (left_out, held_back)
        ),
    ]
    remembered = sa.select(pending.external_id, pending.successor).where(
        pending.installation_id == installation_id, ~sa.or_(*seen)
    )
    successors = {row.external_id: row.successor for row in held.execute(remembered)}
    for one in closing.removed or ():
        successors.pop(one.resource, None)
        if one.evidence == REPLACED and one.successor is not None:
            successors[one.resource] = one.successor
    rows = [
        {"predecessor": account, "successor": last}
        for account in successors
        if (last := _last(successors, account)) != account
    ]
    if rows:
        held.execute(sa.insert(succession), rows)
        analyze(held, succession)


def withhold_successors(held: sa.Connection, installation_id: str) -> dict[Schema, int]:
    """Keep back the successors of accounts that do not end with this run, and remember what was told of them.

    Returns:
        How many of the records received are withheld, by schema; empty when no account waits.
    """
    pair, account, own = succession.c, ACCOUNTS.table.alias(), ACCOUNTS.table.alias()
    held.execute(sa.delete(pending_replacement).where(pending_replacement.c.installation_id == installation_id))
    there = sa.exists().where(ACCOUNTS.open(installation_id, account), account.c.external_id == pair.predecessor)
    waits = sa.and_(there, ~_ends(pair.predecessor))
    remembered = held.execute(
        sa.insert(pending_replacement).from_select(
            ["installation_id", "external_id", "successor"],
            sa.select(sa.literal(installation_id), pair.predecessor, pair.successor).where(waits),
        ),
        execution_options={"preserve_rowcount": True},
    )
    if not remembered.rowcount:
        return {}
    withheld = {}
    for kind, account_id in _ACCOUNT_IDS:
        of_one_that_waits = sa.exists().where(pair.successor == account_id, waits)
        known = sa.exists().where(ACCOUNTS.open(installation_id, own), own.c.external_id == account_id)
        goes_on = sa.exists().where(ending.c.kind == REPLACED, ending.c.successor == account_id)
        which = sa.and_(of_one_that_waits, ~known, ~goes_on)
        withheld[kind.schema] = held.execute(sa.delete(kind.staged).where(which)).rowcount
    return withheld


def waiting(account_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Tell that an account is reported as gone or replaced, and yet does not end with this run."""
    named = sa.exists().where(told_ended.c.schema == Schema.ACCOUNT.value, told_ended.c.external_id == account_id)
    followed = sa.exists().where(succession.c.predecessor == account_id)
    return sa.and_(sa.or_(named, followed), ~_ends(account_id))


def _ends(account_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    one = ending.alias()
    return sa.exists().where(one.c.schema == Schema.ACCOUNT.value, one.c.external_id == account_id)


def _last(successors: Mapping[str, str], account: str) -> str:
    """Follow an account to the last of its successors; one that would succeed itself ends the way."""
    seen = {account}
    while (following := successors.get(account)) is not None and following not in seen:
        seen.add(following)
        account = following
    return account
