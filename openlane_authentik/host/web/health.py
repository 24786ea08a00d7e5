"""Whether this process can serve: for load balancers and containers, without a token."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec
from starlette.responses import Response

from openlane_authentik.host.database.connections import SQLITE, reading
from openlane_authentik.host.database.files import full_disk
from openlane_authentik.host.database.migrate import check_revision
from openlane_authentik.host.errors import DatabaseUnreachableError, HostError
from openlane_authentik.host.host import Host, check_folder
from openlane_authentik.host.web.problems import answer_error
from openlane_authentik.host.web.routes import Answer, Call, Operation

_SECONDS: Final = 5.0
_ILL: Final = 503


class Healthy(msgspec.Struct, frozen=True):
    """The database answers, its tables are of this version, the key opens what is sealed, and no disk is full."""

    status: str = "ok"


async def healthz(call: Call) -> Healthy | Response:
    """Say within seconds whether all that the host stands on is as it must be, or else what is not."""
    try:
        await asyncio.wait_for(asyncio.to_thread(_look_at, call.host), _SECONDS)
    except TimeoutError:
        return answer_error(DatabaseUnreachableError(f"the database did not answer within {_SECONDS:g} seconds"))
    except HostError as error:
        return answer_error(error, _ILL)
    return Healthy()


def _look_at(host: Host) -> None:
    check_folder(host.settings)
    # A run that is being taken over holds the write lock of SQLite: only reading is asked for.
    check_revision(host.database.execution_options(reads_only=True))
    with reading(host.database) as held:
        host.vault.check(held)
    if host.database.dialect.name == SQLITE and (full := full_disk(Path(host.database.url.database or "").parent)):
        raise full


OPERATION: Final = Operation(
    method="GET",
    path="/healthz",
    name="getHealth",
    summary="Tell whether this host can serve.",
    handler=healthz,
    answers={200: Answer("It can.", Healthy)},
    open=True,
)
