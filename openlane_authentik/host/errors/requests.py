"""What cannot be done as it was asked for."""

from typing import Any, ClassVar

from openlane_authentik.errors import Recovery
from openlane_authentik.host.errors.base import HostError
from openlane_authentik.remedies import remedy as told


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


class UnconfirmedScopeError(RequestError):
    """A save would take more out of the directory than a run may remove unasked, so nothing was stored.

    Attributes:
        records: How many records that are.
    """

    code = "scope_unconfirmed"
    status = 409
    remedy = told("Correct the filter or the switch. If this is what you want, {confirm_scope}.")

    def __init__(self, message: str, records: int) -> None:
        super().__init__(message)
        self.records = records


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
