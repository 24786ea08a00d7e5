"""The filled-in forms of an installation, held against the definition's JSON Schemas.

A secret is shown to nobody, so that a form comes back without it: an empty field keeps what is stored.
"""

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from openlane_authentik.host.contract import Definition
from openlane_authentik.host.errors import InvalidRequestError

_EMPTY: Final = (None, "")


def fill_in(definition: Definition, given: Mapping[str, Any] | None, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the credential that is meant: what was filled in, and for empty fields what is stored.

    Null removes what is stored of a field that need not be filled in, and is as good as empty in any other.

    Raises:
        InvalidRequestError: The whole is not what the form asks for; or a stored secret would go to another address
            than the one it was given for.
    """
    schema = credential_schema(definition)
    filled = {key: value for key, value in (given or {}).items() if value not in _EMPTY}
    removed = {key for key, value in (given or {}).items() if value is None} - set(schema.get("required", ()))
    kept = {key: value for key, value in stored.items() if key not in filled.keys() | removed}
    forms = schema.get("properties", {})
    secret = {key for key, field in forms.items() if _is_secret(field)}
    before = {key: field.get("default") for key, field in forms.items()} | dict(stored)
    moved = [key for key, value in filled.items() if key not in secret and value != before.get(key)]
    if stored and moved and (asked := sorted(secret & kept.keys())):
        raise InvalidRequestError(
            f"credential.{asked[0]}: fill it in again, as {moved[0]} is another one: what is stored is not sent there"
        )
    credential = {**kept, **filled}
    check_form("credential", schema, credential)
    return credential


def credential_schema(definition: Definition) -> dict[str, Any]:
    """Return the form of the credential; one without fields for an integration that needs none."""
    registrations = definition.credential_registrations
    return registrations[0].schema if registrations else {"type": "object", "maxProperties": 0}


def check_form(name: str, schema: Mapping[str, Any], filled: Mapping[str, Any]) -> None:
    """Check that a form is filled in as its schema says.

    Raises:
        InvalidRequestError: It is not; tells places and rules, never a value.
    """
    errors = Draft202012Validator(schema).iter_errors(dict(filled))
    if problems := sorted(_problem(name, error) for error in errors):
        raise InvalidRequestError("; ".join(problems))


def _problem(name: str, error: ValidationError) -> str:
    place = ".".join([name, *map(str, error.absolute_path)])
    filled: Any = error.instance
    wanted: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "required":
            missing = sorted(set(wanted) - set(filled))
            return f"{place}: {', '.join(missing)} missing"
        case "additionalProperties":
            unknown = sorted(set(filled) - set(schema.get("properties", {})))
            return f"{place}: unknown key {', '.join(map(repr, unknown))}"
        case "type" | "minLength" | "maxLength" | "minimum" | "maximum" | "format" | "pattern" | "enum" as rule:
            return f"{place}: breaks the rule {rule} {wanted}"
    return f"{place}: breaks the rule {error.validator}"


def _is_secret(field: Mapping[str, Any]) -> bool:
    return bool(field.get("writeOnly")) or field.get("format") == "password"
