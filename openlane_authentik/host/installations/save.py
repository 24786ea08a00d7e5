"""Save an installation: nothing of it is stored before its health check has passed."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from openlane_authentik.errors import IntegrationError
from openlane_authentik.host.contract import Definition, Integration
from openlane_authentik.host.database.connections import reading, transaction
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.errors import (
    CollectionFailedError,
    ConflictError,
    ForeignCredentialError,
    InvalidRequestError,
    UnhealthyError,
    UnknownRecordError,
    WrongKeyError,
)
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations.forms import check_form, fill_in
from openlane_authentik.host.installations.health import examine
from openlane_authentik.host.installations.preview import check_scope, filter_warnings
from openlane_authentik.host.installations.primary import PRIMARY, hold_organisation, keeps_mark, resign_others
from openlane_authentik.host.installations.views import Installation, InstallationStatus, status_by_history, view_within
from openlane_authentik.host.runs.schedule import FIRST_INTERVAL
from openlane_authentik.host.store.breaker import Limits
from openlane_authentik.host.store.filter_copies import delete_copies
from openlane_authentik.log import get_logger

_INSTANCE: Final = "directoryInstanceId"
_LONGEST_NAME: Final = 200
_SHORTEST_FREQUENCY: Final = 60
_NO_SCOPE: Final = frozenset({"name", PRIMARY})
_EMPTY: Final = (None, "", False)
_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest:
    """What an installation is to be.

    Attributes:
        organisation: Whose it is.
        name: What it is called in lists; if empty, as its user input or its integration says.
        credential: The filled-in form; None and empty fields keep what is stored.
        user_input: The filled-in form, as a whole.
        config: The options of its syncs, as a whole.
        frequency_seconds: Seconds from run to run; None for the adaptive rule.
        timeout_seconds: After how long a run ends, proving nothing.
        breaker_share, breaker_least: Above which part of a set, and how many at least, removals and replaced accounts
            need a person.
        keep_filter_copy: Whether to keep a copy of what filters may name, of everybody, to preview filters on; without
            it a preview reads the directory.
        confirmed: How many records may go out of scope by this save, where they are more than the limits.
    """

    organisation: str
    name: str = ""
    credential: Mapping[str, Any] | None = field(default=None, repr=False)
    user_input: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    frequency_seconds: int | None = None
    timeout_seconds: int = 3600
    breaker_share: float = 0.2
    breaker_least: int = 10
    keep_filter_copy: bool = True
    confirmed: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found out before anything is stored."""

    credential: dict[str, Any] = field(repr=False)
    health: dict[str, Any]
    metadata: dict[str, Any]
    checked_at: str
    warnings: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a request begins from."""

    sealed: str | None = field(repr=False)
    credential: dict[str, Any] = field(repr=False)


async def save(
    host: Host, definition_id: str, request: SaveRequest, installation_id: str | None = None
) -> Installation:
    """Connect a directory, or change an installation; a save that fails leaves everything as it was.

    Args:
        host: Where.
        definition_id: Which integration.
        request: What it is to be.
        installation_id: Which one to change; None connects one. A directory that was disconnected becomes the
            installation it was, with its history.

    Raises:
        UnknownProviderError: No such integration is installed.
        UnknownRecordError: There is no such installation.
        InvalidRequestError: A form is not filled in as its schema says.
        UnhealthyError: The health check failed.
        UnconfirmedScopeError: See ``check_scope``.
        ConflictError: The directory is connected already, is another one than before, or was changed meanwhile.
        VaultError: See ``Vault``.
        IntegrationError: What the integration itself says is wrong.
    """
    definition = host.providers.get(definition_id)
    _check(request)
    stored = await asyncio.to_thread(_stored, host, definition_id, request, installation_id)
    check_form("userInput", definition.user_input.schema, request.user_input)
    credential = fill_in(definition, request.credential, stored.credential)
    user_input = definition.parse_user_input(request.user_input)
    config = definition.parse_config(request.config)
    integration = definition.build(credential)
    health = await examine(integration, user_input)
    checked_at = host.now()
    if health["exitCode"] != 0:
        failed = [check["code"] for check in health["checks"] if check["status"] == "fail"]
        raise UnhealthyError(f"the health check failed: {', '.join(failed) or health['status']}", health)
    metadata = await _metadata(integration)
    there = await asyncio.to_thread(_changed, host, definition_id, request, metadata, installation_id)
    if there is not None and _scope(there.user_input) != _scope(request.user_input):
        limits = Limits(request.breaker_share, request.breaker_least)
        await check_scope(host, there.id, integration, (user_input, config), limits, request.confirmed)
    warnings = msgspec.to_builtins(filter_warnings(integration, user_input))
    found = _Found(credential, health, metadata, checked_at, list(warnings))
    saved = await asyncio.to_thread(_store, host, definition, request, found, stored, installation_id)
    _log.info("installation_saved", installation_id=saved.id, provider=definition_id)
    return saved


def _check(request: SaveRequest) -> None:
    rules = {
        "organisation: 1 to 200 characters": 0 < len(request.organisation.strip()) <= _LONGEST_NAME,
        "name: at most 200 characters": len(request.name) <= _LONGEST_NAME,
        "frequencySeconds: at least 60": request.frequency_seconds is None
        or request.frequency_seconds >= _SHORTEST_FREQUENCY,
        "timeoutSeconds: at least 1": request.timeout_seconds >= 1,
        "breakerShare: from 0 to 1": 0 <= request.breaker_share <= 1,
        "breakerLeast: at least 1": request.breaker_least >= 1,
    }
    if broken := [rule for rule, kept in rules.items() if not kept]:
        raise InvalidRequestError("; ".join(broken))


def _changed(
    host: Host, definition_id: str, request: SaveRequest, metadata: Mapping[str, Any], installation_id: str | None
) -> Any:
    """Return the installation that a save would change; None when it would make one.

    Raises:
        ConflictError: See ``_row``.
    """
    same_directory = _same_directory(definition_id, request.organisation, metadata.get(_INSTANCE), installation_id)
    with reading(host.database) as held:
        return _row(held, same_directory, installation_id)


def _scope(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may decide which records are synced: all that is neither a name nor a mark, nor empty."""
    return {key: value for key, value in user_input.items() if key not in _NO_SCOPE and value not in _EMPTY}


def _stored(host: Host, definition_id: str, request: SaveRequest, installation_id: str | None) -> _Stored:
    if installation_id is None:
        return _Stored(None, {})
    with reading(host.database) as held:
        row = held.execute(sa.select(installation).where(installation.c.id == installation_id)).one_or_none()
    if row is None:
        raise UnknownRecordError(f"there is no installation {installation_id!r}")
    if (row.organisation, row.definition_id) != (request.organisation, definition_id):
        raise ConflictError("an installation stays with its organisation and its integration")
    if row.credential is None:
        return _Stored(None, {})
    try:
        return _Stored(row.credential, host.vault.unseal(installation_id, row.credential))
    except (WrongKeyError, ForeignCredentialError) as error:
        # One that does not open is mended by a save that gives the whole credential.
        _log.warning("credential_unreadable", installation_id=installation_id, code=error.code)
        return _Stored(row.credential, {})


async def _metadata(integration: Integration) -> dict[str, Any]:
    try:
        metadata = msgspec.to_builtins(await integration.installation_metadata())
    except IntegrationError:
        raise
    except Exception as error:
        raise CollectionFailedError(f"the installation's metadata: {type(error).__name__}") from error
    if not isinstance(metadata, dict):
        raise CollectionFailedError("the installation's metadata is no object")
    return metadata


def _store(
    host: Host,
    definition: Definition,
    request: SaveRequest,
    found: _Found,
    stored: _Stored,
    installation_id: str | None,
) -> Installation:
    with transaction(host.database) as held:
        hold_organisation(held, request.organisation)
        host.vault.hold(held)
        same_directory = _same_directory(
            definition.spec.id, request.organisation, found.metadata.get(_INSTANCE), installation_id
        )
        row = _row(held, same_directory.with_for_update(key_share=True), installation_id)
        if row is not None and row.credential != stored.sealed:
            raise ConflictError("somebody else changed this installation meanwhile")
        row_id = row.id if row is not None else secrets.token_hex(8)
        if row is not None and row.status == InstallationStatus.DISABLED and keeps_mark(held, row):
            request = replace(request, user_input={**request.user_input, PRIMARY: True})
        values = _values(host, definition, request, found, row_id)
        if values["is_primary"]:
            resign_others(held, request.organisation, row_id, values["updated_at"])
        if row is None:
            new = {"id": row_id, "organisation": request.organisation, "definition_id": definition.spec.id}
            first = {"status": InstallationStatus.PENDING, "interval_seconds": FIRST_INTERVAL, "version": 1}
            held.execute(installation.insert().values(**new, **first, **values, created_at=values["updated_at"]))
        else:
            if not values["keep_filter_copy"]:
                delete_copies(held, row_id)
            if (
                stored.credential != found.credential
                or row.user_input != values["user_input"]
                or row.keep_filter_copy < values["keep_filter_copy"]
            ):
                values |= {"checkpoint": None, "checkpoint_number": None}
            values["version"] = row.version + 1
            values["status"] = status_by_history(held, row_id)
            held.execute(installation.update().where(installation.c.id == row_id).values(**values))
        return view_within(held, row_id)


def _same_directory(
    definition_id: str, organisation: str, instance: str | None, installation_id: str | None
) -> sa.Select[Any]:
    return sa.select(installation).where(
        installation.c.organisation == organisation,
        installation.c.definition_id == definition_id,
        installation.c.instance_id == (instance or installation_id or ""),
    )


def _row(held: sa.Connection, same_directory: sa.Select[Any], installation_id: str | None) -> Any:
    """Return the installation that a save changes; None when it makes one.

    Raises:
        ConflictError: The directory is connected already, or is another one than before.
    """
    there = held.execute(same_directory).one_or_none()
    if installation_id is None:
        if there is not None and there.status != InstallationStatus.DISABLED:
            raise ConflictError(f"this directory is connected already: change installation {there.id}")
        return there
    if there is None or there.id != installation_id:
        raise ConflictError("this is another directory than before: connect it as an installation of its own")
    return there


def _values(host: Host, definition: Definition, request: SaveRequest, found: _Found, row_id: str) -> dict[str, Any]:
    user_input = dict(request.user_input)
    shown = found.metadata.get(definition.connections[0].installation.external_name) if definition.connections else None
    now = host.now()
    return {
        "instance_id": found.metadata.get(_INSTANCE) or row_id,
        "name": request.name.strip() or user_input.get("name") or shown or definition.spec.display_name,
        "reason": sa.null(),
        "credential": host.vault.seal(row_id, found.credential),
        "user_input": user_input,
        "config": dict(request.config),
        "metadata": found.metadata,
        "health": found.health,
        "health_checked_at": found.checked_at,
        "is_primary": bool(user_input.get(PRIMARY)),
        "frequency_seconds": request.frequency_seconds,
        "timeout_seconds": request.timeout_seconds,
        "failures_in_a_row": 0,
        "next_run_at": now,
        "breaker_share": request.breaker_share,
        "breaker_least": request.breaker_least,
        "keep_filter_copy": request.keep_filter_copy,
        "filter_warnings": found.warnings,
        "updated_at": now,
    }
