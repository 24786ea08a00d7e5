"""What the log keeps of a request, and what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass

from openlane_authentik.testing.reading import Parameters


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request as the log keeps it: never a header's value.

    Attributes:
        number: 1 for the first request.
        method: The HTTP method.
        path: The path as sent, base path and all.
        query: The decoded query, every value of every name.
        header_names: The names of the headers, in lower case.
        authorized: Whether a token was sent that the server took.
        rows: How many records the answer lists.
        status: The status of the answer, before any fault.
        size: The bytes of its body.
    """

    number: int
    method: str
    path: str
    query: Parameters
    header_names: frozenset[str]
    authorized: bool = False
    rows: int = 0
    status: int = 0
    size: int = 0


Cost = Callable[[RequestInfo], float]
"""The seconds of a worker's time that a request takes."""
