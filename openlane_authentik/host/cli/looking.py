"""Look at installations, runs, the change log, and who has what."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from openlane_authentik.emit.output import open_output
from openlane_authentik.host import runs
from openlane_authentik.host.attention import list_attention
from openlane_authentik.host.cli.names import names_of
from openlane_authentik.host.cli.opening import find_installation, opened_host
from openlane_authentik.host.cli.tables import (
    changes_table,
    installations_table,
    moment,
    runs_table,
    say,
    tell_run,
    tell_trouble,
    tell_verdict,
)
from openlane_authentik.host.cli.words import print_told
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.database.tables import sync_run
from openlane_authentik.host.errors import InvalidRequestError, UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import list_installations
from openlane_authentik.host.runs import Run
from openlane_authentik.host.store.as_of import run_as_of
from openlane_authentik.host.store.export import ExportFormat, export
from openlane_authentik.host.store.lists import list_changes
from openlane_authentik.terminal import open_console, print_json


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines of the change log are wanted."""

    number: int | None
    record: str | None
    search: str
    kind: str | None
    after: str | None
    limit: int


def show_installations(organisation: str | None, *, as_json: bool) -> None:
    """Show the installations, and what of them needs somebody.

    Raises:
        HostError: The host cannot be opened.
    """
    with opened_host() as host:
        there = list_installations(host, organisation)
        with reading(host.database) as held:
            newest = {one.id: next(iter(runs.list_runs(held, one.id, limit=1)), None) for one in there}
        questions = {one.id: list_attention(host, one.id) for one in there}
    if as_json:
        print_told(
            [{**msgspec.to_builtins(one), "lastRun": newest[one.id], "attention": questions[one.id]} for one in there]
        )
        return
    console = open_console(stderr=False)
    if not there:
        say(console, "No directory is connected: openlane-authentik host connect --help")
        return
    console.print(installations_table((one, newest[one.id]) for one in there))
    for one in there:
        tell_verdict(console, one, newest[one.id])
        tell_trouble(console, one, questions[one.id])


def show_runs(meant: str, limit: int, *, as_json: bool) -> None:
    """Show the newest runs of an installation.

    Raises:
        HostError: See ``find_installation``.
    """
    with opened_host() as host:
        one = find_installation(host, meant)
        with reading(host.database) as held:
            found = runs.list_runs(held, one.id, limit=limit)
    if as_json:
        print_told(found)
    else:
        open_console(stderr=False).print(runs_table(found))


def show_run(meant: str, number: int, *, as_json: bool) -> None:
    """Show a run with all that is known of it.

    Raises:
        HostError: See ``find_installation``; or there is no such run.
    """
    with opened_host() as host:
        run = find_run(host, find_installation(host, meant).id, number)
    if as_json:
        print_told(run)
        return
    console = open_console(stderr=False)
    console.print(runs_table([run]))
    console.print()
    tell_run(console, run)
    for attempt in run.attempts or ():
        ended = f"{attempt.outcome} {moment(attempt.ended_at)}" if attempt.outcome else "under way"
        say(console, f"   attempt {attempt.attempt}: {moment(attempt.started_at)} by {attempt.worker_id}, {ended}")


def show_changes(meant: str, wanted: Wanted, *, as_json: bool) -> None:
    """Show a page of the change log.

    Raises:
        HostError: See ``find_installation`` and ``list_changes``; or there is no such run.
    """
    with opened_host() as host:
        one = find_installation(host, meant)
        page = list_changes(
            host.database,
            one.id,
            run_id=find_run(host, one.id, wanted.number).id if wanted.number is not None else None,
            kind=wanted.kind,
            external_id=wanted.record,
            search=wanted.search,
            after=wanted.after,
            limit=wanted.limit,
        )
        names = names_of(host, one.id, page.items)
    if as_json:
        print_json(page)
        return
    console = open_console(stderr=False)
    console.print(changes_table(page.items, names) if page.items else "No change.")
    if page.next:
        say(console, f"... and more: --after {page.next}")


def write_export(meant: str, shape: str, as_of: str | None, output: Path | None) -> None:
    """Write who has what to a file or to standard output.

    Raises:
        OutputError: It cannot be written.
        HostError: See ``find_installation``, ``run_as_of`` and ``export``.
    """
    if shape not in set(ExportFormat):
        raise InvalidRequestError(f"--format: {' or '.join(ExportFormat)}")
    with opened_host() as host:
        one = find_installation(host, meant)
        number = run_as_of(host.database, one.id, as_of)
        with open_output(output) as file:
            for chunk in export(host.database, one.id, ExportFormat(shape), as_of=number, clock=host.clock):
                file.write(chunk)


def find_run(host: Host, installation_id: str, number: int) -> Run:
    """Find a run of an installation by its number.

    Raises:
        UnknownRecordError: There is none.
    """
    columns: Any = sync_run.c
    with reading(host.database) as held:
        run_id = held.scalar(
            sa.select(columns.id).where(columns.installation_id == installation_id, columns.number == number)
        )
        if run_id is None:
            raise UnknownRecordError(f"the installation has no run {number}")
        return runs.get_run(held, run_id)
