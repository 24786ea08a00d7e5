"""The circuit breaker: a run that would end too much ends nothing until an operator has looked at the list.

What is asked about are the records that would be removed, and those that would be replaced, as all are after a restore
or an upgrade of the directory. Until the operator has confirmed the list each of them stays as it was, and each
successor is withheld: see ``successions``.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.tables import attention, attention_record
from openlane_authentik.host.store.kinds import ACCOUNTS, KINDS, Kind, analyze, ending
from openlane_authentik.host.store.last_day import LastDay, count
from openlane_authentik.host.store.moves import REMOVED, REPLACED

OPEN: Final = "open"
CONFIRMED: Final = "confirmed"
DISMISSED: Final = "dismissed"
_SUPERSEDED: Final = "superseded"
_RESOLVED: Final = "resolved"
_APPLIED: Final = "applied"
# Who goes out of scope was seen to be there, which needs nobody's word.
_ASKED_ABOUT: Final = ending.c.kind.in_((REMOVED, REPLACED))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may remove of each schema unasked, and how many accounts it may replace.

    Attributes:
        share: So much of what is present, from 0 to 1.
        least: So few are never too many, unless nothing would be left.
    """

    share: float
    least: int

    def exceeded_by(self, number: int, present: int) -> bool:
        """Whether so many of those present are too many."""
        # As it was written down: 0.29 as a float is a little less.
        return number >= self.least and number > Fraction(str(self.share)) * present

    def exceeded_by_slice(self, number: int, lately: int, before: int | None) -> bool:
        """Whether so many are too many with what went in the last 24 hours, of what was there before that.

        Where all may go there is no such limit: a day may see more come and go than were there before it.
        """
        return number > 0 and before is not None and self.share < 1 and self.exceeded_by(number + lately, before)


class Removals(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a run would end of one schema.

    Attributes:
        present: How many there are in the directory.
        removed, replaced: How many would be, of everybody known.
        unasked, unasked_in_scope: How many of them no operator has confirmed: of everybody known, and of the directory.
        removed_lately: How many the runs of the last 24 hours removed or replaced unasked.
        present_before: How many there were in the directory 24 hours ago, or after the first run if that is later.
        tripped: Whether this is too much.
    """

    present: int
    removed: int
    replaced: int
    unasked: int
    unasked_in_scope: int
    removed_lately: int
    present_before: int
    tripped: bool


def check_removals(
    held: sa.Connection, installation_id: str, limits: Limits, left: Mapping[Schema, int], last_day: LastDay
) -> dict[str, Removals]:
    """Count what would be removed, or replaced, without an operator having confirmed it.

    It is held against what is there, and together with what went in the last 24 hours against what was there before
    that; of everybody known, and of the directory alone: neither may many who are out of scope make few of those in
    scope look like less, nor the other way round. Replaced memberships are counted, and never too many: they are those
    of the accounts, and nobody loses them.

    Args:
        held: Within the transaction that takes the run over.
        installation_id: Whose records.
        limits: Of the installation.
        left: How many records of each schema there would be after the run.
        last_day: What went before.

    Returns:
        By schema, where anything ends.
    """
    counts = {}
    for schema, kind in KINDS.items():
        everybody, in_scope = kind.open(installation_id), kind.present(installation_id)
        removed, replaced = (_would_go(held, kind, how, everybody) for how in (REMOVED, REPLACED))
        if not removed + replaced:
            continue
        present, known = count(held, kind, in_scope), count(held, kind, everybody)
        of_all, of_these = (_unasked(held, installation_id, kind, state) for state in (everybody, in_scope))
        lately = {key: last_day.unasked(schema, key) for key in ("unasked", "unaskedInScope")}
        before = {key: last_day.there_before(schema, key) for key in ("present", "known")}
        too_many = (
            limits.exceeded_by(max(of_all), known)
            or limits.exceeded_by(max(of_these), present)
            or limits.exceeded_by_slice(sum(of_all), lately["unasked"], before["known"])
            or limits.exceeded_by_slice(sum(of_these), lately["unaskedInScope"], before["present"])
        )
        counts[schema.value] = Removals(
            present=present,
            removed=removed,
            replaced=replaced,
            unasked=sum(of_all),
            unasked_in_scope=sum(of_these),
            removed_lately=lately["unasked"],
            present_before=present if before["present"] is None else before["present"],
            tripped=too_many or (of_these[0] > 0 and left[schema] == 0),
        )
    return counts


def raise_attention(
    held: sa.Connection, installation_id: str, run_id: str, counts: Mapping[str, Removals], now: str
) -> bool:
    """Ask an operator about what this run would remove and replace, and end nothing.

    An open question for the very same records stays as it is; any other is superseded.

    Returns:
        Whether the question is new.
    """
    stands = _open_question_for_the_same(held, installation_id)
    others = sa.true() if stands is None else attention.c.id != stands
    _decide(held, installation_id, (OPEN, CONFIRMED), _SUPERSEDED, now, others)
    if stands is None:
        attention_id = secrets.token_hex(8)
        held.execute(
            sa.insert(attention).values(
                id=attention_id,
                installation_id=installation_id,
                run_id=run_id,
                status=OPEN,
                counts=msgspec.to_builtins(counts),
                created_at=now,
            )
        )
        columns = ending.c
        held.execute(
            sa.insert(attention_record).from_select(
                ["attention_id", "schema", "external_id", "group_id", "kind", "successor"],
                sa.select(
                    sa.literal(attention_id),
                    columns.schema,
                    columns.external_id,
                    columns.group_id,
                    columns.kind,
                    columns.successor,
                ).where(_ASKED_ABOUT),
            )
        )
        # The next run looks each of them up, perhaps before the server has learnt of them by itself.
        analyze(held, attention_record)
    held.execute(sa.delete(ending))
    return stands is None


def settle_attention(held: sa.Connection, installation_id: str, run_id: str, now: str) -> None:
    """Close what was asked, after a run that did not ask: each record listed was seen to be there, or has ended.

    A question about a record of which the run could say neither stays as it is.
    """
    listed = attention_record.c
    unsettled = sa.or_(
        *(
            sa.exists().where(
                listed.attention_id == attention.c.id,
                kind.named(attention_record),
                kind.open(installation_id),
                kind.table.c.last_confirmed_run_id != run_id,
            )
            for kind in KINDS.values()
        )
    )
    for before, after in ((OPEN, _RESOLVED), (CONFIRMED, _APPLIED)):
        _decide(held, installation_id, (before,), after, now, ~unsettled)


def _would_go(
    held: sa.Connection, kind: Kind, how: str, state: sa.ColumnElement[bool], *further: sa.ColumnElement[bool]
) -> int:
    """Count the episodes in a state that would end so."""
    ends = sa.exists().where(kind.named(ending), ending.c.kind == how, *further)
    return count(held, kind, sa.and_(state, ends))


def _unasked(held: sa.Connection, installation_id: str, kind: Kind, state: sa.ColumnElement[bool]) -> tuple[int, int]:
    """Count the episodes in a state that would be removed, and the accounts replaced, that no operator confirmed."""
    unconfirmed = ~_named_in(installation_id, CONFIRMED)
    removed = _would_go(held, kind, REMOVED, state, unconfirmed)
    return removed, _would_go(held, kind, REPLACED, state, unconfirmed) if kind is ACCOUNTS else 0


def _open_question_for_the_same(held: sa.Connection, installation_id: str) -> str | None:
    found: str | None = held.scalar(
        sa.select(attention.c.id).where(attention.c.installation_id == installation_id, attention.c.status == OPEN)
    )
    if found is None:
        return None
    asked = sa.select(sa.func.count()).select_from(attention_record).where(attention_record.c.attention_id == found)
    would_go = sa.select(sa.func.count()).select_from(ending).where(_ASKED_ABOUT)
    both = would_go.where(_named_in(installation_id, OPEN))
    return found if held.scalar(asked) == held.scalar(would_go) == held.scalar(both) else None


def _named_in(installation_id: str, status: str) -> sa.ColumnElement[bool]:
    """Tell that a row of ``staged_ending`` is in the installation's list of this status."""
    record = attention_record.c
    return sa.exists().where(
        attention.c.installation_id == installation_id,
        attention.c.status == status,
        record.attention_id == attention.c.id,
        record.schema == ending.c.schema,
        record.external_id == ending.c.external_id,
        record.group_id == ending.c.group_id,
        record.kind == ending.c.kind,
        record.successor.is_not_distinct_from(ending.c.successor),
    )


def _decide(
    held: sa.Connection,
    installation_id: str,
    before: tuple[str, ...],
    after: str,
    now: str,
    which: sa.ColumnElement[bool],
) -> None:
    held.execute(
        sa.update(attention)
        .where(attention.c.installation_id == installation_id, attention.c.status.in_(before), which)
        .values(status=after, decided_at=now)
    )
