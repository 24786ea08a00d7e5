"""The form of an installation: to connect one, and to change one. What cannot be saved is shown again, with why."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from openlane_authentik.errors import IntegrationError
from openlane_authentik.host.contract import DIRECTORY_SYNC, Definition
from openlane_authentik.host.errors import InvalidRequestError, UnhealthyError
from openlane_authentik.host.installations import Installation, InstallationStatus, get_installation, save
from openlane_authentik.host.installations.forms import credential_schema
from openlane_authentik.host.web.forms import Field, by_place, fields, filled_in
from openlane_authentik.host.web.problems import problem_of, status_of
from openlane_authentik.host.web.requests import shaped
from openlane_authentik.host.web.shapes import SaveBody
from openlane_authentik.host.web.views import Page, View

# Asked for once, at the head of the form.
_NAME: Final[frozenset[str]] = frozenset({"name"})
_KEEP_COPY: Final = "keepFilterCopy"
_MINUTE: Final = 60
_DEFAULTS: Final = SaveBody(organisation="-")


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a form is about: an integration, and the installation that is changed, if there is one yet."""

    definition: Definition
    installation: Installation | None

    @property
    def has_credential(self) -> bool:
        return self.installation is not None and self.installation.credential_stored

    def options(self) -> Mapping[str, Any]:
        """Return the schema of the sync's options, if the integration's card tells any."""
        card = json.loads(self.definition.to_json())
        schemas = (op.get("configSchema") for op in card.get("operations", ()) if op.get("name") == DIRECTORY_SYNC)
        return next(schemas, None) or {}


def _choose(view: View) -> Response:
    definitions = view.host.providers.all()
    wanted = view.request.query_params.get("definition")
    if wanted is None and len(definitions) != 1:
        return view.render("choose.html", definitions=definitions)
    return _form(view, _Shown(view.host.providers.get(wanted or definitions[0].spec.id), None))


async def _connect(view: View) -> Response:
    definition = view.host.providers.get(view.request.query_params.get("definition", ""))
    return await _save(view, _Shown(definition, None))


def _change(view: View) -> Response:
    return _form(view, _found(view))


async def _changed(view: View) -> Response:
    return await _save(view, await run_in_threadpool(_found, view))


def _found(view: View) -> _Shown:
    installation = get_installation(view.host, view.path["installationId"])
    return _Shown(view.host.providers.get(installation.definition_id), installation)


async def _save(view: View, shown: _Shown) -> Response:
    installation_id = shown.installation.id if shown.installation is not None else None
    try:
        body = _body(view.form, shown)
        saved = await save(view.host, shown.definition.spec.id, body.request(), installation_id)
    except IntegrationError as error:
        return await run_in_threadpool(_form, view, shown, error)
    view.site.wake()
    return view.redirect(f"/installations/{saved.id}", "saved" if installation_id else "connected")


def _body(form: Mapping[str, str], shown: _Shown) -> SaveBody:
    definition, there = shown.definition, shown.installation
    user_input = definition.user_input.schema
    # What the form does not show stays as it is.
    shown_keys = user_input.get("properties", {}).keys() - _NAME
    kept = {key: value for key, value in (there.user_input if there else {}).items() if key not in shown_keys}
    asked = {
        "organisation": there.organisation if there else form.get("organisation", "").strip(),
        "name": form.get("name", "").strip(),
        # A switch of the credential that is off keeps what is stored, as any field does that is left empty.
        "credential": {
            key: value
            for key, value in filled_in("credential", credential_schema(definition), form).items()
            if value is not False
        },
        "userInput": kept | filled_in("userInput", user_input, form, but=_NAME),
        "config": filled_in("config", shown.options(), form),
        "schedule": {
            "frequencySeconds": _seconds(form, "schedule.frequency"),
            "timeoutSeconds": _seconds(form, "schedule.timeout") or _DEFAULTS.schedule.timeout_seconds,
        },
        "breaker": {
            "share": _number(form, "breaker.share", _DEFAULTS.breaker.share * 100) / 100,
            "least": int(_number(form, "breaker.least", _DEFAULTS.breaker.least)),
        },
        "keepFilterCopy": form.get(_KEEP_COPY) == "on",
        "confirm": int(_number(form, "confirm", 0)),
    }
    return shaped(asked, SaveBody)


def _seconds(form: Mapping[str, str], name: str) -> int | None:
    return round(_number(form, name, 0) * _MINUTE) if form.get(name, "").strip() else None


def _number(form: Mapping[str, str], name: str, otherwise: float) -> float:
    text = form.get(name, "").strip()
    try:
        number = float(text) if text else float(otherwise)
        round(number)
    except (ValueError, OverflowError):
        raise InvalidRequestError(f"{name}: is no number") from None
    return number


def _form(view: View, shown: _Shown, error: IntegrationError | None = None) -> Response:
    definition, there = shown.definition, shown.installation
    typed = dict(view.form) if error is not None else None
    problems = by_place(str(error)) if isinstance(error, InvalidRequestError) else {}
    stored = {key: str(value) for key, value in there.metadata.items()} if there and shown.has_credential else None

    def drawn(place: str, schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[Field]:
        kept = stored if place == "credential" else None
        but = _NAME if place == "userInput" else frozenset()
        return fields(place, schema, values, typed=typed, problems=problems, stored=kept, but=but)

    credential = drawn("credential", credential_schema(definition), {})
    settings = drawn("userInput", definition.user_input.schema, there.user_input if there else {})
    options = drawn("config", shown.options(), there.config if there else {})
    return view.render(
        "settings.html",
        200 if error is None else status_of(error),
        definition=definition,
        installation=there,
        reconnects=there is not None and there.status is InstallationStatus.DISABLED,
        problem=problem_of(error) if error is not None else None,
        checks=error.report["checks"] if isinstance(error, UnhealthyError) else [],
        placed=any(field.problem for field in (*credential, *settings, *options)),
        credential=credential,
        settings=settings,
        options=options,
        general=typed if typed is not None else _general(there),
        keep_filter_copy=_keep_copy(there, typed),
    )


def _keep_copy(there: Installation | None, typed: Mapping[str, str] | None) -> Field:
    """Return the switch of the copy that filters are previewed on."""
    kept = there.keep_filter_copy if there else _DEFAULTS.keep_filter_copy
    told = "Count what a filter would drop without reading the directory. The copy holds people out of scope too."
    text = ("on" if kept else "") if typed is None else typed.get(_KEEP_COPY, "")
    return Field(_KEEP_COPY, "Keep a sealed copy", told, "switch", text, required=False)


def _general(there: Installation | None) -> dict[str, str]:
    """Return what stands in the fields that every integration has."""
    schedule, breaker = _DEFAULTS.schedule, _DEFAULTS.breaker
    frequency = there.frequency_seconds if there else schedule.frequency_seconds
    timeout = there.timeout_seconds if there else schedule.timeout_seconds
    share = there.breaker_share if there else breaker.share
    return {
        "organisation": there.organisation if there else "",
        "name": there.name if there else "",
        "schedule.frequency": f"{frequency / _MINUTE:.10g}" if frequency else "",
        "schedule.timeout": f"{timeout / _MINUTE:.10g}",
        "breaker.share": f"{share * 100:.10g}",
        "breaker.least": str(there.breaker_least if there else breaker.least),
    }


PAGES: Final = (
    Page("GET", "/installations/new", _choose),
    Page("POST", "/installations/new", _connect),
    Page("GET", "/installations/{installationId}/settings", _change),
    Page("POST", "/installations/{installationId}/settings", _changed),
)
