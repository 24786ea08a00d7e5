"""The commands of the host and their options; what they do is in the modules beside, which are imported when needed.

So the plugin's own commands pay nothing for the host, and work where it is not installed.
"""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from openlane_authentik.host.errors import HostNotInstalledError

# What the extra [host] brings.
_EXTRA: Final = frozenset(
    {
        "alembic",
        "cryptography",
        "dbos",
        "jinja2",
        "jsonschema",
        "prometheus_client",
        "psycopg",
        "pydantic_settings",
        "sqlalchemy",
        "starlette",
        "uvicorn",
    }
)


class _HostGroup(TyperGroup):
    """Says what to install when a command cannot be imported."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            HostNotInstalledError: A part of the extra [host] is missing.
        """
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in _EXTRA:
                raise
            raise HostNotInstalledError(f"the host is not installed: there is no {error.name}") from None


app = typer.Typer(
    name="host",
    cls=_HostGroup,
    help="Keep directories synced on a schedule, with their history.",
    no_args_is_help=True,
    add_completion=False,
)

Installation = Annotated[str, typer.Argument(help="Id, the beginning of an id, or name.", show_default=False)]
AsOf = Annotated[
    str | None,
    typer.Option(
        help="A run's number, or a date (to its end in UTC) or RFC 3339 time: the newest run ended by then. Else now."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def connect(
    *,
    organisation: Annotated[str | None, typer.Option(help="Whose directory it is.  [default: default]")] = None,
    name: Annotated[str | None, typer.Option(help="What it is called in lists; else as it names itself.")] = None,
    definition: Annotated[str | None, typer.Option(help="Which integration; may be left out if there is one.")] = None,
    installation: Annotated[str | None, typer.Option(help="Change this one; what is not given stays.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Address of authentik; else AUTHENTIK_BASE_URL.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the API token; else AUTHENTIK_TOKEN, else a prompt.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="Certificate authorities to trust besides the public ones (PEM); kept.")
    ] = None,
    no_ca_file: Annotated[
        bool, typer.Option("--no-ca-file", help="Remove the certificate authorities that are stored.")
    ] = False,
    allow_http: Annotated[
        bool | None,
        typer.Option("--allow-http/--no-allow-http", help="Send the token unencrypted, on a network you trust."),
    ] = None,
    credential_file: Annotated[
        Path | None, typer.Option(help="The whole credential as a JSON object, for any integration.")
    ] = None,
    filter_expr: Annotated[str | None, typer.Option("--filter", help="CEL that a record must satisfy.")] = None,
    disable_group_sync: Annotated[
        bool | None, typer.Option("--disable-group-sync/--enable-group-sync", help="Accounts only.")
    ] = None,
    primary: Annotated[
        bool | None, typer.Option("--primary/--no-primary", help="The authoritative directory of its organisation.")
    ] = None,
    frequency: Annotated[
        int | None, typer.Option(help="Seconds from run to run; 0 for the adaptive rule, which is the default.", min=0)
    ] = None,
    timeout: Annotated[int | None, typer.Option(help="Seconds after which a run ends.  [default: 3600]")] = None,
    breaker_share: Annotated[
        float | None, typer.Option(help="Removals above this part of a set need a person.  [default: 0.2]")
    ] = None,
    breaker_least: Annotated[
        int | None,
        typer.Option(help="So many removals, or replaced accounts, at least, to need a person.  [default: 10]"),
    ] = None,
    keep_filter_copy: Annotated[
        bool | None,
        typer.Option(
            "--keep-filter-copy/--no-keep-filter-copy",
            help="Keep a sealed copy to count what a filter would drop; else the directory is read.  [default: keep]",
        ),
    ] = None,
    confirm: Annotated[
        int, typer.Option(help="How many records may go out of scope, as the refusal of a save told.", min=0)
    ] = 0,
    as_json: Json = False,
) -> None:
    """Check a directory and connect it, or change an installation; nothing is stored unless the check passes."""
    from openlane_authentik.host.cli.connecting import Given, connect_directory

    given = Given(
        organisation=organisation,
        name=name,
        definition=definition,
        base_url=base_url,
        token_file=token_file,
        ca_file=ca_file,
        no_ca_file=no_ca_file,
        allow_http=allow_http,
        credential_file=credential_file,
        user_input={"filterExpr": filter_expr, "disableGroupSync": disable_group_sync, "primaryDirectory": primary},
        frequency=frequency,
        settings={
            "timeout_seconds": timeout,
            "breaker_share": breaker_share,
            "breaker_least": breaker_least,
            "keep_filter_copy": keep_filter_copy,
            "confirmed": confirm,
        },
    )
    raise typer.Exit(connect_directory(given, installation, as_json=as_json))


@app.command("list")
def list_(
    *,
    organisation: Annotated[str | None, typer.Option(help="Only this one's.")] = None,
    as_json: Json = False,
) -> None:
    """Show the installations: how they stand, when they run, and which of them need somebody."""
    from openlane_authentik.host.cli.looking import show_installations

    show_installations(organisation, as_json=as_json)


@app.command()
def sync(installation: Installation, *, as_json: Json = False) -> None:
    """Sync now: by a worker if one lives, else here; exits as the run did."""
    from openlane_authentik.host.cli.working import sync_now

    raise typer.Exit(sync_now(installation, as_json=as_json))


@app.command()
def runs(
    installation: Installation,
    number: Annotated[int | None, typer.Argument(help="Show this run alone, with all that is known of it.")] = None,
    *,
    limit: Annotated[int, typer.Option(help="At most so many, the newest first.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Show the runs of an installation."""
    from openlane_authentik.host.cli.looking import show_run, show_runs

    if number is None:
        show_runs(installation, limit, as_json=as_json)
    else:
        show_run(installation, number, as_json=as_json)


@app.command()
def changes(
    installation: Installation,
    number: Annotated[int | None, typer.Argument(help="Only what this run saw.")] = None,
    *,
    record: Annotated[
        str | None,
        typer.Option(help="Only this account's or group's: its external id; an account's with those before."),
    ] = None,
    search: Annotated[str, typer.Option(help="A part of a name, e-mail address, id or username.")] = "",
    kind: Annotated[
        str | None,
        typer.Option(help="added, changed, returned, succeeded, in_scope, removed, replaced or out_of_scope."),
    ] = None,
    after: Annotated[str | None, typer.Option(help="Where the page before said that there is more.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the oldest first.", min=1, max=1000)] = 100,
    as_json: Json = False,
) -> None:
    """Show the change log of an installation: who came, changed and went, and which run saw it."""
    from openlane_authentik.host.cli.looking import Wanted, show_changes

    show_changes(installation, Wanted(number, record, search, kind, after, limit), as_json=as_json)


@app.command()
def accounts(
    installation: Installation,
    *,
    search: Annotated[str, typer.Option(help="A part of a name, e-mail address, id or username.")] = "",
    as_of: AsOf = None,
    after: Annotated[str | None, typer.Option(help="Where the page before said that there is more.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, by name.", min=1, max=1000)] = 100,
    as_json: Json = False,
) -> None:
    """Show the accounts of an installation, now or as of then."""
    from openlane_authentik.host.cli.records import show_accounts

    show_accounts(installation, search, as_of, after, limit, as_json=as_json)


@app.command()
def export(
    installation: Installation,
    *,
    shape: Annotated[str, typer.Option("--format", help="csv or ndjson.")] = "csv",
    as_of: AsOf = None,
    output: Annotated[Path | None, typer.Option(help="File to write, whole or not at all; else stdout.")] = None,
) -> None:
    """Write who has what: every account with each of its groups."""
    from openlane_authentik.host.cli.looking import write_export

    write_export(installation, shape, as_of, output)


@app.command()
def attention(
    installation: Installation,
    *,
    confirm: Annotated[
        str | None, typer.Option(help="Id of a list: exactly these records are no more, or replaced.")
    ] = None,
    dismiss: Annotated[str | None, typer.Option(help="Id of a list: nothing of it is to be ended.")] = None,
    as_json: Json = False,
) -> None:
    """Show which removals and replaced accounts wait for somebody to look at them, and decide."""
    from openlane_authentik.host.cli.deciding import decide, show_attention

    if confirm is not None and dismiss is not None:
        raise typer.BadParameter("one of --confirm and --dismiss, not both")
    if confirm is not None or dismiss is not None:
        decide(installation, confirm or dismiss or "", confirmed=confirm is not None, as_json=as_json)
    else:
        show_attention(installation, as_json=as_json)


@app.command()
def disconnect(installation: Installation, *, as_json: Json = False) -> None:
    """Delete the credential, end what runs and stop the schedule; records and history are kept."""
    from openlane_authentik.host.cli.deciding import end_installation

    end_installation(installation, as_json=as_json)


@app.command()
def serve(
    *,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Work on runs in this process too.")] = True,
) -> None:
    """Answer the API and the pages, and work on what is due, until stopped."""
    from openlane_authentik.host.cli.serving import serve_host

    serve_host(with_worker=worker)


@app.command()
def worker() -> None:
    """Work on what is due, until stopped; on PostgreSQL as many of these as are wanted."""
    from openlane_authentik.host.cli.serving import work

    work()


@app.command("rotate-key")
def rotate_key() -> None:
    """Seal every credential anew: with a new key, or with the first of OPENLANE_HOST_KEY."""
    from openlane_authentik.host.cli.upkeep import rotate_keys

    rotate_keys()


@app.command()
def migrate() -> None:
    """Bring the tables of the database to this version."""
    from openlane_authentik.host.cli.upkeep import migrate_database

    migrate_database()
