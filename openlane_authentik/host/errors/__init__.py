"""Every error the host raises; they share the integrations' root, so that a caller reads one kind of error.

    IntegrationError (openlane_authentik.errors)
    └── HostError
        ├── HostSettingError             78  host_setting_invalid
        ├── HostNotInstalledError        78  host_not_installed
        ├── DatabaseError
        │   ├── DatabaseUnreachableError 75  database_unreachable
        │   ├── DiskFullError            75  disk_full
        │   ├── DatabaseForbiddenError   78  database_forbidden
        │   ├── DatabaseDamagedError     78  database_damaged
        │   ├── DatabaseMissingError     78  database_missing
        │   ├── DatabaseReplacedError    78  database_replaced
        │   ├── ForeignDatabaseError     78  database_foreign
        │   └── SchemaError              78  database_schema
        ├── VaultError                   78  the key does not open what was sealed
        │   ├── KeyMissingError              key_missing
        │   ├── WrongKeyError                key_wrong
        │   └── ForeignCredentialError       credential_foreign
        ├── RequestError                 78  what was asked for cannot be done
        │   ├── UnknownProviderError         provider_unknown
        │   ├── UnknownRecordError           not_found
        │   ├── UnauthorisedError            unauthorised
        │   ├── TooManyTriesError            too_many_tries
        │   ├── TooManyExportsError          too_many_exports
        │   ├── MisdirectedError             host_unknown
        │   ├── CrossSiteError               cross_site
        │   ├── TooLargeError                request_too_large
        │   ├── ConflictError                conflict
        │   ├── UnconfirmedScopeError        scope_unconfirmed
        │   └── InvalidRequestError          request_invalid
        ├── UnhealthyError               its report's  health_check_failed
        ├── HostBusyError                75  host_running
        ├── RunLostError                 75  run_lost
        ├── RunInterruptedError          75  run_interrupted
        ├── UnconfirmedRefusalError      75  refusal_unconfirmed
        ├── DisconnectedError            78  disconnected
        └── CollectionFailedError        75  collection_failed

The number is the exit code of the command line.
"""

from openlane_authentik.host.errors.base import (
    HostBusyError,
    HostError,
    HostNotInstalledError,
    HostSettingError,
)
from openlane_authentik.host.errors.database import (
    DatabaseDamagedError,
    DatabaseError,
    DatabaseForbiddenError,
    DatabaseMissingError,
    DatabaseReplacedError,
    DatabaseUnreachableError,
    DiskFullError,
    ForeignDatabaseError,
    SchemaError,
)
from openlane_authentik.host.errors.requests import (
    ConflictError,
    CrossSiteError,
    InvalidRequestError,
    MisdirectedError,
    RequestError,
    TooLargeError,
    TooManyExportsError,
    TooManyTriesError,
    UnauthorisedError,
    UnconfirmedScopeError,
    UnhealthyError,
    UnknownProviderError,
    UnknownRecordError,
)
from openlane_authentik.host.errors.runs import (
    CollectionFailedError,
    DisconnectedError,
    RunInterruptedError,
    RunLostError,
    UnconfirmedRefusalError,
)
from openlane_authentik.host.errors.vault import (
    ForeignCredentialError,
    KeyMissingError,
    VaultError,
    WrongKeyError,
)

__all__ = [
    "CollectionFailedError",
    "ConflictError",
    "CrossSiteError",
    "DatabaseDamagedError",
    "DatabaseError",
    "DatabaseForbiddenError",
    "DatabaseMissingError",
    "DatabaseReplacedError",
    "DatabaseUnreachableError",
    "DisconnectedError",
    "DiskFullError",
    "ForeignCredentialError",
    "ForeignDatabaseError",
    "HostBusyError",
    "HostError",
    "HostNotInstalledError",
    "HostSettingError",
    "InvalidRequestError",
    "KeyMissingError",
    "MisdirectedError",
    "RequestError",
    "RunInterruptedError",
    "RunLostError",
    "SchemaError",
    "TooLargeError",
    "TooManyExportsError",
    "TooManyTriesError",
    "UnauthorisedError",
    "UnconfirmedRefusalError",
    "UnconfirmedScopeError",
    "UnhealthyError",
    "UnknownProviderError",
    "UnknownRecordError",
    "VaultError",
    "WrongKeyError",
]
