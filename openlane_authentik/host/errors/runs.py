"""Why a run came to no end."""

from openlane_authentik.errors import Recovery
from openlane_authentik.host.errors.base import HostError


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
