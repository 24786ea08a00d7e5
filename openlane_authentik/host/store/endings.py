"""Who is no more: which episodes end with a run, and whether as removed, as replaced, or as left out of the scope.

A record is *removed* only by a set that was proven complete and lacks it, or by a proven one that says so; a membership
also when its account or its group is so removed. An account is *replaced* when a proven set says that the same person
is there under another id, that of its successor, and the successor is in scope; so are those of its memberships that
the successor has, or of which an unproven set cannot tell. A record *left the scope* when it was seen to be there and
the filter keeps it out, which needs no proof of the others; when the filter keeps its successor out; when its account
or group left the scope; or when its kind is synced no more. In a run with a failed record nothing ends.
"""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from openlane_authentik.emit.envelope import PayloadSetClosing, Schema
from openlane_authentik.host.store.kinds import (
    ACCOUNTS,
    KINDS,
    MEMBERSHIPS,
    Kind,
    analyze,
    ending,
    left_out,
    succession,
    told_ended,
)
from openlane_authentik.host.store.successions import REPLACED, waiting

REMOVED: Final = "removed"
LEFT_SCOPE: Final = "left_scope"
_ABSENT: Final = "absent"
_OF_ACCOUNTS: Final = told_ended.c.schema == Schema.ACCOUNT.value
_LEFT_OUT_ACCOUNTS: Final = left_out.c.schema == Schema.ACCOUNT.value
# Of the account at hand.
_SUCCESSOR: Final = (
    sa.select(succession.c.successor).where(succession.c.predecessor == ACCOUNTS.table.c.external_id).scalar_subquery()
)
_COLUMNS: Final = {REMOVED: "removed_at", REPLACED: "replaced_at", LEFT_SCOPE: "left_scope_at"}


def proven(closing: PayloadSetClosing) -> bool:
    """Tell whether a set says of every record that it lacks that it is no more."""
    if closing.delta:
        return closing.removed is not None and not closing.reasons
    return closing.snapshot_complete


def find_endings(held: sa.Connection, installation_id: str, closings: Mapping[Schema, PayloadSetClosing]) -> None:
    """Write into ``staged_ending`` whose episode ends with this run; who succeeds whom must be known."""
    if any(closing.counts.failed for closing in closings.values()):
        return
    told_apart = True
    for schema, kind in KINDS.items():
        closing = closings.get(schema)
        if closing is None:
            _end_all(held, kind, installation_id)
        elif kind is MEMBERSHIPS:
            _end_memberships(held, installation_id, complete=closing.snapshot_complete, told_apart=told_apart)
        elif not closing.delta:
            complete = proven(closing)
            if complete:
                told_apart = told_apart and _told_apart(held, closing)
            _end_missing(held, kind, installation_id, complete=complete, told_apart=told_apart)
        elif kind is ACCOUNTS and proven(closing):
            _end_told(held, installation_id)
        # What ends of accounts and groups is looked up for each of the memberships, and all of it afterwards.
        analyze(held, ending)


def end_episodes(held: sa.Connection, installation_id: str, now: str) -> None:
    """End the episodes that ``staged_ending`` names."""
    for kind in KINDS.values():
        for how, column in _COLUMNS.items():
            named = sa.exists().where(kind.named(ending), ending.c.kind == how)
            held.execute(sa.update(kind.table).where(kind.present(installation_id), named).values({column: now}))


def _told_apart(held: sa.Connection, closing: PayloadSetClosing) -> bool:
    """Tell whether every record that the filter kept out was named, so that a missing one is really gone."""
    named = sa.select(sa.func.count()).select_from(left_out).where(left_out.c.schema == closing.schema.value)
    return (held.scalar(named) or 0) >= closing.counts.filtered


def _end(
    held: sa.Connection,
    kind: Kind,
    which: sa.ColumnElement[bool],
    how: sa.ColumnElement[str],
    successor: sa.ColumnElement[Any] | None = None,
) -> None:
    names = (sa.literal(kind.schema.value), *kind.log_keys(kind.table))
    # Whoever is no more at all has no successor.
    followed = sa.null() if successor is None else sa.case((how != REMOVED, successor))
    held.execute(
        sa.insert(ending).from_select(
            ["schema", "external_id", "group_id", "kind", "successor"], sa.select(*names, how, followed).where(which)
        )
    )


def _end_all(held: sa.Connection, kind: Kind, installation_id: str) -> None:
    """End what this installation syncs no more."""
    _end(held, kind, kind.present(installation_id), sa.literal(LEFT_SCOPE))


def _end_told(held: sa.Connection, installation_id: str) -> None:
    """End the accounts that a delta says are no more."""
    own = ACCOUNTS.table.alias()
    # Only who changed is handed over: a successor that is there already is there unchanged.
    unchanged = _followed_by(own.c.external_id, ACCOUNTS.present(installation_id, own))
    how = sa.case(*_as_told(), (unchanged, REPLACED), else_=LEFT_SCOPE)
    which = sa.and_(ACCOUNTS.present(installation_id), _named(told_ended))
    _end(held, ACCOUNTS, which, how, _SUCCESSOR)


def _end_missing(held: sa.Connection, kind: Kind, installation_id: str, *, complete: bool, told_apart: bool) -> None:
    """End what a set lacks: all of it when the set is complete, else only what is known to be no part of it."""
    missing = sa.and_(kind.present(installation_id), ~sa.exists().where(kind.same(kind.staged)))
    left = sa.exists().where(kind.named(left_out))
    unnamed = sa.literal(REMOVED if told_apart else LEFT_SCOPE)
    if kind is not ACCOUNTS:
        _end(held, kind, missing if complete else sa.and_(missing, left), sa.case((left, LEFT_SCOPE), else_=unnamed))
        return
    if not complete:
        # What is told of one that was left out came after it.
        _end(held, kind, sa.and_(missing, left, ~_named(told_ended)), sa.literal(LEFT_SCOPE))
        return
    out = sa.or_(_named(told_ended), left, _followed_by(left_out.c.external_id, _LEFT_OUT_ACCOUNTS))
    _end(held, kind, missing, sa.case(*_as_told(), (out, LEFT_SCOPE), else_=unnamed), _SUCCESSOR)


def _end_memberships(held: sa.Connection, installation_id: str, *, complete: bool, told_apart: bool) -> None:
    """End the memberships that a set lacks, as ``_end_missing``; each goes the way of its account and its group."""
    columns, staged = MEMBERSHIPS.table.c, MEMBERSHIPS.staged.c
    account = ending.alias()
    of_account = (
        account.c.schema == Schema.ACCOUNT.value,
        account.c.external_id == columns.account_id,
        account.c.kind == REPLACED,
    )
    replaced = sa.exists().where(*of_account)
    goes_on = sa.exists().where(
        *of_account, staged.account_id == account.c.successor, staged.group_id == columns.group_id
    )
    left_with = sa.exists().where(
        *of_account,
        left_out.c.schema == Schema.MEMBERSHIP.value,
        left_out.c.external_id == account.c.successor,
        left_out.c.group_id == columns.group_id,
    )
    gone, out = _ended_with(REMOVED), _ended_with(LEFT_SCOPE)
    left = sa.or_(sa.exists().where(MEMBERSHIPS.named(left_out)), out, left_with)
    missing = sa.and_(MEMBERSHIPS.present(installation_id), ~sa.exists().where(MEMBERSHIPS.same(MEMBERSHIPS.staged)))
    # Of an account that waits only its group's end ends one.
    stays = waiting(columns.account_id)
    lacks = ~stays if complete else sa.and_(~stays, sa.or_(left, replaced))
    how = sa.case(
        (gone, REMOVED),
        (goes_on, REPLACED),
        (left, LEFT_SCOPE),
        else_=sa.literal(REMOVED if told_apart else LEFT_SCOPE) if complete else sa.literal(REPLACED),
    )
    successor = sa.select(account.c.successor).where(*of_account).scalar_subquery()
    _end(held, MEMBERSHIPS, sa.and_(missing, sa.or_(gone, out, lacks)), how, successor)


def _as_told() -> tuple[tuple[sa.ColumnElement[bool], str], ...]:
    """Give how the account at hand ends by what is told of it and of its successor, case by case."""
    absent, successor = told_ended.c.evidence == _ABSENT, (told_ended.c.external_id, _OF_ACCOUNTS)
    return (
        (_named(told_ended, absent), REMOVED),
        (_followed_by(ACCOUNTS.staged.c.external_id), REPLACED),
        (_followed_by(*successor, absent), REMOVED),
        (_followed_by(*successor), LEFT_SCOPE),
    )


def _named(told: sa.Table, *further: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Tell that the account at hand is named there."""
    return sa.exists().where(ACCOUNTS.named(told), *further)


def _followed_by(account_id: sa.ColumnElement[str], *further: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Tell that the account at hand has a successor, which is among these."""
    pair = succession.c
    return sa.exists().where(pair.predecessor == ACCOUNTS.table.c.external_id, account_id == pair.successor, *further)


def _ended_with(how: str) -> sa.ColumnElement[bool]:
    """Tell that a membership's account or group ends so with this run."""
    columns = MEMBERSHIPS.table.c
    account, group = ending.alias(), ending.alias()
    return sa.or_(
        *(
            sa.exists().where(
                one.c.schema == schema.value, one.c.external_id == column, one.c.group_id == "", one.c.kind == how
            )
            for one, schema, column in (
                (account, Schema.ACCOUNT, columns.account_id),
                (group, Schema.GROUP, columns.group_id),
            )
        )
    )
