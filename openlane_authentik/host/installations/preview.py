"""What a save would take out of the directory, counted before it is stored."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from openlane_authentik.emit.envelope import RunWarning, Schema
from openlane_authentik.emit.filter_copy import FilterCopy
from openlane_authentik.errors import IntegrationError
from openlane_authentik.host.contract import Integration, PreviewingIntegration
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.errors import (
    CollectionFailedError,
    ForeignCredentialError,
    UnconfirmedScopeError,
    WrongKeyError,
)
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.breaker import Limits
from openlane_authentik.host.store.dropping import Drop, count_dropped, has_records
from openlane_authentik.host.store.filter_copies import read_copies
from openlane_authentik.host.store.kinds import left_out
from openlane_authentik.host.store.staging import Staging, in_thread
from openlane_authentik.log import get_logger

_log = get_logger()


def filter_warnings(integration: Integration, user_input: Any) -> Sequence[RunWarning]:
    """Return what is worth knowing of a filter; nothing of an integration that has no preview."""
    return integration.filter_warnings(user_input) if isinstance(integration, PreviewingIntegration) else ()


async def check_scope(
    host: Host,
    installation_id: str,
    integration: Integration,
    settings: tuple[Any, Any],
    limits: Limits,
    confirmed: int,
) -> None:
    """Check that a save takes no more out of the directory than a run may remove unasked, or than was confirmed.

    An integration that has no preview is not asked: its first run tells.

    Args:
        host: Where.
        installation_id: Whose directory.
        integration: As it would be.
        settings: The user input and the config that it would have.
        limits: Of the installation, as they would be.
        confirmed: How many records may go out of scope.

    Raises:
        UnconfirmedScopeError: More would go.
        IntegrationError: There is no copy to count by, and the directory cannot be read.
    """
    if not isinstance(integration, PreviewingIntegration):
        return
    with reading(host.database) as held:
        if not has_records(held, installation_id):
            return
    copies = await asyncio.to_thread(_copies, host, installation_id)
    user_input, config = settings
    with Staging(host.database, host.clock) as staging:
        try:
            synced = await integration.preview_filter(staging, user_input, config, copies=copies)
        except IntegrationError:
            raise
        except Exception as error:
            # As of a run: what it says may quote anything.
            raise CollectionFailedError(f"the preview of the filter raised {type(error).__name__}") from error

        def counted() -> Mapping[str, Drop]:
            staging.settle(left_out)
            with staging.held.begin():
                return count_dropped(staging.held, installation_id, synced, limits)

        drops = await in_thread(counted)
    total = sum(drop.dropped for drop in drops.values())
    if any(drop.too_many for drop in drops.values()) and total > confirmed:
        told = ", ".join(f"{drop.dropped:,} of {drop.present:,} {Schema(name).plural}" for name, drop in drops.items())
        warnings = [warning.message for warning in filter_warnings(integration, user_input)]
        raise UnconfirmedScopeError(
            "; ".join([f"this would take {total:,} records out of the directory: {told}", *warnings]), total
        )


def _copies(host: Host, installation_id: str) -> Sequence[FilterCopy]:
    try:
        with reading(host.database) as held:
            return read_copies(held, host.vault, installation_id)
    except (WrongKeyError, ForeignCredentialError) as error:
        # What does not open is as good as not there: the directory is read.
        _log.warning("filter_copy_unreadable", installation_id=installation_id, code=error.code)
        return ()
