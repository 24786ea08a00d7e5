"""The demo: health check and sync against a fake authentik on this machine, and a host that keeps it synced."""

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from openlane_authentik.cli.console import show_health, show_sync
from openlane_authentik.cli.sync import OutputFormat, sync_to
from openlane_authentik.emit.envelope import Envelope
from openlane_authentik.errors import ConfigurationError, OutputError
from openlane_authentik.integration import AuthentikIntegration
from openlane_authentik.log import configure_logging
from openlane_authentik.settings import DirectorySyncConfig, UserInput, parse_credential
from openlane_authentik.terminal import plain
from openlane_authentik.testing import Directory, FakeAuthentik, Server, serve

DEMO_OUTPUT: Final = Path("demo-output/directory.ndjson")
HOST_FOLDER: Final = "demo-host"
_USERS: Final = 500
_GROUPS: Final = 40
_SEED: Final = 2025
_WIDEST: Final = 72


def run_demo(console: Console, folder: Path | None, user_input: UserInput, output: Path) -> int:
    """Show a whole first use; return the exit code of its sync.

    Raises:
        ConfigurationError: The folder does not hold raw records.
        OutputError: The output cannot be written.
    """
    fake = FakeAuthentik(_directory(folder), brand_title="authentik (demo)")
    token = fake.token("viewer")
    configure_logging(secrets=[token], as_json=False, level=logging.WARNING)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror or error}") from error
    with serve(fake) as server:
        integration = AuthentikIntegration(parse_credential({"baseUrl": server.url, "token": token}))
        console.print(Text("1. A fake authentik runs on this machine. Is it ready to be synced?", style="bold"))
        show_health(console, asyncio.run(integration.health_check(user_input)))
        console.print(Text("\n2. Its directory is read, mapped and filtered.", style="bold"))
        syncing = sync_to(integration, user_input, DirectorySyncConfig(), output, OutputFormat.NDJSON, console)
        result, summary = asyncio.run(syncing)
        run = result.run
        show_sync(console, summary.closings, run)
        console.print(
            Text(f"\n3. Every record is one line of {output}, ready for a host. The first of each kind:", style="bold")
        )
        for envelope in summary.examples.values():
            _show_example(console, envelope)
        told = f"\n{run.full_count} records in {run.stats['seconds']:.1f} s and {run.stats['requests']} requests."
        console.print(told)
        _show_host(console, server, token, user_input, output.parent / HOST_FOLDER)
    console.print("\nYour own authentik is next: see 'Connect your authentik' in README.md.")
    return run.exit_code


def _show_host(console: Console, server: Server, token: str, user_input: UserInput, folder: Path) -> None:
    try:
        from openlane_authentik.cli.demo_host import show_host  # noqa: PLC0415 - the plugin works without the host
    except ModuleNotFoundError as error:
        console.print(
            Text(f"\n4. What a host does with it needs pip install 'openlane-authentik[host]' ({error.name}).")
        )
    else:
        show_host(console, server, token, user_input, folder)


def _directory(folder: Path | None) -> Directory:
    if folder is None:
        return Directory.generate(users=_USERS, groups=_GROUPS, seed=_SEED)
    try:
        return Directory.from_folder(folder)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--directory: the folder {folder} holds no raw records: {error}") from error


def _show_example(console: Console, envelope: Envelope) -> None:
    """Show a mapped record, its long values cut."""
    console.print(Text(f"  {envelope.schema}", style="bold"))
    for key, value in envelope.record.items():
        text = msgspec.json.encode(value).decode()
        shown = text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."
        console.print(plain(f"    {key:<22}{shown}"))
