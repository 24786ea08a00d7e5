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

from openlane_authentik.errors.again import (
    AnswerTooLargeError,
    BrokenAnswerError,
    ConnectionFailedError,
    DeadlineError,
    DnsError,
    InvalidPageError,
    RateLimitedError,
    RequestTimeoutError,
    ServerFailedError,
    ServerUnavailableError,
    TryAgainError,
)
from openlane_authentik.errors.base import (
    IntegrationError,
    Recovery,
    Repeat,
)
from openlane_authentik.errors.configuration import (
    BaseUrlError,
    CaFileError,
    ConfigurationError,
    FilterDiagnostic,
    FilterError,
    OutputError,
    ProxySettingError,
    SettingMissingError,
    UserInputError,
)
from openlane_authentik.errors.refused import (
    CredentialError,
    EndpointError,
    NoPermissionGroupsError,
    NoPermissionUsersError,
    NotAuthentikError,
    NotFoundError,
    ParameterRefusedError,
    PermissionDeniedError,
    ProxyLoginError,
    RedirectError,
    ReleaseTooOldError,
    TlsError,
    TokenMissingError,
    TokenRejectedError,
    UnexpectedAnswerError,
)

__all__ = [
    "AnswerTooLargeError",
    "BaseUrlError",
    "BrokenAnswerError",
    "CaFileError",
    "ConfigurationError",
    "ConnectionFailedError",
    "CredentialError",
    "DeadlineError",
    "DnsError",
    "EndpointError",
    "FilterDiagnostic",
    "FilterError",
    "IntegrationError",
    "InvalidPageError",
    "NoPermissionGroupsError",
    "NoPermissionUsersError",
    "NotAuthentikError",
    "NotFoundError",
    "OutputError",
    "ParameterRefusedError",
    "PermissionDeniedError",
    "ProxyLoginError",
    "ProxySettingError",
    "RateLimitedError",
    "Recovery",
    "RedirectError",
    "ReleaseTooOldError",
    "Repeat",
    "RequestTimeoutError",
    "ServerFailedError",
    "ServerUnavailableError",
    "SettingMissingError",
    "TlsError",
    "TokenMissingError",
    "TokenRejectedError",
    "TryAgainError",
    "UnexpectedAnswerError",
    "UserInputError",
]
