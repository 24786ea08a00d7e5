"""What people see: tables, errors and the progress bar, all on standard error, so that standard output is data."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from openlane_authentik.emit.envelope import PayloadSetClosing, SyncRun
from openlane_authentik.errors import FilterError, IntegrationError
from openlane_authentik.filter import render_diagnostic
from openlane_authentik.operations.collection import Progress
from openlane_authentik.operations.health_report import CheckStatus, HealthReport, report_for
from openlane_authentik.quiet import is_quiet
from openlane_authentik.remedies import Surface, retold
from openlane_authentik.terminal import plain

_MARKS: Final = {
    CheckStatus.PASS: ("ok", "green"),
    CheckStatus.WARN: ("warn", "yellow"),
    CheckStatus.FAIL: ("FAIL", "red"),
    CheckStatus.SKIPPED: ("-", "dim"),
}


def show_health(console: Console, report: HealthReport) -> None:
    """Print the checks one by one, each finding with what to do."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for check in report_for(report, Surface.COMMAND).checks:
        mark, style = _MARKS[check.status]
        table.add_row(plain(mark, style), plain(check.check), plain(check.seen))
        if check.remedy:
            table.add_row("", plain(check.code, "bold"), plain(check.remedy))
    console.print(table)
    console.print(plain(f"=> {report.status}", style="bold"))


def show_sync(console: Console, closings: list[PayloadSetClosing], run: SyncRun) -> None:
    """Print what became of each set, and what an operator should know; when quiet, only what stands against it."""
    table = Table("set", box=None, padding=(0, 1), pad_edge=False)
    for title in ("read", "emitted", "filtered", "failed"):
        table.add_column(title, justify="right")
    table.add_column("complete")
    for closing in closings:
        counts = closing.counts
        numbers = (counts.read, counts.emitted, counts.filtered, counts.failed)
        table.add_row(closing.schema, *map(str, numbers), plain(_claim(closing)))
    if run.exit_code or not is_quiet():
        console.print(table)
    for warning in run.warnings:
        console.print(plain(f"warning: {warning.message} [{warning.code}]", style="yellow"))


def _claim(closing: PayloadSetClosing) -> str:
    """Describe what was proven of a set, and what stands against it."""
    if not closing.read_complete:
        claim = "no"
    elif closing.delta:
        claim = f"proven changes, {len(closing.removed or ())} removed"
    else:
        claim = "proven" if closing.snapshot_complete else "all read"
    return ": ".join([claim, ", ".join(closing.reasons)]) if closing.reasons else claim


def show_error(console: Console, error: IntegrationError, surface: Surface) -> None:
    """Print what was seen, the code, and what to do."""
    console.print(plain(f"error: {error} [{error.code}]", style="red"))
    console.print(plain(f"       {retold(error.remedy, surface)}"))


def show_filter_error(console: Console, expression: str, error: FilterError) -> None:
    """Print each thing wrong with a filter, with a caret under its place."""
    for diagnostic in error.diagnostics:
        for line in render_diagnostic(expression, diagnostic).split("\n"):
            console.print(plain(line), soft_wrap=True)


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Show a bar while users are read, when there is a terminal to show it on."""
    columns = (TextColumn("reading users"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ProgressBar(*columns, console=console, transient=True, disable=is_quiet() or not console.is_terminal) as bar:
        task = bar.add_task("users", total=None)
        yield lambda read, expected: bar.update(task, completed=read, total=max(read, expected))
