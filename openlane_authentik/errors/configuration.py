"""Errors of what was set; nothing was sent."""

from dataclasses import dataclass

from openlane_authentik.errors.base import IntegrationError, Repeat
from openlane_authentik.remedies import remedy as told


class ConfigurationError(IntegrationError):
    """What was configured cannot work; no request was sent."""

    code = "configuration_invalid"
    repeat = Repeat.NEVER
    exit_code = 78
    remedy = "Correct the setting that the message names."


class SettingMissingError(ConfigurationError):
    """A required setting is not there."""

    code = "setting_missing"
    remedy = told("{give_credential}.")


class BaseUrlError(ConfigurationError):
    """The base URL cannot be the address of an authentik, or would send the token in the clear."""

    code = "base_url_invalid"
    remedy = told(
        "Give the address authentik is opened at in a browser, for example https://auth.example.com. To send the token "
        "unencrypted, on a network you trust, {allow_http}."
    )


class UserInputError(ConfigurationError):
    """The installation's settings have an unknown key or a value of the wrong type."""

    code = "user_input_invalid"
    remedy = "Correct what the message names: there is no such setting, or it takes no such value."


@dataclass(frozen=True, slots=True)
class FilterDiagnostic:
    """One thing to say about a filter expression, at a place.

    Attributes:
        line: From 1.
        column: From 1, in characters.
        message: What is wrong, and where it helps, what to write instead.
        code: Stable, for forms that key on it.
    """

    line: int
    column: int
    message: str
    code: str


class FilterError(ConfigurationError):
    """The filter expression is not one this package runs; ``diagnostics`` says where and why."""

    code = "filter_invalid"
    remedy = "Correct the filter expression at the marked place; it is CEL and must give true or false."

    def __init__(self, message: str, diagnostics: tuple[FilterDiagnostic, ...]) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


class CaFileError(ConfigurationError):
    """The file of extra certificate authorities cannot be read or holds no certificate."""

    code = "ca_file_invalid"
    remedy = told("{name_authorities}.")


class ProxySettingError(ConfigurationError):
    """A proxy variable of the environment cannot be used."""

    code = "proxy_invalid"
    remedy = told("{set_proxy} to the http:// or https:// address of a proxy, or unset it.")


class OutputError(ConfigurationError):
    """The output cannot be written."""

    code = "output_unwritable"
    remedy = "Choose a folder that exists, can be written to and has room."
