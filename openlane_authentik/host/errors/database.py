"""What is wrong with the database."""

from openlane_authentik.errors import Recovery
from openlane_authentik.host.errors.base import HostError
from openlane_authentik.remedies import remedy as told


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
