"""What people see of the host: installations, runs, health checks and the change log as tables."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.attention import Attention
from openlane_authentik.host.cli.names import Names
from openlane_authentik.host.cli.words import own_words
from openlane_authentik.host.installations import Installation
from openlane_authentik.host.runs import Run
from openlane_authentik.host.store.lists import Change
from openlane_authentik.terminal import plain

_MARKS: Final = {"pass": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red"), "skipped": ("-", "dim")}
_KINDS: Final = {"DirectoryAccount": "account", "DirectoryGroup": "group", "DirectoryMembership": "membership"}
_SHORT_ID: Final = 8
_COUNTED: Final = ("emitted", "gone", "added", "changed", "returned", "inScope", "removed", "replaced", "outOfScope")


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is, brackets included."""
    console.print(plain(text, style=style))


def health_table(report: Mapping[str, Any]) -> Table:
    """Show the checks one by one, each finding with what to do."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for check in report["checks"]:
        mark, style = _MARKS.get(check["status"], (check["status"], ""))
        table.add_row(plain(mark, style=style), plain(check["check"]), plain(check["seen"]))
        if check["remedy"]:
            table.add_row("", plain(check["code"], style="bold"), plain(own_words(check["remedy"])))
    return table


def installations_table(rows: Iterable[tuple[Installation, Run | None]]) -> Table:
    """Show installations, each with its newest run."""
    table = _table("id", "name", "organisation", "status", "health", "last run", "next run (UTC)")
    for one, run in rows:
        table.add_row(
            one.id[:_SHORT_ID],
            plain(f"{one.name} *" if one.is_primary else one.name),
            plain(one.organisation),
            plain(one.status, style="red" if one.status == "ERRORED" else ""),
            plain((one.health or {}).get("status", "-")),
            plain(f"{run.number} {run.status}" if run else "-"),
            moment(one.next_run_at),
        )
    return table


def tell_filter_warnings(console: Console, one: Installation) -> None:
    """Describe what is odd about the filter of an installation."""
    for warning in one.filter_warnings:
        say(console, f"! {one.name}: {warning['message']} [{warning['code']}]", style="yellow")


def tell_trouble(console: Console, one: Installation, questions: Sequence[Attention]) -> None:
    """Describe what of an installation needs somebody, and what to do."""
    if one.reason is not None:
        say(console, f"! {one.name}: {one.reason['message']} [{one.reason['code']}]", style="yellow")
        say(console, f"  {own_words(one.reason['remedy'])}")
    for concern in one.concerns:
        say(console, f"! {one.name}: needs attention: {concern.message} [{concern.code}]", style="yellow")
        say(console, f"  {own_words(concern.remedy)}")
    for question in questions:
        say(console, f"! {one.name}: {question.message}", style="yellow")
        say(console, f"  openlane-authentik host attention {one.id[:_SHORT_ID]}")


def tell_verdict(console: Console, one: Installation, run: Run | None) -> None:
    """Describe what stands against the newest run of an installation that is not stopped."""
    if run is None or one.status not in {"PENDING", "CONNECTED"}:
        return
    if run.error:
        say(
            console,
            f"! {one.name}: run {run.number} failed: {run.error['message']} [{run.error['code']}]",
            style="yellow",
        )
        say(console, f"  {own_words(run.error['remedy'])}")
    elif run.exit_code or run.warnings:
        verdict = "could not prove everything" if run.exit_code else "completed with warnings"
        say(console, f"! {one.name}: run {run.number} {verdict}", style="yellow")
        for warning in run.warnings or ():
            if isinstance(warning, dict):
                say(console, f"  {warning['message']} [{warning['code']}]")


def runs_table(runs: Iterable[Run]) -> Table:
    """Show runs, a line each."""
    table = _table("run", "started (UTC)", "seconds", "asked by", "status", "mode", "records", "changes", "complete")
    for run in runs:
        table.add_row(
            str(run.number),
            moment(run.started_at or run.requested_at),
            _seconds(run),
            plain(run.trigger),
            plain(run.status, style="red" if run.status == "FAILED" else ""),
            plain(run.mode or "-"),
            _number(run.full_count),
            _number(run.delta_count),
            plain(_whole(run)),
        )
    return table


def sets_table(run: Run) -> Table:
    """Show what a run received and changed, by schema."""
    table = Table("set", box=None, padding=(0, 1), pad_edge=False)
    for title in ("records", "gone", "added", "changed", "returned", "in scope", "removed", "replaced", "out of scope"):
        table.add_column(title, justify="right")
    table.add_column("complete")
    for schema, counts in (run.counts or {}).items():
        told = (run.sets or {}).get(schema)
        table.add_row(
            plain(Schema(schema).plural), *(_number(counts.get(name)) for name in _COUNTED), plain(_proof(told))
        )
    return table


def tell_run(console: Console, run: Run) -> None:
    """Print a run: its sets, how it ended and why."""
    if run.counts:
        console.print(sets_table(run))
    for warning in run.warnings or ():
        if isinstance(warning, dict):
            say(console, f"warning: {warning['message']} [{warning['code']}]", style="yellow")
    tried = f", attempt {run.attempt}" if run.attempt > 1 else ""
    say(console, f"=> run {run.number} {run.status}{tried}", style="bold")
    if run.error:
        say(console, f"   {run.error['message']} [{run.error['code']}]")
        say(console, f"   {own_words(run.error['remedy'])}")


def changes_table(changes: Iterable[Change], names: Names, *, with_time: bool = True) -> Table:
    """Show lines of the change log: what happened to whom, in which fields, under which id, and which run saw it."""
    table = _table("run", *(["seen (UTC)"] if with_time else []), "change", "what", "who", "fields")
    for change in changes:
        table.add_row(
            str(change.run_number),
            *([moment(change.at)] if with_time else []),
            plain(change.kind),
            _KINDS[change.schema],
            plain(names.of(change)),
            plain(_told(change)),
        )
    return table


def moment(text: str | None) -> str:
    """Show a stored moment to the second."""
    return text[:19].replace("T", " ") if text else "-"


def _told(change: Change) -> str:
    """Return the account's other id, and which fields differ."""
    if change.successor:
        return f"now {change.successor}"
    return ", ".join([*([f"was {change.predecessor}"] if change.predecessor else []), *(change.fields or ())])


def _table(*titles: str) -> Table:
    return Table(*titles, box=None, padding=(0, 1), pad_edge=False)


def _number(count: int | None) -> str:
    return "-" if count is None else str(count)


def _seconds(run: Run) -> str:
    if run.started_at is None or run.completed_at is None:
        return "-"
    took = datetime.fromisoformat(run.completed_at) - datetime.fromisoformat(run.started_at)
    return f"{took.total_seconds():.1f}"


def _whole(run: Run) -> str:
    if run.error:
        return str(run.error["code"])
    if run.status != "COMPLETED":
        return "-"
    reasons = _reasons(run)
    if run.exit_code:
        return "no: " + (", ".join(reasons) or "not proven")
    return "all read: " + ", ".join(reasons) if reasons else "yes"


def _reasons(run: Run) -> list[str]:
    return sorted({reason for told in (run.sets or {}).values() for reason in told["reasons"]})


def _proof(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "-"
    if not told["proven"]:
        return "no: " + ", ".join(told["reasons"])
    if told["reasons"]:
        return "all read: " + ", ".join(told["reasons"])
    return "proven changes" if told["delta"] else "proven"
