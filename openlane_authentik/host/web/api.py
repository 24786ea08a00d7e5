"""The API's operations on installations and runs, in the shape that hosts of this kind have."""

import json
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from openlane_authentik.host import attention, runs
from openlane_authentik.host.contract import HEALTH_CHECK
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.errors import ConflictError, UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import (
    Installation,
    check_health,
    disconnect,
    get_installation,
    list_installations,
    save,
)
from openlane_authentik.host.runs import Run
from openlane_authentik.host.web import shapes
from openlane_authentik.host.web.routes import Answer, Call, Operation, Reply

_TRIES: Final = 3
_OF_INSTALLATION: Final = "/v1/integrations/{installationId}"


def find_attention(host: Host, installation_id: str, attention_id: str) -> attention.Attention:
    """Return a question.

    Raises:
        UnknownRecordError: The installation has no such question.
    """
    for asked in attention.list_attention(host, installation_id, status=None):
        if asked.id == attention_id:
            return asked
    raise UnknownRecordError("the installation has no such list")


def ask_for_sync(host: Host, installation_id: str) -> Run:
    """Ask for a run now; return it, or the one that waits or is under way already.

    Raises:
        UnknownRecordError: There is no such installation.
        ConflictError: It was stopped; the message says what to do.
    """
    for _ in range(_TRIES):
        with transaction(host.database) as held:
            run_id = runs.request_run(held, installation_id, "manual", host.clock.now())
            run_id = run_id or runs.active_run(held, installation_id)
            if run_id is not None:
                return runs.get_run(held, run_id)
    raise ConflictError("a run came to its end just now; ask again")


def _providers(call: Call) -> shapes.Providers:
    return shapes.Providers(items=[json.loads(definition.to_json()) for definition in call.host.providers.all()])


def _installations(call: Call) -> shapes.Installations:
    return shapes.Installations(items=list_installations(call.host, call.query.organisation))


def _installation(call: Call) -> Installation:
    return get_installation(call.host, call.path["installationId"])


async def _save(call: Call) -> Installation:
    body: shapes.SaveBody = call.body
    saved = await save(call.host, call.path["definitionId"], body.request(), body.installation_id)
    call.wake()
    return saved


async def _operate(call: Call) -> Any:
    installation_id = call.path["installationId"]
    if call.body.operation == HEALTH_CHECK:
        return _health(await check_health(call.host, installation_id))
    asked = await run_in_threadpool(ask_for_sync, call.host, installation_id)
    call.wake()
    return Reply(202, asked)


def _health(installation: Installation) -> shapes.Health:
    found = installation.health
    if found is None:
        raise ConflictError("the installation was disconnected meanwhile")
    return shapes.Health(
        status=found["status"],
        exit_code=found["exitCode"],
        checks=found["checks"],
        checked_at=installation.health_checked_at,
    )


def _disconnect(call: Call) -> Installation:
    return disconnect(call.host, call.path["installationId"])


def _runs(call: Call) -> shapes.Runs:
    query: shapes.RunsQuery = call.query
    installation_id = _installation(call).id
    with reading(call.host.database) as held:
        found = runs.list_runs(held, installation_id, status=query.status, before=query.after, limit=query.limit + 1)
    page = found[: query.limit]
    return shapes.Runs(items=page, next=page[-1].id if len(found) > query.limit else None)


def _run(call: Call) -> Run:
    with reading(call.host.database) as held:
        return runs.get_run(held, call.path["runId"])


def _questions(call: Call) -> shapes.Questions:
    status = None if call.query.status == "all" else call.query.status
    return shapes.Questions(items=attention.list_attention(call.host, _installation(call).id, status=status))


def _candidates(call: Call) -> shapes.Candidates:
    query: shapes.CandidatesQuery = call.query
    asked = find_attention(call.host, call.path["installationId"], call.path["attentionId"])
    begin = int(query.after)
    # The list gives no more than its own limit, so that the page is asked for without one more.
    items = attention.list_candidates(call.host, asked.installation_id, asked.id, offset=begin, limit=query.limit)
    end = begin + len(items)
    return shapes.Candidates(attention=asked, items=items, next=str(end) if items and end < asked.records else None)


def _confirm(call: Call) -> attention.Attention:
    decided = attention.confirm(call.host, call.path["installationId"], call.path["attentionId"])
    call.wake()
    return decided


def _dismiss(call: Call) -> attention.Attention:
    return attention.dismiss(call.host, call.path["installationId"], call.path["attentionId"])


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/integrations/providers",
        name="listProviders",
        summary="List the integrations that are installed, with their forms.",
        handler=_providers,
        answers={200: Answer("The integrations' cards.", shapes.Providers)},
    ),
    Operation(
        method="GET",
        path="/v1/integrations",
        name="listInstallations",
        summary="List the installations, the oldest first.",
        handler=_installations,
        query=shapes.InstallationsQuery,
        answers={200: Answer("The installations.", shapes.Installations)},
    ),
    Operation(
        method="GET",
        path=_OF_INSTALLATION,
        name="getInstallation",
        summary="Show an installation; its credential is never shown.",
        handler=_installation,
        answers={200: Answer("The installation.", Installation)},
    ),
    Operation(
        method="POST",
        path="/v1/integrations/{definitionId}/config",
        name="saveInstallation",
        summary="Connect a directory, or change an installation, once its health check has passed.",
        handler=_save,
        body=shapes.SaveBody,
        answers={200: Answer("The installation as it is now.", Installation)},
        errors=(404, 409, 502),
    ),
    Operation(
        method="POST",
        path=f"{_OF_INSTALLATION}/operations/run",
        name="runOperation",
        summary="Ask for a sync now, or check the health of an installation.",
        handler=_operate,
        body=shapes.OperationBody,
        answers={
            200: Answer("HealthCheck: what it found, which is also kept.", shapes.Health),
            202: Answer("DirectorySync: the run that a worker will take on, or one that is active already.", Run),
        },
        errors=(409, 502),
    ),
    Operation(
        method="POST",
        path=f"{_OF_INSTALLATION}/disconnect",
        name="disconnectInstallation",
        summary="Delete the credential and stop collecting; the history stays. Its `reason` says what is left to do.",
        handler=_disconnect,
        answers={200: Answer("The installation as it is now.", Installation)},
    ),
    Operation(
        method="GET",
        path=f"{_OF_INSTALLATION}/runs",
        name="listRuns",
        summary="List an installation's runs, the newest first.",
        handler=_runs,
        query=shapes.RunsQuery,
        answers={200: Answer("The runs.", shapes.Runs)},
    ),
    Operation(
        method="GET",
        path="/v1/runs/{runId}",
        name="getRun",
        summary="Show a run with its attempts, counts, evidence and warnings.",
        handler=_run,
        answers={200: Answer("The run.", Run)},
    ),
    Operation(
        method="GET",
        path=f"{_OF_INSTALLATION}/attention",
        name="listAttention",
        summary="List what an operator is asked: removals and replaced accounts that were held back.",
        handler=_questions,
        query=shapes.AttentionQuery,
        answers={200: Answer("The questions.", shapes.Questions)},
    ),
    Operation(
        method="GET",
        path=f"{_OF_INSTALLATION}/attention/{{attentionId}}",
        name="getAttention",
        summary="Show the records that would be removed, or replaced.",
        handler=_candidates,
        query=shapes.CandidatesQuery,
        answers={200: Answer("The question and its records.", shapes.Candidates)},
    ),
    Operation(
        method="POST",
        path=f"{_OF_INSTALLATION}/attention/{{attentionId}}/confirm",
        name="confirmAttention",
        summary="Say that exactly these records are no more, or replaced; the next run that proves it ends them so.",
        handler=_confirm,
        answers={200: Answer("The question as it is now.", attention.Attention)},
        errors=(409,),
    ),
    Operation(
        method="POST",
        path=f"{_OF_INSTALLATION}/attention/{{attentionId}}/dismiss",
        name="dismissAttention",
        summary="Say that these records are not to be removed, or replaced.",
        handler=_dismiss,
        answers={200: Answer("The question as it is now.", attention.Attention)},
        errors=(409,),
    ),
)
