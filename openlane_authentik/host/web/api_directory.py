"""The API's reads of the directory: records now or as of a run, the change log, and the export."""

import threading
from collections.abc import Generator
from typing import Any, Final

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host import runs
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.errors import TooManyExportsError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import get_installation
from openlane_authentik.host.store.as_of import run_as_of
from openlane_authentik.host.store.export import ExportFormat, export
from openlane_authentik.host.store.history import check_run_number
from openlane_authentik.host.store.lists import Page, list_changes, list_records
from openlane_authentik.host.web import shapes
from openlane_authentik.host.web.problems import answer_error
from openlane_authentik.host.web.routes import Answer, Call, Operation

MEDIA_TYPES: Final = {ExportFormat.CSV: "text/csv; charset=utf-8", ExportFormat.NDJSON: "application/x-ndjson"}
# Each holds a connection of the database for as long as its client takes to read, and others need some, too.
_AT_ONCE: Final = threading.BoundedSemaphore(4)
_OF_INSTALLATION: Final = "/v1/integrations/{installationId}"


class Download(StreamingResponse):
    """A file that is written while it is sent; what it is read from is let go however the sending ends."""

    def __init__(self, chunks: Generator[bytes, None, None], name: str, media_type: str) -> None:
        super().__init__(
            iterate_in_threadpool(chunks),
            media_type=media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, unless too many others are being sent."""
        if not _AT_ONCE.acquire(blocking=False):
            self._chunks.close()
            await answer_error(TooManyExportsError("too many exports are being read at the moment"))(
                scope, receive, send
            )
            return
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._chunks.close()
            _AT_ONCE.release()


def download(host: Host, installation_id: str, query: shapes.ExportQuery) -> Response:
    """Write who has what, as a file.

    Raises:
        UnknownRecordError: There is no such installation, or no such run.
    """
    get_installation(host, installation_id)
    as_of = run_as_of(host.database, installation_id, query.as_of)
    with reading(host.database) as held:
        check_run_number(held, installation_id, as_of)
    when = "now" if as_of is None else f"run-{as_of}"
    chunks: Any = export(host.database, installation_id, query.format, as_of=as_of, clock=host.clock)
    return Download(chunks, f"who-has-what-{installation_id}-{when}.{query.format}", MEDIA_TYPES[query.format])


def _installation_id(call: Call) -> str:
    return get_installation(call.host, call.path["installationId"]).id


def _accounts(call: Call) -> Page:
    query: shapes.AccountsQuery = call.query
    installation_id = _installation_id(call)
    return list_records(
        call.host.database,
        Schema.ACCOUNT,
        installation_id,
        as_of=run_as_of(call.host.database, installation_id, query.as_of),
        search=query.search,
        account=query.account,
        after=query.after,
        limit=query.limit,
    )


def _groups(call: Call) -> Page:
    query: shapes.GroupsQuery = call.query
    installation_id = _installation_id(call)
    return list_records(
        call.host.database,
        Schema.GROUP,
        installation_id,
        as_of=run_as_of(call.host.database, installation_id, query.as_of),
        search=query.search,
        account=query.group,
        after=query.after,
        limit=query.limit,
    )


def _memberships(call: Call) -> Page:
    query: shapes.MembershipsQuery = call.query
    installation_id = _installation_id(call)
    return list_records(
        call.host.database,
        Schema.MEMBERSHIP,
        installation_id,
        as_of=run_as_of(call.host.database, installation_id, query.as_of),
        account=query.account,
        group=query.group,
        after=query.after,
        limit=query.limit,
    )


def _changes(call: Call) -> Page:
    return changes(call.host, _installation_id(call), call.query)


def _run_changes(call: Call) -> Page:
    with reading(call.host.database) as held:
        run = runs.get_run(held, call.path["runId"])
    return changes(call.host, run.installation_id, call.query, run_id=run.id)


def changes(
    host: Host,
    installation_id: str,
    query: shapes.RunChangesQuery,
    *,
    run_id: str | None = None,
    newest_first: bool = False,
) -> Page:
    """Return the lines of the change log that are asked for."""
    return list_changes(
        host.database,
        installation_id,
        run_id=run_id,
        schema=query.schema,
        kind=query.kind,
        external_id=query.external_id,
        search=query.search,
        newest_first=newest_first,
        after=query.after,
        limit=query.limit,
    )


def _export(call: Call) -> Response:
    return download(call.host, call.path["installationId"], call.query)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path=f"{_OF_INSTALLATION}/accounts",
        name="listAccounts",
        summary="List the accounts, now or as of a run, a date or a time.",
        handler=_accounts,
        query=shapes.AccountsQuery,
        answers={200: Answer("The accounts.", shapes.Records)},
    ),
    Operation(
        method="GET",
        path=f"{_OF_INSTALLATION}/groups",
        name="listGroups",
        summary="List the groups, now or as of a run, a date or a time.",
        handler=_groups,
        query=shapes.GroupsQuery,
        answers={200: Answer("The groups.", shapes.Records)},
    ),
    Operation(
        method="GET",
        path=f"{_OF_INSTALLATION}/memberships",
        name="listMemberships",
        summary="List who is in which group, now or as of a run, a date or a time.",
        handler=_memberships,
        query=shapes.MembershipsQuery,
        answers={200: Answer("The memberships.", shapes.Records)},
    ),
    Operation(
        method="GET",
        path=f"{_OF_INSTALLATION}/changes",
        name="listChanges",
        summary="Read the change log: what became of whom, when, and which run saw it.",
        handler=_changes,
        query=shapes.ChangesQuery,
        answers={200: Answer("The lines.", shapes.Changes)},
    ),
    Operation(
        method="GET",
        path="/v1/runs/{runId}/changes",
        name="listRunChanges",
        summary="Read what a run changed.",
        handler=_run_changes,
        query=shapes.RunChangesQuery,
        answers={200: Answer("The lines.", shapes.Changes)},
    ),
    Operation(
        method="GET",
        path=f"{_OF_INSTALLATION}/export",
        name="exportAccess",
        summary="Export who has what, now or as of a run, a date or a time.",
        handler=_export,
        query=shapes.ExportQuery,
        answers={200: Answer("The file.", None, tuple(MEDIA_TYPES.values()))},
    ),
)
