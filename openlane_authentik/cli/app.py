"""The commands, their options, and what becomes of errors."""

import asyncio
import io
import os
import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final

import typer

from openlane_authentik.cli.console import show_error, show_filter_error, show_health, show_sync
from openlane_authentik.cli.demo import DEMO_OUTPUT, run_demo
from openlane_authentik.cli.settings import find_credential
from openlane_authentik.cli.sync import OutputFormat, keep_checkpoint, read_checkpoint, sync_to
from openlane_authentik.definition import definition as card
from openlane_authentik.errors import FilterError, IntegrationError
from openlane_authentik.host.cli.app import app as host_app
from openlane_authentik.integration import AuthentikIntegration
from openlane_authentik.log import configure_logging
from openlane_authentik.operations.health_report import report_for
from openlane_authentik.operations.scope import Scope
from openlane_authentik.quiet import log_level, set_quiet
from openlane_authentik.remedies import Surface
from openlane_authentik.settings import DirectorySyncConfig, UserInput, parse_user_input
from openlane_authentik.terminal import open_console, print_json

INTERRUPTED = 130
_QUIET: Final = "--quiet"

app = typer.Typer(
    name="openlane-authentik",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(host_app)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if wanted:
        typer.echo(f"openlane-authentik {metadata.version('openlane-authentik')}")
        raise typer.Exit


@app.callback()
def _command(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            _QUIET, help="Of any command: write only warnings and errors to standard error.", callback=set_quiet
        ),
    ] = False,
) -> None:
    """Collect the users, groups and memberships of an authentik, and say what of them is proven complete."""


BaseUrl = Annotated[str | None, typer.Option(help="Address of authentik; else AUTHENTIK_BASE_URL.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the API token; else AUTHENTIK_TOKEN, else a prompt.")]
CaFile = Annotated[Path | None, typer.Option(help="Certificate authorities to trust besides the public ones (PEM).")]
AllowHttp = Annotated[bool, typer.Option("--allow-http", help="Send the token unencrypted, on a network you trust.")]
Filter = Annotated[str, typer.Option("--filter", help="CEL expression that a record must satisfy.")]
NoGroups = Annotated[bool, typer.Option("--disable-group-sync", help="Accounts only, no groups and memberships.")]


@app.command()
def health(
    *,
    base_url: BaseUrl = None,
    token_file: TokenFile = None,
    disable_group_sync: NoGroups = False,
    ca_file: CaFile = None,
    allow_http: AllowHttp = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check what stands between here and a sync that can prove its records; nothing is changed."""
    integration = _integration(base_url, token_file, ca_file, allow_http=allow_http)
    report = asyncio.run(integration.health_check(UserInput(disable_group_sync=disable_group_sync)))
    if as_json:
        print_json(report_for(report, Surface.COMMAND))
    else:
        show_health(open_console(stderr=False), report)
    raise typer.Exit(report.exit_code)


@app.command()
def sync(
    *,
    base_url: BaseUrl = None,
    token_file: TokenFile = None,
    filter_expr: Filter = "",
    disable_group_sync: NoGroups = False,
    shape: Annotated[OutputFormat, typer.Option("--format", help="Lines, or the host's array.")] = OutputFormat.NDJSON,
    output: Annotated[
        Path | None, typer.Option(help="File to write, whole or not at all; else standard output.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to begin at, if it is there: only what changed is read. Replaced after.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything, whatever the checkpoint says.")] = False,
    ca_file: CaFile = None,
    allow_http: AllowHttp = False,
    timeout: Annotated[float, typer.Option(help="Seconds after which the run ends.", min=1)] = 3600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON; needs --output.")] = False,
) -> None:
    """Read the directory and write envelopes; exits 0 when every set was read completely."""
    if as_json and output is None:
        raise typer.BadParameter("standard output has the records; add --output FILE", param_hint="--json")
    if checkpoint is not None and shape is OutputFormat.PAYLOAD_SETS:
        raise typer.BadParameter("payload sets cannot tell which accounts are no more", param_hint="--checkpoint")
    user_input = _user_input(filter_expr, disable_group_sync=disable_group_sync)
    integration = _integration(base_url, token_file, ca_file, allow_http=allow_http)
    console = open_console(stderr=True)
    config = DirectorySyncConfig(timeout_seconds=timeout)
    known = read_checkpoint(checkpoint) if checkpoint is not None and not full else None
    remember = checkpoint is not None
    syncing = sync_to(integration, user_input, config, output, shape, console, known, remember=remember)
    result, summary = asyncio.run(syncing)
    if checkpoint is not None:
        keep_checkpoint(checkpoint, result)
    if as_json:
        print_json(result.run)
    else:
        show_sync(console, summary.closings, result.run)
    raise typer.Exit(result.run.exit_code)


@app.command()
def definition() -> None:
    """Print the card that a host loads, as JSON."""
    typer.echo(card.to_json())


@app.command()
def demo(
    *,
    directory: Annotated[
        Path | None, typer.Option(help="Folder of raw records, users.ndjson.gz and groups.ndjson.gz; else made up.")
    ] = None,
    filter_expr: Filter = "",
    disable_group_sync: NoGroups = False,
    output: Annotated[Path, typer.Option(help="File to write the envelopes to.")] = DEMO_OUTPUT,
) -> None:
    """Check and sync a fake authentik on this machine; asks nothing, and ends by itself."""
    user_input = _user_input(filter_expr, disable_group_sync=disable_group_sync)
    raise typer.Exit(run_demo(open_console(stderr=False), directory, user_input, output))


def run() -> None:
    """Run a command and exit with its code; an error is told in words, never as a traceback."""
    # What a terminal of another encoding cannot show must not end a command.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _stop)
    # It may stand anywhere.
    arguments = sorted(sys.argv[1:], key=lambda argument: argument != _QUIET)
    try:
        app(arguments)
    except IntegrationError as error:
        of_host = host_app.info.name in arguments[:2]
        show_error(open_console(stderr=True), error, Surface.HOST_COMMAND if of_host else Surface.COMMAND)
        code = error.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    else:
        code = 0
    if code == 0:
        return
    # What the interpreter would still flush at its end may be what could not be written.
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the last moments of the process
    raise SystemExit(code)


def _stop(_number: int, _frame: object) -> None:
    """End as Ctrl-C does, so that no half-written file is left."""
    raise SystemExit(128 + signal.SIGTERM)


def _integration(
    base_url: str | None, token_file: Path | None, ca_file: Path | None, *, allow_http: bool
) -> AuthentikIntegration:
    credential = find_credential(base_url, token_file, allow_http=allow_http)
    configure_logging(secrets=[credential.token.get_secret_value()], as_json=not sys.stderr.isatty(), level=log_level())
    return AuthentikIntegration(credential, ca_file=ca_file)


def _user_input(filter_expr: str, *, disable_group_sync: bool) -> UserInput:
    user_input = parse_user_input({"filterExpr": filter_expr, "disableGroupSync": disable_group_sync})
    try:
        Scope(user_input)
    except FilterError as error:
        show_filter_error(open_console(stderr=True), filter_expr, error)
        raise
    return user_input
