"""What an installation is configured with: the credential, the user input and each operation's options.

The models are also the forms: a host shows their JSON Schema and sends back what was filled in. JSON keys are a public
interface and keep the host's spelling (camelCase).
"""

import difflib
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from openlane_authentik.authorities import read_authorities
from openlane_authentik.base_url import normalise_base_url
from openlane_authentik.errors import SettingMissingError, TokenMissingError, UserInputError

FILTER_MAX_CHARACTERS: Final = 4096
CERTIFICATES_MAX_CHARACTERS: Final = 65536

Model = TypeVar("Model", bound=BaseModel)

_FORM = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True, strict=True)


class AuthentikCredential(BaseModel):
    """The secret half of an installation: where authentik is, the token to read it with, and whom to trust."""

    model_config = _FORM | ConfigDict(title="CredentialSchema")

    base_url: str = Field(
        alias="baseUrl",
        title="Base URL",
        description="The address authentik is opened at in a browser, with its path if it has one.",
        examples=["https://auth.example.com"],
    )
    token: SecretStr = Field(
        title="API Token",
        description="An API token of a service account that may view users and groups.",
    )
    ca_certificates: str = Field(
        default="",
        alias="caCertificates",
        title="Certificate Authorities",
        description="Certificates to trust besides the public authorities, in PEM format.",
        max_length=CERTIFICATES_MAX_CHARACTERS,
    )
    allow_http: bool = Field(
        default=False,
        alias="allowHttp",
        title="Allow HTTP",
        description="Send the token unencrypted, on a network you trust.",
    )


class UserInput(BaseModel):
    """The settings of an installation that are no secret."""

    model_config = _FORM | ConfigDict(title="UserInput")

    name: str | None = Field(
        default=None, title="Name", description="What this installation is called in lists.", max_length=200
    )
    primary_directory: bool = Field(
        default=False,
        alias="primaryDirectory",
        title="Primary Directory",
        description="Mark this as the authoritative source of the organisation's people.",
    )
    disable_group_sync: bool = Field(
        default=False,
        alias="disableGroupSync",
        title="Disable Group Sync",
        description="Sync accounts only, no groups and no memberships.",
    )
    filter_expr: str = Field(
        default="",
        alias="filterExpr",
        title="Filter Expression",
        description="A CEL expression that a record must satisfy to be synced; empty keeps every record.",
        examples=["!has(payload.type) || payload.type == 'internal'"],
        max_length=FILTER_MAX_CHARACTERS,
    )


class HealthCheckConfig(BaseModel):
    """The options of a health check: none."""

    model_config = _FORM | ConfigDict(title="HealthCheck")


class DirectorySyncConfig(BaseModel):
    """The options of a directory sync; the defaults suit an authentik of any size."""

    model_config = _FORM | ConfigDict(title="DirectorySync")

    page_size: int = Field(
        default=100,
        alias="pageSize",
        title="Page Size",
        description="Records asked for at a time; authentik clamps it to its own maximum (100 unless raised).",
        ge=1,
        le=1000,
    )
    concurrency: int = Field(
        default=4,
        title="Concurrency",
        description="Requests under way at a time; more than 4 gained nothing on the servers measured.",
        ge=1,
        le=16,
    )
    timeout_seconds: float = Field(
        default=3600.0,
        alias="timeoutSeconds",
        title="Timeout",
        description="Seconds after which a run ends, proving nothing.",
        gt=0,
    )
    full_sync_interval_seconds: float = Field(
        default=86400.0,
        alias="fullSyncIntervalSeconds",
        title="Full Sync Interval",
        description="Seconds after which a sync reads everybody again, though a checkpoint would do.",
        ge=0,
    )


def parse_credential(raw: Mapping[str, Any], *, allow_http: bool = False) -> AuthentikCredential:
    """Read a credential, its base URL normalised and its token free of the white space that pasting adds.

    Args:
        raw: The filled-in form.
        allow_http: Allow HTTP whatever the form says.

    Raises:
        SettingMissingError: ``baseUrl`` or ``token`` is not there or empty.
        BaseUrlError: See ``normalise_base_url``.
        UserInputError: An unknown key, or a value that is no text.
        TokenMissingError: The token holds characters no HTTP header can carry.
        CaFileError: ``caCertificates`` holds no certificate, or one that cannot be read.
    """
    present = {key: value for key, value in raw.items() if value not in (None, "")}
    if missing := [key for key in ("baseUrl", "token") if key not in present]:
        raise SettingMissingError(f"the credential has no {' and no '.join(missing)}")
    credential = _validate(AuthentikCredential, present)
    token = credential.token.get_secret_value().strip()
    if not (token.isascii() and token.isprintable() and " " not in token and token):
        raise TokenMissingError("the token is empty or has characters in it that no token has")
    base_url = normalise_base_url(credential.base_url, allow_http=allow_http or credential.allow_http)
    if credential.ca_certificates:
        read_authorities(credential.ca_certificates)
    return credential.model_copy(update={"base_url": base_url, "token": SecretStr(token)})


def parse_user_input(raw: Mapping[str, Any]) -> UserInput:
    """Read the user input; an unknown key is an error that names it.

    Raises:
        UserInputError: An unknown key or a value of another type.
    """
    return _validate(UserInput, raw)


def parse_directory_sync_config(raw: Mapping[str, Any]) -> DirectorySyncConfig:
    """Read the options of a directory sync.

    Raises:
        UserInputError: An unknown key or a value out of its range.
    """
    return _validate(DirectorySyncConfig, raw)


def _validate(model: type[Model], raw: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        # Only places and rules are told: the values may be secrets.
        known = [field.alias or name for name, field in model.model_fields.items()]
        problems = "; ".join(_problem(detail, known) for detail in error.errors(include_input=False))
        raise UserInputError(problems) from None


def _problem(detail: Any, known: list[str]) -> str:
    key = ".".join(map(str, detail["loc"]))
    if detail["type"] != "extra_forbidden":
        return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown key {key!r}{hint}"
