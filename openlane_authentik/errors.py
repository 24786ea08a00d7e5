"""Every error this package raises, each with a stable code, a recovery and what to do next.

    IntegrationError
    ├── ConfigurationError           78  what was set cannot work; nothing was sent
    │   ├── SettingMissingError          setting_missing
    │   ├── BaseUrlError                 base_url_invalid
    │   ├── UserInputError               user_input_invalid
    │   ├── CaFileError                  ca_file_invalid
    │   ├── ProxySettingError            proxy_invalid
    │   ├── FilterError                  filter_invalid
    │   └── OutputError                  output_unwritable
    ├── EndpointError                78  something answers, but not the authentik that is meant
    │   ├── TlsError                     tls_failed
    │   ├── RedirectError                redirected
    │   ├── NotAuthentikError            not_authentik
    │   ├── ProxyLoginError              proxy_login
    │   ├── NotFoundError                not_found
    │   ├── ReleaseTooOldError           release_too_old
    │   ├── ParameterRefusedError        parameter_refused
    │   └── UnexpectedAnswerError        unexpected_answer
    ├── CredentialError              77  the token is not let in, or not far enough
    │   ├── TokenMissingError            token_missing
    │   ├── TokenRejectedError           token_rejected
    │   └── PermissionDeniedError        no_permission_users, no_permission_groups
    └── TryAgainError                75  may pass by itself
        ├── DnsError                     dns_failed
        ├── ConnectionFailedError        connection_failed
        ├── RequestTimeoutError          request_timeout
        ├── RateLimitedError             rate_limited
        ├── ServerFailedError            server_failed
        ├── ServerUnavailableError       server_unavailable
        ├── InvalidPageError             page_gone
        ├── BrokenAnswerError            broken_answer
        ├── AnswerTooLargeError          answer_too_large
        └── DeadlineError                deadline_exceeded

The number is the exit code of the command line (those of BSD's ``sysexits.h``). Codes are a public interface: forms,
dashboards and scripts key on them. A message names what was seen, the remedy says what to do, in the words of the
library (``remedies.retold`` rewords it for another surface) and for any release of authentik (``labels.narrowed`` picks
the labels of one). Neither ever carries a token or a person's data.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import ClassVar

from openlane_authentik.labels import NEW_SERVICE_ACCOUNT, how_to_grant
from openlane_authentik.remedies import remedy as told


class Recovery(StrEnum):
    """What makes a failed run work again: a person (``reconfigure``) or time (``retry``)."""

    RECONFIGURE = "reconfigure"
    RETRY = "retry"


class Repeat(Enum):
    """Whether the same request is sent again after an error, within a run."""

    NEVER = auto()
    ONCE = auto()
    OFTEN = auto()


class IntegrationError(Exception):
    """The root: a sentence on what was seen, plus code, recovery, exit code and remedy.

    Attributes:
        repeat: Whether the same request is sent again within a run: never; once, in case it was a single odd answer; or
            often, since it may pass.
    """

    code: ClassVar[str] = "integration_error"
    repeat: ClassVar[Repeat] = Repeat.ONCE
    recovery: ClassVar[Recovery] = Recovery.RECONFIGURE
    exit_code: ClassVar[int] = 70
    remedy: ClassVar[str] = "Report this with the log of the run."


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
    remedy = "Give the address authentik is opened at in a browser, for example https://auth.example.com."


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


class EndpointError(IntegrationError):
    """Something answers at the base URL, but not the authentik that is meant."""

    code = "endpoint_wrong"
    exit_code = 78
    remedy = "Check the base URL."


class TlsError(EndpointError):
    """The server's certificate is not trusted, has expired or is for another name."""

    code = "tls_failed"
    remedy = told(
        "If authentik uses a certificate of a private authority, {trust_authority}; otherwise renew the certificate or "
        "use the host name it was issued for."
    )


class RedirectError(EndpointError):
    """The server redirects; the token is never sent along to another address."""

    code = "redirected"
    remedy = "Set the base URL to the address it redirects to, if that is your authentik."


class NotAuthentikError(EndpointError):
    """What answers is no authentik API: HTML, another JSON, or a wrong path."""

    code = "not_authentik"
    remedy = (
        "Check the base URL: it is the address of authentik itself, with its path if it has one (for example "
        "https://example.com/auth), and no login page or other application may stand in front of /api/v3/."
    )


class ProxyLoginError(EndpointError):
    """A proxy in front of authentik asks for a login of its own (401); authentik itself never answers 401."""

    code = "proxy_login"
    remedy = "Let the path /api/v3/ pass through the proxy in front of authentik without a login."


class NotFoundError(EndpointError):
    """The one user or group asked for does not exist, or may not be seen."""

    code = "not_found"
    repeat = Repeat.NEVER
    remedy = "It was probably deleted a moment ago; the next run will know."


class ReleaseTooOldError(EndpointError):
    """The authentik release lacks what a directory sync needs."""

    code = "release_too_old"
    remedy = "Upgrade authentik to 2023.10 or later."


class ParameterRefusedError(EndpointError):
    """Authentik refuses the value of a parameter (400).

    Attributes:
        refused: The parameters whose values it refused.
    """

    code = "parameter_refused"
    remedy = "Check whether the package supports this release of authentik, and report it with the log of the run."

    def __init__(self, message: str, refused: frozenset[str]) -> None:
        super().__init__(message)
        self.refused = refused


class UnexpectedAnswerError(EndpointError):
    """A status that no authentik gives to a request of this package."""

    code = "unexpected_answer"
    remedy = "Check for a proxy or firewall in front of authentik, and its log for this request."


class CredentialError(IntegrationError):
    """The token is not let in, or not far enough."""

    code = "credential_refused"
    exit_code = 77
    remedy = "Check the token in authentik under Directory > Tokens and App passwords."


class TokenMissingError(CredentialError):
    """The request reached authentik without a usable Authorization header."""

    code = "token_missing"
    remedy = (
        "Give the API token of a service account, made in authentik under Directory > Users by "
        f"{NEW_SERVICE_ACCOUNT.both}; if one is set, a proxy in front of authentik removes the Authorization header, "
        "and must let it pass."
    )


class TokenRejectedError(CredentialError):
    """Authentik refused the token; it does not say which of four reasons it is."""

    code = "token_rejected"
    remedy = (
        "In authentik under Directory > Tokens and App passwords check that the token (1) was copied whole, "
        "(2) has not expired - the default life is 30 minutes -, (3) has the intent API Token, not App password, "
        "and (4) belongs to an account that is active."
    )


class PermissionDeniedError(CredentialError):
    """The token's account may not list users or groups."""

    code = "no_permission"
    remedy = how_to_grant("the global permissions 'Can view User' and 'Can view Group'")


class NoPermissionUsersError(PermissionDeniedError):
    """The token's account may not list users."""

    code = "no_permission_users"
    remedy = how_to_grant("the global permission 'Can view User' (authentik_core.view_user)")


class NoPermissionGroupsError(PermissionDeniedError):
    """The token's account may not list groups."""

    code = "no_permission_groups"
    remedy = told(
        how_to_grant("the global permission 'Can view Group' (authentik_core.view_group)")
        + " To sync accounts without groups, {groups_off}."
    )


class TryAgainError(IntegrationError):
    """May pass by itself; the next run may well succeed.

    Attributes:
        retry_after: Seconds the server asked to wait, if it did.
    """

    code = "try_again"
    recovery = Recovery.RETRY
    exit_code = 75
    remedy = "Try again later."
    repeat = Repeat.OFTEN

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DnsError(TryAgainError):
    """The host name of the base URL does not resolve."""

    code = "dns_failed"
    remedy = told("Check the host name in the base URL, and that the DNS of {this_machine} knows it.")


class ConnectionFailedError(TryAgainError):
    """No connection, or one that broke before an answer came."""

    code = "connection_failed"
    remedy = "Check that authentik runs, that the port is right, and firewalls and proxies on the way."


class RequestTimeoutError(TryAgainError):
    """Authentik did not answer in time."""

    code = "request_timeout"
    remedy = "Check the load of authentik's server and database."


class RateLimitedError(TryAgainError):
    """Authentik, or a proxy in front of it, asks for fewer requests (429)."""

    code = "rate_limited"
    remedy = "Wait, and raise the rate limit of the proxy in front of authentik for this client."


class ServerFailedError(TryAgainError):
    """Authentik failed on this very request (500), as it most likely would again."""

    code = "server_failed"
    remedy = "Look at the log of authentik's server for this time."
    repeat = Repeat.ONCE


class ServerUnavailableError(TryAgainError):
    """Authentik, or a proxy in front of it, is not ready to answer (502, 503, 504)."""

    code = "server_unavailable"
    remedy = "Look whether authentik's server is up, and at the log of the proxy in front of it for this time."


class InvalidPageError(TryAgainError):
    """A page that was announced is gone: the list became shorter while it was read."""

    code = "page_gone"
    remedy = "The directory changes faster than it can be read; try again at a quieter time."
    repeat = Repeat.NEVER


class BrokenAnswerError(TryAgainError):
    """The answer ended early or is no valid JSON."""

    code = "broken_answer"
    remedy = "Check the proxy in front of authentik for size and time limits on answers."


class AnswerTooLargeError(TryAgainError):
    """One page is larger than this client is ready to hold."""

    code = "answer_too_large"
    remedy = "Look in authentik for users or groups with very large attributes."
    repeat = Repeat.ONCE


class DeadlineError(TryAgainError):
    """The run did not end within its time limit."""

    code = "deadline_exceeded"
    remedy = told("{raise_time_limit}, or find out why authentik is slow.")
    repeat = Repeat.NEVER
