"""One run from its claim to its end: the only module of the host that walks the whole path.

claim (runs/) -> open the credential (vault) -> collect (the integration, into store/staging)
              -> take over (store/take_over), or fail (runs/)
"""

import asyncio

import structlog
from sqlalchemy.exc import DBAPIError

from openlane_authentik.errors import CredentialError, DeadlineError, EndpointError, IntegrationError
from openlane_authentik.host import runs
from openlane_authentik.host.attention import list_attention
from openlane_authentik.host.contract import PreviewingIntegration
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.errors import (
    CollectionFailedError,
    DatabaseUnreachableError,
    RunLostError,
    UnconfirmedRefusalError,
)
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import check_health, get_installation, read_credential
from openlane_authentik.host.notify import notify
from openlane_authentik.host.runs import ClaimedRun
from openlane_authentik.host.runs.concerns import list_concerns
from openlane_authentik.host.store.checkpoint import read_checkpoint
from openlane_authentik.host.store.staging import Staging, in_thread
from openlane_authentik.host.store.take_over import Found, take_over
from openlane_authentik.log import get_logger
from openlane_authentik.remedies import Surface, retold

_log = get_logger()

SUPERSEDED = "superseded"
COMPLETED = "completed"
FAILED = "failed"


async def execute(host: Host, run_id: str, attempt: int, worker_id: str) -> str:
    """Work on one attempt of a run to its end.

    Args:
        host: The host.
        run_id: Which run.
        attempt: Which attempt of it.
        worker_id: Who works.

    Returns:
        ``completed`` or ``failed``, as the ledger tells; ``superseded`` when there was nothing to do any more.

    Raises:
        DatabaseUnreachableError: The ledger does not know how it ended; whoever finds the run gives it back.
    """
    claimed = await asyncio.to_thread(runs.claim, host.database, run_id, attempt, worker_id, host.clock.now())
    if claimed is None:
        return SUPERSEDED
    with structlog.contextvars.bound_contextvars(
        run_id=run_id, installation_id=claimed.installation_id, run=claimed.number, attempt=attempt
    ):
        try:
            return await _run(host, claimed)
        except (RunLostError, DatabaseUnreachableError) as error:
            _log.warning("run given up", code=error.code, seen=str(error))
            if isinstance(error, DatabaseUnreachableError):
                raise
            return SUPERSEDED


async def _run(host: Host, claimed: ClaimedRun) -> str:
    try:
        with Staging(host.database, host.clock) as staging:
            result = await _collect(host, claimed, staging)
            attention = await in_thread(take_over, claimed, staging, result, host.vault, host.clock)
    except (RunLostError, DatabaseUnreachableError):
        raise
    except IntegrationError as error:
        await asyncio.to_thread(_fail, host, claimed, await _confirmed(host, claimed, error))
        return FAILED
    if attention:
        await asyncio.to_thread(_ask, host, claimed)
    await asyncio.to_thread(_tell_concerns, host, claimed)
    _log.info("run taken over", needs_attention=attention)
    return COMPLETED


async def _collect(host: Host, claimed: ClaimedRun, staging: Staging) -> Found:
    installation = await asyncio.to_thread(get_installation, host, claimed.installation_id)
    await asyncio.to_thread(runs.note_input, host.database, claimed, installation.user_input)
    checkpoint = await asyncio.to_thread(_checkpoint, host, claimed.installation_id)
    definition = host.providers.get(installation.definition_id)
    try:
        async with asyncio.timeout(installation.timeout_seconds):
            integration = definition.build(await asyncio.to_thread(read_credential, host, claimed.installation_id))
            user_input = definition.parse_user_input(installation.user_input)
            config = definition.parse_config(installation.config)
            if isinstance(integration, PreviewingIntegration) and installation.keep_filter_copy:
                previewed = await integration.directory_sync(
                    staging, user_input, config, checkpoint=checkpoint, filter_copy=True
                )
                return Found(previewed.run, previewed.checkpoint, previewed.filter_copy)
            result = await integration.directory_sync(staging, user_input, config, checkpoint=checkpoint)
            return Found(result.run, result.checkpoint)
    except TimeoutError as error:
        raise DeadlineError("the run's time limit has passed") from error
    except (IntegrationError, DBAPIError):
        raise
    except Exception as error:
        # What an integration raises without knowing it may quote anything, so that only its kind is kept.
        raise CollectionFailedError(f"the integration raised {type(error).__name__}") from error


def _checkpoint(host: Host, installation_id: str) -> bytes | None:
    with reading(host.database) as held:
        return read_checkpoint(held, host.vault, installation_id)


async def _confirmed(host: Host, claimed: ClaimedRun, error: IntegrationError) -> IntegrationError:
    """Return the error that ends a run: one odd answer of a server or a proxy must not stop a schedule.

    What only a person can mend is looked for a second time, by a health check. If that passes, the schedule goes on,
    unless the run before was refused as well.
    """
    if not isinstance(error, (CredentialError, EndpointError)):
        return error
    refused_before = await asyncio.to_thread(runs.error_before, host.database, claimed)
    if refused_before == UnconfirmedRefusalError.code:
        return error
    try:
        checked = await check_health(host, claimed.installation_id)
    except IntegrationError:
        return error
    if checked.health is None or checked.health["exitCode"] != 0:
        return error
    unconfirmed = UnconfirmedRefusalError(f"{error} [{error.code}]; a health check right after it passed")
    unconfirmed.__cause__ = error
    return unconfirmed


def _fail(host: Host, claimed: ClaimedRun, error: IntegrationError) -> None:
    with transaction(host.database) as held:
        stopped = runs.fail_run(held, claimed, error, host.clock.now())
    remedy = retold(error.remedy, Surface.HOST_COMMAND)
    _log.error("run failed", code=error.code, seen=str(error), remedy=remedy, stopped=stopped)
    if stopped:
        reason = {"code": error.code, "message": str(error), "remedy": retold(error.remedy, Surface.HOST)}
        notify(host, "installation_errored", get_installation(host, claimed.installation_id), reason)


def _tell_concerns(host: Host, claimed: ClaimedRun) -> None:
    """Tell of what needs somebody since this run, and did not before."""
    with reading(host.database) as held:
        before = list_concerns(held, claimed.installation_id, until=claimed.number - 1)
        now = list_concerns(held, claimed.installation_id, until=claimed.number)
    told = {(concern.code, concern.schema) for concern in before}
    for concern in now:
        if (concern.code, concern.schema) not in told:
            reason = {"code": concern.code, "message": concern.message, "remedy": concern.remedy}
            notify(host, "installation_needs_attention", get_installation(host, claimed.installation_id), reason)


def _ask(host: Host, claimed: ClaimedRun) -> None:
    for asked in list_attention(host, claimed.installation_id):
        replaced = any(count["replaced"] for count in asked.counts.values())
        reason = {
            "code": "replacements_need_attention" if replaced else "removals_need_attention",
            "message": f"{asked.message}; nothing of it was taken over",
            "remedy": "Look at the list of the installation, and confirm or dismiss it.",
        }
        notify(host, "installation_needs_attention", get_installation(host, claimed.installation_id), reason)
