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

from typing import Any, ClassVar

from openlane_authentik.errors import IntegrationError, Recovery
from openlane_authentik.remedies import remedy as told


class HostError(IntegrationError):
    """The root of what goes wrong in the host itself."""

    code = "host_failed"


class HostSettingError(HostError):
    """A setting of the host itself cannot be used."""

    code = "host_setting_invalid"
    exit_code = 78
    remedy = "Correct the setting that the message names; see 'The host' in README.md."


class HostNotInstalledError(HostError):
    """What the host needs beside the plugin is not installed."""

    code = "host_not_installed"
    exit_code = 78
    remedy = "pip install 'openlane-authentik[host]'"


class DatabaseError(HostError):
    """The database cannot be used as it is."""

    code = "database_failed"
    recovery = Recovery.RETRY
    exit_code = 75
    remedy = "Look at the disk and its folder; the system's log may tell more."


class DatabaseUnreachableError(DatabaseError):
    """No connection to the database."""

    code = "database_unreachable"
    remedy = told("Check that the database runs, and {database_address}.")


class DiskFullError(DatabaseError):
    """A disk that the database writes to is full; what it could not write was not done at all."""

    code = "disk_full"
    remedy = "Free some space there; what failed is tried again by itself."


class DatabaseForbiddenError(DatabaseError):
    """This user may not write the database."""

    code = "database_forbidden"
    exit_code = 78
    remedy = "Run the host as the user to whom the data folder and the database belong, or give them to this one."


class DatabaseDamagedError(DatabaseError):
    """What is stored cannot be read."""

    code = "database_damaged"
    exit_code = 78
    remedy = told("{restore_database}.")


class DatabaseMissingError(DatabaseError):
    """The database is gone, and a new one is not begun beside what is left of it."""

    code = "database_missing"
    exit_code = 78
    remedy = told("{restore_database}. {begin_anew}.")


class DatabaseReplacedError(DatabaseError):
    """The database's file is another one than at the start."""

    code = "database_replaced"
    exit_code = 78
    remedy = told("{restart}.")


class ForeignDatabaseError(DatabaseError):
    """The database is another program's; nothing was changed."""

    code = "database_foreign"
    exit_code = 78
    remedy = told("Check {database_address}, and give this host a database of its own.")


class SchemaError(DatabaseError):
    """The tables are of another version of this package."""

    code = "database_schema"
    exit_code = 78
    remedy = told("{migrate}.")


class VaultError(HostError):
    """A credential cannot be opened."""

    code = "vault_failed"
    exit_code = 78
    remedy = "Give the key that the credentials were sealed with."


class KeyMissingError(VaultError):
    """There are sealed credentials, and no key."""

    code = "key_missing"
    # The host's own trouble, which must not stop installations for good.
    recovery = Recovery.RETRY
    remedy = told("{restore_key}.")


class WrongKeyError(VaultError):
    """The key is not the one that this database was sealed with; nothing was changed."""

    code = "key_wrong"
    # As above: this worker may be the only one with an old key.
    recovery = Recovery.RETRY
    remedy = told("{restore_key}; without it every installation must be saved anew with its token.")


class ForeignCredentialError(VaultError):
    """A credential was sealed for another installation."""

    code = "credential_foreign"
    remedy = "Save this installation anew with its own token, and find out who copied the row."


class RequestError(HostError):
    """What was asked for cannot be done as asked.

    Attributes:
        status: Of the HTTP answer.
    """

    code = "request_failed"
    exit_code = 78
    status: ClassVar[int] = 400
    remedy = "Correct what the message names."


class UnknownProviderError(RequestError):
    """No definition of this id is installed."""

    code = "provider_unknown"
    status = 404
    remedy = "Install the package that offers it, or take the id of one that is installed."


class UnknownRecordError(RequestError):
    """There is none of this id."""

    code = "not_found"
    status = 404
    remedy = "Take an id from the list."


class UnauthorisedError(RequestError):
    """The request does not carry the API token."""

    code = "unauthorised"
    status = 401
    remedy = (
        "Send the API token as 'Authorization: Bearer ...'. It is in the file api-token of the host's data folder, "
        "unless the host was started with another."
    )


class TooManyTriesError(RequestError):
    """The API token was given wrongly too often from this address.

    Attributes:
        seconds: After which another try is let through.
    """

    code = "too_many_tries"
    status = 429
    recovery = Recovery.RETRY
    remedy = (
        "Wait as long as the message says. From another address, and in a session that is open, all works meanwhile."
    )

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class TooManyExportsError(RequestError):
    """As many exports are being read as the host has database connections to spare."""

    code = "too_many_exports"
    status = 429
    recovery = Recovery.RETRY
    remedy = "Try again when another export has been read to its end."


class MisdirectedError(RequestError):
    """The request was sent to a name that is not one of this host's."""

    code = "host_unknown"
    status = 421
    remedy = told("{allow_host}.")


class CrossSiteError(RequestError):
    """A form was sent that this host did not show to this session."""

    code = "cross_site"
    status = 403
    remedy = "Open the page again in this browser, and send its form."


class TooLargeError(RequestError):
    """The request's body is larger than any that is meant."""

    code = "request_too_large"
    status = 413


class ConflictError(RequestError):
    """It contradicts what is stored."""

    code = "conflict"
    status = 409
    remedy = "Look at the installation as it is now, and decide again."


class InvalidRequestError(RequestError):
    """The request is not of the shape that the OpenAPI document tells."""

    code = "request_invalid"
    status = 422


class UnhealthyError(RequestError):
    """The health check failed, so nothing was stored.

    Attributes:
        report: Of the check, as JSON data: ``status``, ``exitCode`` and ``checks``.
    """

    code = "health_check_failed"
    status = 422
    remedy = "Do what the failed checks say, and save again."

    def __init__(self, message: str, report: dict[str, Any]) -> None:
        super().__init__(message)
        self.report = report
        self.exit_code = int(report["exitCode"])  # type: ignore[misc]


class HostBusyError(HostError):
    """A host runs on this SQLite database already."""

    code = "host_running"
    recovery = Recovery.RETRY
    exit_code = 75
    remedy = "Stop the other one, or use PostgreSQL for more than one process."


class RunLostError(HostError):
    """The run was taken over or closed meanwhile; what this worker collected was thrown away."""

    code = "run_lost"
    recovery = Recovery.RETRY
    exit_code = 75
    remedy = "Nothing: the history tells who took it over."


class RunInterruptedError(HostError):
    """Whoever started the run stopped it; what was collected was thrown away."""

    code = "run_interrupted"
    recovery = Recovery.RETRY
    exit_code = 75
    remedy = "Start it again, or wait for the next one."


class UnconfirmedRefusalError(HostError):
    """A run was refused, and a health check right after it was not."""

    code = "refusal_unconfirmed"
    recovery = Recovery.RETRY
    exit_code = 75
    remedy = "Nothing, if the next run passes. If not, it says what to do."


class DisconnectedError(HostError):
    """The installation was disconnected."""

    code = "disconnected"
    exit_code = 78
    remedy = "Save it with a credential to connect it again."


class CollectionFailedError(HostError):
    """The integration failed in a way it does not know itself."""

    code = "collection_failed"
    recovery = Recovery.RETRY
    exit_code = 75
    remedy = "Look at the log of this run; the next one tries again."
