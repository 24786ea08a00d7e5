"""The forms that an integration's own JSON Schemas ask for: fields to show, and what was filled in.

Only flat schemas of texts, numbers, switches and choices become fields; anything else is a field of JSON. A secret is
never shown again, and an empty field keeps what is stored.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from openlane_authentik.host.errors import InvalidRequestError

_LONG_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: In the form that is sent.
        kind: ``text``, ``long``, ``secret``, ``number``, ``switch``, ``choice`` or ``json``.
        text: What stands in it; of a switch ``on`` when it is on.
        stored: Something is stored that is not shown: empty keeps it.
        removable: What is stored may be removed, by the field of this name with ``.remove`` after it.
        problem: What is wrong with what was filled in.
    """

    name: str
    label: str
    help: str
    kind: str
    text: str
    required: bool
    stored: bool = False
    removable: bool = False
    example: str = ""
    choices: tuple[str, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def fields(
    place: str,
    schema: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    typed: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    stored: Mapping[str, str] | None = None,
    but: frozenset[str] = frozenset(),
) -> list[Field]:
    """Return the fields of a schema.

    Args:
        place: Leads the names, for example ``userInput``.
        schema: The form.
        values: What is stored, for what is no secret.
        typed: What was sent a moment ago and could not be taken: it is shown again, but for secrets.
        problems: By name, what is wrong.
        stored: What is stored without being shown, with what may be said of it; None when nothing is.
        but: Keys to leave out.
    """
    shown = []
    for key, given in schema.get("properties", {}).items():
        if key in but:
            continue
        rules = _without_null(given)
        name, kind = f"{place}.{key}", _kind(rules)
        text = _as_text(values.get(key, rules.get("default")), kind)
        if typed is not None:
            text = typed.get(name, "")
        shown.append(
            Field(
                name=name,
                label=rules.get("title") or key,
                help=rules.get("description", ""),
                kind=kind,
                text="" if kind == "secret" else text,
                required=key in schema.get("required", ()) and stored is None,
                stored=stored is not None,
                removable=stored is not None and key not in schema.get("required", ()),
                example=str((stored or {}).get(key) or next(iter(rules.get("examples", ())), "")),
                choices=tuple(map(str, rules.get("enum", ()))),
                limits=_limits(rules),
                problem=(problems or {}).get(name, ""),
            )
        )
    return shown


def filled_in(
    place: str, schema: Mapping[str, Any], form: Mapping[str, str], *, but: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return what was filled in, as the schema's types; what was left empty is not there, and what to remove is None.

    Raises:
        InvalidRequestError: A number is none, or JSON is none; names the place.
    """
    found: dict[str, Any] = {}
    for key, given in schema.get("properties", {}).items():
        if key in but:
            continue
        rules = _without_null(given)
        name = f"{place}.{key}"
        text = form.get(name, "")
        kind = _kind(rules)
        if form.get(f"{name}.remove") == "on":
            found[key] = None
        elif kind == "switch":
            found[key] = text == "on"
        elif text.strip():
            found[key] = _read(name, kind, rules, text)
    return found


def by_place(message: str) -> dict[str, str]:
    """Return what a message says of each place: ``place: what; place: what``."""
    parts = (part.partition(": ") for part in message.split("; "))
    return {place: rule for place, _, rule in parts if rule and " " not in place}


def _read(name: str, kind: str, rules: Mapping[str, Any], text: str) -> Any:
    try:
        match kind:
            case "number":
                return int(text) if rules.get("type") == "integer" else float(text)
            case "json":
                return json.loads(text)
            case "choice":
                return next((choice for choice in rules["enum"] if str(choice) == text), text)
    except (ValueError, RecursionError):
        raise InvalidRequestError(f"{name}: is no {'number' if kind == 'number' else 'JSON'}") from None
    return text


def _kind(rules: Mapping[str, Any]) -> str:
    if rules.get("writeOnly") or rules.get("format") == "password":
        return "secret"
    if "enum" in rules:
        return "choice"
    match rules.get("type"):
        case "boolean":
            return "switch"
        case "integer" | "number":
            return "number"
        case "string":
            return "long" if rules.get("maxLength", 0) > _LONG_TEXT else "text"
    return "json"


def _without_null(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one choice of ``anyOf`` that is not null, with what stands beside it."""
    choices = [choice for choice in rules.get("anyOf", ()) if choice.get("type") != "null"]
    beside = {key: value for key, value in rules.items() if key != "anyOf"}
    return {**choices[0], **beside} if len(choices) == 1 else dict(rules)


def _limits(rules: Mapping[str, Any]) -> dict[str, Any]:
    named = {"minimum": "min", "maximum": "max", "maxLength": "maxlength"}
    limits = {named[rule]: rules[rule] for rule in named if rule in rules}
    return limits | {"step": 1 if rules.get("type") == "integer" else "any"}


def _as_text(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "switch":
        return "on" if value else ""
    if kind == "number":
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return value if isinstance(value, str) else json.dumps(value)
