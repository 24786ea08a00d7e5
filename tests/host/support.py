"""What the host's tests share: an installation of a fake authentik, and a look at everything that is stored."""

import asyncio
import threading
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet
from pydantic import SecretStr

from openlane_authentik.definition import definition
from openlane_authentik.host import runs
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import Installation, SaveRequest, read_credential, save
from openlane_authentik.host.store.checkpoint import read_checkpoint

AUTHENTIK = definition.spec.id
ORGANISATION = "org-1"


def demo_request(
    server_url: str,
    token: str,
    *,
    organisation: str = ORGANISATION,
    user_input: dict[str, Any] | None = None,
    **rest: Any,
) -> SaveRequest:
    """Return the request that connects a fake authentik."""
    return SaveRequest(
        organisation=organisation,
        credential={"baseUrl": server_url, "token": token},
        user_input=user_input or {},
        **rest,
    )


def connect_demo(
    host: Host, server_url: str, token: str, *, installation_id: str | None = None, **request: Any
) -> Installation:
    """Save an installation of a fake authentik, as a person would."""
    return asyncio.run(save(host, AUTHENTIK, demo_request(server_url, token, **request), installation_id))


def row_of(host: Host, installation_id: str) -> Any:
    """Return everything that is stored of an installation."""
    with reading(host.database) as held:
        return held.execute(sa.select(installation).where(installation.c.id == installation_id)).one()


def checkpoint_of(host: Host, installation_id: str) -> bytes | None:
    """Return where the next sync begins, opened."""
    with reading(host.database) as held:
        return read_checkpoint(held, host.vault, installation_id)


def put(host: Host, installation_id: str, **values: Any) -> None:
    """Set columns of an installation, as a run would."""
    with transaction(host.database) as held:
        held.execute(installation.update().where(installation.c.id == installation_id).values(**values))


def request_run(host: Host, installation_id: str) -> str:
    """Ask for a run."""
    with transaction(host.database) as held:
        run_id = runs.request_run(held, installation_id, "manual", host.clock.now())
    assert run_id is not None
    return run_id


def at_once(*calls: Any) -> list[Any]:
    """Make calls from threads that start together; return what each returned or raised."""
    start = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def make(number: int) -> None:
        start.wait()
        try:
            results[number] = calls[number]()
        except Exception as error:  # noqa: BLE001 - a result of the test
            results[number] = error

    threads = [threading.Thread(target=make, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def keyed(settings: HostSettings, *keys: str) -> HostSettings:
    """Return settings whose key the operator gives."""
    return settings.model_copy(update={"key": SecretStr(",".join(keys))})


def new_key() -> str:
    """Make a key."""
    return Fernet.generate_key().decode()


def opens(settings: HostSettings, installation_id: str) -> dict[str, Any]:
    """Open a host anew, as a process that starts now, and read a credential."""
    host = open_host(settings)
    try:
        return read_credential(host, installation_id)
    finally:
        host.close()


def dump(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table that the database has."""
    tables = sa.MetaData()
    tables.reflect(engine)
    with reading(engine) as held:
        return {
            name: sorted((tuple(row) for row in held.execute(sa.select(table))), key=repr)
            for name, table in tables.tables.items()
        }
