"""What a run ends: which episodes are removed or replaced with it, and which go out of scope.

A record is *removed* only by a set that was read completely and does not name it, or by a proven one that says so. An
account is *replaced* when a proven set says that the same person is there under another id, that of its successor.

A record goes *out of scope* when it was seen to be there and the filter keeps it out, which needs no proof of the
others, or when its kind is no longer synced. That is a state and no end: who is out of scope is removed or replaced
like everybody else, and comes back into the same episode. A record that is held back stays as it is.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from openlane_authentik.emit.envelope import PayloadSetClosing, Schema
from openlane_authentik.host.store.kinds import (
    ACCOUNTS,
    KINDS,
    MEMBERSHIPS,
    Kind,
    analyze,
    ending,
    held_back,
    left_out,
    succession,
    told_ended,
)
from openlane_authentik.host.store.membership_endings import find_membership_endings
from openlane_authentik.host.store.moves import OUT_OF_SCOPE, REMOVED, REPLACED, add_endings

_ABSENT: Final = "absent"
_OF_ACCOUNTS: Final = told_ended.c.schema == Schema.ACCOUNT.value
# Of the account at hand.
_SUCCESSOR: Final = (
    sa.select(succession.c.successor).where(succession.c.predecessor == ACCOUNTS.table.c.external_id).scalar_subquery()
)
_COLUMNS: Final = {REMOVED: "removed_at", REPLACED: "replaced_at", OUT_OF_SCOPE: "out_of_scope_at"}


def proven(closing: PayloadSetClosing) -> bool:
    """Whether a set says of every record that it does not name that it is gone, or of a delta, unchanged."""
    return closing.read_complete and not (closing.delta and closing.removed is None)


def find_endings(held: sa.Connection, installation_id: str, closings: Mapping[Schema, PayloadSetClosing]) -> None:
    """Write into ``staged_ending`` what this run ends or takes out of scope; who succeeds whom must be known."""
    told_apart = whole = True
    for schema, kind in KINDS.items():
        closing = closings.get(schema)
        complete = closing is not None and proven(closing) and _held_back_by_name(held, closing)
        # What is made of accounts and groups is no more complete than these.
        whole = whole and complete
        if kind is MEMBERSHIPS:
            unnamed = _of_unnamed(told_apart=told_apart) if whole else None
            find_membership_endings(held, installation_id, unnamed, synced=closing is not None)
        elif closing is None:
            add_endings(held, kind, kind.open(installation_id), sa.literal(OUT_OF_SCOPE))
        elif not closing.delta:
            told_apart = told_apart and not (complete and not _left_out_by_name(held, closing))
            _end_missing(held, kind, installation_id, _of_unnamed(told_apart=told_apart) if complete else None)
        elif kind is ACCOUNTS and complete:
            _end_told(held, installation_id)
        # What ends of accounts and groups is looked up for each of the memberships, and all of it afterwards.
        analyze(held, ending)


def end_episodes(held: sa.Connection, installation_id: str, now: str) -> None:
    """End the episodes that ``staged_ending`` names, or take them out of scope."""
    for kind in KINDS.values():
        for how, column in _COLUMNS.items():
            named = sa.exists().where(kind.named(ending), ending.c.kind == how)
            held.execute(sa.update(kind.table).where(kind.open(installation_id), named).values({column: now}))


def _of_unnamed(*, told_apart: bool) -> str:
    """Return what becomes of a record that a complete set does not name."""
    return REMOVED if told_apart else OUT_OF_SCOPE


def _left_out_by_name(held: sa.Connection, closing: PayloadSetClosing) -> bool:
    """Whether every record that the filter kept out was named, so that a missing one is really gone."""
    return _named_of(held, left_out, closing) >= closing.counts.filtered


def _held_back_by_name(held: sa.Connection, closing: PayloadSetClosing) -> bool:
    """Whether every record on which the filter failed was named; the memberships of an account are named by it."""
    return closing.schema is Schema.MEMBERSHIP or _named_of(held, held_back, closing) >= closing.counts.failed


def _named_of(held: sa.Connection, table: sa.Table, closing: PayloadSetClosing) -> int:
    named = sa.select(sa.func.count()).select_from(table).where(table.c.schema == closing.schema.value)
    return held.scalar(named) or 0


def _end_told(held: sa.Connection, installation_id: str) -> None:
    """End the accounts that a delta says are gone, replaced or out of scope."""
    which = sa.and_(ACCOUNTS.open(installation_id), _named(told_ended))
    add_endings(held, ACCOUNTS, which, sa.case(*_as_told(), else_=OUT_OF_SCOPE), _SUCCESSOR)


def _end_missing(held: sa.Connection, kind: Kind, installation_id: str, unnamed: str | None) -> None:
    """End what a set does not hand over.

    Args:
        held: Within the transaction.
        kind: Which records.
        installation_id: Whose.
        unnamed: What becomes of those that the set does not name at all; None if it does not tell, as it is unproven.
    """
    missing = sa.and_(kind.open(installation_id), ~sa.exists().where(kind.same(kind.staged)))
    left, stays = sa.exists().where(kind.named(left_out)), sa.exists().where(kind.named(held_back))
    # What is told of one that was left out or held back came after it.
    told = _named(told_ended) if kind is ACCOUNTS else sa.false()
    if unnamed is None:
        add_endings(held, kind, sa.and_(missing, left, ~told), sa.literal(OUT_OF_SCOPE))
        return
    as_told = (*_as_told(), (told, OUT_OF_SCOPE)) if kind is ACCOUNTS else ()
    how = sa.case(*as_told, (left, OUT_OF_SCOPE), else_=sa.literal(unnamed))
    add_endings(held, kind, sa.and_(missing, sa.or_(told, ~stays)), how, _SUCCESSOR if kind is ACCOUNTS else None)


def _as_told() -> tuple[tuple[sa.ColumnElement[bool], str], ...]:
    """Return how the account at hand ends by what is told of it and of its successor, case by case."""
    evidence, successor = told_ended.c.evidence, (told_ended.c.external_id, _OF_ACCOUNTS)
    named = [(table.c.external_id, table.c.schema == Schema.ACCOUNT.value) for table in (left_out, held_back)]
    return (
        (_named(told_ended, evidence == _ABSENT), REMOVED),
        (_followed_by(ACCOUNTS.staged.c.external_id), REPLACED),
        (_followed_by(*successor, evidence == _ABSENT), REMOVED),
        (_followed_by(*successor), REPLACED),
        *((_followed_by(*one), REPLACED) for one in named),
        (sa.and_(_named(told_ended, evidence == REPLACED), _SUCCESSOR.is_not(None)), REPLACED),
    )


def _named(told: sa.Table, *further: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether the account at hand is named there."""
    return sa.exists().where(ACCOUNTS.named(told), *further)


def _followed_by(account_id: sa.ColumnElement[str], *further: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether the account at hand has a successor, which is among these."""
    pair = succession.c
    return sa.exists().where(pair.predecessor == ACCOUNTS.table.c.external_id, account_id == pair.successor, *further)
