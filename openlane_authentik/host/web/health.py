"""Whether this process can serve: for load balancers and containers, without a token."""

import asyncio
from typing import Final

import msgspec

from openlane_authentik.host.database.migrate import check_revision
from openlane_authentik.host.errors import DatabaseUnreachableError
from openlane_authentik.host.web.routes import Answer, Call, Operation

_SECONDS: Final = 5.0


class Healthy(msgspec.Struct, frozen=True):
    """The database answers, and its tables are of this version."""

    status: str = "ok"


async def healthz(call: Call) -> Healthy:
    """Say that the database answers within seconds and its tables are of this version.

    Raises:
        DatabaseError: It does not, or they are not.
    """
    # A run that is being taken over holds the write lock of SQLite: only reading is asked for.
    held = call.host.database.execution_options(reads_only=True)
    try:
        await asyncio.wait_for(asyncio.to_thread(check_revision, held), _SECONDS)
    except TimeoutError:
        raise DatabaseUnreachableError(f"the database did not answer within {_SECONDS:g} seconds") from None
    return Healthy()


OPERATION: Final = Operation(
    method="GET",
    path="/healthz",
    name="getHealth",
    summary="Tell whether this host can serve.",
    handler=healthz,
    answers={200: Answer("It can.", Healthy)},
    open=True,
)
