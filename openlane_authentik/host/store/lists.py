"""Lists of the directory and of its change log, a page at a time."""

import base64
import binascii
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import change
from openlane_authentik.host.errors import InvalidRequestError
from openlane_authentik.host.store.changes import ADDED, CHANGED, IN_SCOPE, RETURNED, changed_fields
from openlane_authentik.host.store.continuing import SUCCEEDED
from openlane_authentik.host.store.history import check_run_number, directory, lineage, mapped
from openlane_authentik.host.store.moves import OUT_OF_SCOPE, REMOVED, REPLACED
from openlane_authentik.host.store.proofs import Proof, read_proof

MOST_ROWS: Final = 1_000
_LONGEST_IN_MARK: Final = 200
# No stored text has it: PostgreSQL would not take it.
_IS_CUT: Final = "\x00"
_IDS: Final = ("external_id", "group_id")
CHANGE_KINDS: Final = (ADDED, CHANGED, RETURNED, SUCCEEDED, IN_SCOPE, REMOVED, REPLACED, OUT_OF_SCOPE)


class Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A record of the directory.

    Attributes:
        external_id: The account's or the group's; of a membership the account's.
        group_id: Of a membership.
        record: As it was mapped.
        first_seen_at: Since when it is there without a break, whatever the filter kept out meanwhile.
        last_seen_at, last_confirmed_run_id: Of its episode; None when asked as of a past run.
        username: Of an account, its ``secondary_key``; None when it has none.
        last_login_at: Of an account, as the last run told; None when asked as of a past run, as logins are not logged.
        predecessor: Of an account, the id under which the same person was there before, and since when; None when there
            was none, or when asked as of a past run. What is first seen of it and of its memberships counts from there.
    """

    external_id: str
    group_id: str | None
    record: msgspec.Raw
    first_seen_at: str | None
    last_seen_at: str | None
    last_confirmed_run_id: str | None
    username: str | None
    last_login_at: str | None
    predecessor: str | None


class Change(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A line of the change log.

    Attributes:
        run_id, run_number: The run that saw it.
        at: When it became visible.
        schema, external_id, group_id: Which record.
        kind: ``added``, ``changed``, ``returned`` or ``removed``; ``out_of_scope``: it is there, and the filter or a
            switch keeps it out of the directory; ``in_scope``: it no longer does; ``replaced``: the same person, or the
            same membership of theirs, is there under ``successor`` from now on; ``succeeded``: it was there under
            ``predecessor`` before. What is out of scope is removed or replaced, too, once that is proven.
        fields: Of a changed record, one back in scope, or one that succeeded another, which differ.
        before, after: The mapped record as it was last known, and as it is in the directory from now on; None where
            there was, or is, none. Of ``succeeded`` the predecessor's before.
        since: When the record was first seen, as ``Record.first_seen_at``.
        predecessor: Of ``succeeded``, the account's id before.
        successor: Of ``replaced``, the account's id from then on.
    """

    run_id: str
    run_number: int
    at: str
    schema: str
    external_id: str
    group_id: str | None
    kind: str
    fields: list[str] | None
    before: msgspec.Raw | None
    after: msgspec.Raw | None
    since: str
    predecessor: str | None
    successor: str | None


class Page(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Some of a list; ``next`` is where the following page begins, None at the end.

    Attributes:
        proof: Of records, what the newest run has proven of their set; None when no run tells.
    """

    items: list[Any]
    next: str | None
    proof: Proof | None = None


class _Login(msgspec.Struct):
    """Of a stored record, what its owner logs in by."""

    secondary_key: str | None = None


def list_records(
    engine: sa.Engine,
    schema: Schema,
    installation_id: str,
    *,
    as_of: int | None = None,
    search: str = "",
    account: str | None = None,
    group: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> Page:
    """Return a page of accounts, groups or memberships, by name and then id.

    Args:
        engine: The host's database.
        schema: Which kind.
        installation_id: Whose.
        as_of: The number of a run; None for now.
        search: A part of a name, e-mail address, id or username, without regard to case.
        account: Only this one, or its memberships.
        group: Only memberships in this one.
        after: ``next`` of the page before.
        limit: At most so many, and never more than ``MOST_ROWS``.

    Raises:
        UnknownRecordError: There is no such run.
        InvalidRequestError: ``after`` is of no page.
    """
    rows = directory(schema, installation_id, as_of)
    order = [rows.c.search, rows.c.external_id, rows.c.group_id]
    statement = sa.select(rows)
    if search:
        statement = statement.where(rows.c.search.contains(search.casefold(), autoescape=True))
    if account is not None:
        statement = statement.where(rows.c.external_id == account)
    if group is not None:
        statement = statement.where(rows.c.group_id == group)
    if schema is Schema.MEMBERSHIP:
        order = order[1:]
    place = None if after is None else _place(after, [str] * len(order))
    with reading(engine) as held:
        check_run_number(held, installation_id, as_of)
        if place is not None:
            statement = statement.where(sa.tuple_(*order) > sa.tuple_(*_whole(held, rows, place)))
        found, more = _some(held, statement.order_by(*order), limit)
        proof = read_proof(held, installation_id, schema, as_of)
    following = _mark([_cut(getattr(found[-1], column.key)) for column in order]) if more else None
    return Page(
        proof=proof,
        items=[
            Record(
                external_id=row.external_id,
                group_id=row.group_id or None,
                record=mapped(schema, row.external_id, row.group_id, row.record),
                first_seen_at=row.first_seen_at,
                last_seen_at=row.last_seen_at,
                last_confirmed_run_id=row.last_confirmed_run_id,
                username=msgspec.json.decode(row.record, type=_Login).secondary_key,
                last_login_at=row.last_login_at,
                predecessor=row.predecessor,
            )
            for row in found
        ],
        next=following,
    )


def list_changes(
    engine: sa.Engine,
    installation_id: str,
    *,
    run_id: str | None = None,
    schema: Schema | None = None,
    kind: str | None = None,
    external_id: str | None = None,
    search: str = "",
    newest_first: bool = False,
    after: str | None = None,
    limit: int = 100,
) -> Page:
    """Return a page of the change log: of one run, of one record, or all; the oldest line first unless said otherwise.

    The lines of an account begin with those of the accounts that it succeeded.

    Raises:
        InvalidRequestError: There is no such kind of change, or ``after`` is of no page.
    """
    if kind is not None and kind not in CHANGE_KINDS:
        raise InvalidRequestError(f"a change is one of {', '.join(CHANGE_KINDS)}")
    columns = change.c
    statement = sa.select(change).where(columns.installation_id == installation_id)
    wanted = {"run_id": run_id, "schema": schema and schema.value, "kind": kind}
    for name, value in wanted.items():
        if value is not None:
            statement = statement.where(columns[name] == value)
    if search:
        statement = statement.where(columns.search.contains(search.casefold(), autoescape=True))
    if after is not None:
        (last,) = _place(after, [int])
        statement = statement.where(columns.id < last if newest_first else columns.id > last)
    with reading(engine) as held:
        if external_id is not None:
            statement = statement.where(columns.external_id.in_(lineage(held, installation_id, external_id)))
        in_order = statement.order_by(columns.id.desc() if newest_first else columns.id)
        found, more = _some(held, in_order, limit)
    return Page(
        items=[
            Change(
                run_id=row.run_id,
                run_number=row.number,
                at=row.at,
                schema=row.schema,
                external_id=row.external_id,
                group_id=row.group_id or None,
                kind=row.kind,
                fields=_fields(row),
                before=row.before and mapped(row.schema, row.predecessor or row.external_id, row.group_id, row.before),
                after=row.after and mapped(row.schema, row.external_id, row.group_id, row.after),
                since=row.since,
                predecessor=row.predecessor,
                successor=row.successor,
            )
            for row in found
        ],
        next=_mark([found[-1].id]) if more else None,
    )


def _fields(row: sa.Row[Any]) -> list[str] | None:
    if row.kind in (SUCCEEDED, IN_SCOPE) and row.after is not None:
        return changed_fields(row.before, row.after)
    fields: list[str] | None = row.fields
    return fields


def _some(held: sa.Connection, statement: sa.Select[Any], limit: int) -> tuple[list[sa.Row[Any]], bool]:
    """Return the first rows, and whether there are more."""
    wanted = max(1, min(limit, MOST_ROWS))
    rows = list(held.execute(statement.limit(wanted + 1)))
    return rows[:wanted], len(rows) > wanted


def _cut(text: str) -> str:
    """Return what a mark holds of a text, so that a mark fits into an address however long a name is."""
    return text if len(text) <= _LONGEST_IN_MARK else text[:_LONGEST_IN_MARK] + _IS_CUT


def _whole(held: sa.Connection, rows: sa.Subquery, place: list[str]) -> list[str]:
    """Return the place of a mark with the whole text, which is looked up where it was cut.

    If the record was renamed meanwhile, or is gone, some records are given twice rather than one left out.
    """
    first, *ids = place
    if not first.endswith(_IS_CUT) or len(ids) != len(_IDS):
        return place
    beginning = first.removesuffix(_IS_CUT)
    of_it = (rows.c[name] == value for name, value in zip(_IDS, ids, strict=True))
    whole: str | None = held.scalar(sa.select(rows.c.search).where(*of_it))
    return [whole if whole is not None and whole.startswith(beginning) else beginning, *ids]


def _mark(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode()


def _place(mark: str, kinds: list[type]) -> list[Any]:
    try:
        values = msgspec.json.decode(base64.urlsafe_b64decode(mark.encode()), type=list[str | int])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        values = []
    if [type(value) for value in values] != kinds:
        raise InvalidRequestError("`after` is not the `next` of a page of this list")
    return values
