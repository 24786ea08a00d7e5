"""Look at the accounts of the directory."""

from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.table import Table

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.cli.opening import find_installation, opened_host
from openlane_authentik.host.cli.tables import moment, say
from openlane_authentik.host.store.as_of import run_as_of
from openlane_authentik.host.store.lists import Record, list_records
from openlane_authentik.host.store.proofs import Proof
from openlane_authentik.terminal import open_console, plain, print_json


def show_accounts(meant: str, search: str, as_of: str | None, after: str | None, limit: int, *, as_json: bool) -> None:
    """Show a page of the accounts.

    Raises:
        HostError: See ``find_installation``, ``run_as_of`` and ``list_records``.
    """
    with opened_host() as host:
        one = find_installation(host, meant)
        number = run_as_of(host.database, one.id, as_of)
        page = list_records(
            host.database, Schema.ACCOUNT, one.id, as_of=number, search=search, after=after, limit=limit
        )
    if as_json:
        print_json(page)
        return
    console = open_console(stderr=False)
    if number is not None:
        say(console, f"As of run {number}; the last logins of the past are not known.")
    tell_proof(console, page.proof)
    console.print(_accounts_table(page.items) if page.items else "No account.")
    if page.next:
        say(console, f"... and more: --after {page.next}")


def tell_proof(console: Console, proof: Proof | None) -> None:
    """Say of a list that it is not proven; nothing of one that is."""
    if proof is not None and not proof.proven:
        say(console, f"! {proof}: people who left may be among these, and others missing", style="yellow")


def _accounts_table(records: Iterable[Record]) -> Table:
    table = Table(
        "name",
        "username",
        "e-mail",
        "type",
        "status",
        "last login (UTC)",
        "id",
        box=None,
        padding=(0, 1),
        pad_edge=False,
    )
    for one in records:
        record = msgspec.json.decode(one.record)
        cells = (record.get(key) or "-" for key in ("display_name", "canonical_email", "account_type", "status"))
        name, email, kind, status = cells
        shown = (name, one.username or "-", email, kind, status, moment(one.last_login_at), one.external_id)
        table.add_row(*map(plain, shown))
    return table
