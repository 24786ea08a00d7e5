"""The directory, now or as of a run: lists, one record with its history, the change log, and the export."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.responses import Response

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.errors import UnknownRecordError
from openlane_authentik.host.installations import Installation, get_installation
from openlane_authentik.host.store.as_of import run_as_of
from openlane_authentik.host.store.lists import Page as ListPage
from openlane_authentik.host.store.lists import Record, list_changes, list_records
from openlane_authentik.host.web import shapes
from openlane_authentik.host.web.api_directory import changes, download
from openlane_authentik.host.web.lines import Line, display_names, lines
from openlane_authentik.host.web.pages.installations import provider_name
from openlane_authentik.host.web.views import Page, View

_MOST: Final = 200
_ROWS: Final = 50
_PATH: Final = "/installations/{installationId}"


class RecordQuery(shapes.Asked, frozen=True):
    """Which record, and when."""

    id: str
    as_of: shapes.AsOf | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A record of a list."""

    external_id: str
    group_id: str | None
    record: dict[str, Any]
    first_seen_at: str | None
    last_seen_at: str | None
    username: str | None
    last_login_at: str | None
    predecessor: str | None


def _installation(view: View) -> Installation:
    return get_installation(view.host, view.path["installationId"])


def _rows(page: ListPage) -> list[Row]:
    return [_row(record) for record in page.items]


def _row(record: Record) -> Row:
    read = msgspec.json.decode(record.record)
    seen = (record.first_seen_at, record.last_seen_at)
    of_account = (record.username, record.last_login_at, record.predecessor)
    return Row(record.external_id, record.group_id, read, *seen, *of_account)


def _as_of(view: View, shown: Installation, asked: str | None) -> int | None:
    return run_as_of(view.host.database, shown.id, asked)


def _list(view: View, kind: str, schema: Schema) -> Response:
    query = view.query(shapes.RecordsQuery)
    shown = _installation(view)
    as_of = _as_of(view, shown, query.as_of)
    page = list_records(
        view.host.database,
        schema,
        shown.id,
        as_of=as_of,
        search=query.search,
        after=query.after,
        limit=min(query.limit, _ROWS),
    )
    return view.render(
        f"{kind}.html",
        installation=shown,
        provider=provider_name(view.host, shown.definition_id),
        rows=_rows(page),
        next=page.next,
        proof=page.proof,
        query=query,
        as_of=as_of,
    )


def _accounts(view: View) -> Response:
    return _list(view, "accounts", Schema.ACCOUNT)


def _groups(view: View) -> Response:
    return _list(view, "groups", Schema.GROUP)


def _memberships(view: View) -> Response:
    query = view.query(shapes.MembershipsQuery)
    shown = _installation(view)
    as_of = _as_of(view, shown, query.as_of)
    page = list_records(
        view.host.database,
        Schema.MEMBERSHIP,
        shown.id,
        as_of=as_of,
        account=query.account,
        group=query.group,
        after=query.after,
        limit=min(query.limit, _ROWS),
    )
    rows = _rows(page)
    asked_for = (query.account or "", query.group)
    pairs = [asked_for, *((row.external_id, row.group_id) for row in rows)]
    return view.render(
        "memberships.html",
        installation=shown,
        provider=provider_name(view.host, shown.definition_id),
        rows=rows,
        names=display_names(view.host, shown.id, pairs, as_of),
        next=page.next,
        proof=page.proof,
        query=query,
        as_of=as_of,
    )


def _account(view: View) -> Response:
    return _record(view, "account", Schema.ACCOUNT)


def _group(view: View) -> Response:
    return _record(view, "group", Schema.GROUP)


def _record(view: View, kind: str, schema: Schema) -> Response:
    query = view.query(RecordQuery)
    host, shown = view.host, _installation(view)
    as_of = _as_of(view, shown, query.as_of)
    found = _rows(list_records(host.database, schema, shown.id, as_of=as_of, account=query.id, limit=1))
    # The log's lines of a membership are the account's; those of a group are its own only.
    of_whom = None if schema is Schema.ACCOUNT else schema
    log = list_changes(host.database, shown.id, external_id=query.id, schema=of_whom, newest_first=True, limit=_MOST)
    history = lines(host, shown.id, log.items)
    if not found and not history:
        raise UnknownRecordError(f"there is no such {kind}, and there never was")
    whose: dict[str, Any] = {kind: query.id}
    page = list_records(host.database, Schema.MEMBERSHIP, shown.id, as_of=as_of, limit=_MOST, **whose)
    memberships = _rows(page)
    pairs = ((row.external_id, row.group_id) for row in memberships)
    return view.render(
        "record.html",
        installation=shown,
        provider=provider_name(host, shown.definition_id),
        kind=kind,
        id=query.id,
        as_of=as_of,
        row=found[0] if found else None,
        name=found[0].record.get("display_name") if found else _last_name(history, schema, query.id),
        memberships=memberships,
        more_memberships=page.next is not None,
        names=display_names(host, shown.id, pairs, as_of),
        history=history,
        more_history=log.next is not None,
    )


def _last_name(history: list[Line], schema: Schema, record_id: str) -> str:
    return next((line.name for line in history if line.change.schema == schema), record_id)


def _changes(view: View) -> Response:
    query = view.query(shapes.ChangesQuery)
    shown = _installation(view)
    page = changes(view.host, shown.id, query, newest_first=True)
    return view.render(
        "changes.html",
        installation=shown,
        provider=provider_name(view.host, shown.definition_id),
        lines=lines(view.host, shown.id, page.items),
        next=page.next,
        query=query,
    )


def _export(view: View) -> Response:
    return download(view.host, view.path["installationId"], view.query(shapes.ExportQuery))


PAGES: Final = (
    Page("GET", f"{_PATH}/accounts", _accounts),
    Page("GET", f"{_PATH}/groups", _groups),
    Page("GET", f"{_PATH}/memberships", _memberships),
    Page("GET", f"{_PATH}/account", _account),
    Page("GET", f"{_PATH}/group", _group),
    Page("GET", f"{_PATH}/changes", _changes),
    Page("GET", f"{_PATH}/export", _export),
)
