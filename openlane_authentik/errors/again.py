"""Errors that may pass by themselves."""

from openlane_authentik.errors.base import IntegrationError, Recovery, Repeat
from openlane_authentik.remedies import remedy as told


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
