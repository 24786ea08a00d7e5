"""What requests cost the modelled server, after the measured one: two workers, and so many seconds of one's time each.

A count (a list asked for one row) 0.07 s; a page of users 0.2 s and 4 ms a row; a page of groups 0.6 s, with users
1.6 s; anything else 0.05 s, but a single user or group as much as a count, which reads one row, too.
"""

from typing import Final

from openlane_authentik.testing import RequestInfo

WORKERS: Final = 2

_COUNT_SECONDS: Final = 0.07
_USERS_PAGE_SECONDS: Final = 0.2
_USER_SECONDS: Final = 0.004
_GROUPS_PAGE_SECONDS: Final = 0.6
_GROUPS_PAGE_WITH_USERS_SECONDS: Final = 1.6
_SMALL_SECONDS: Final = 0.05

_USERS: Final = "/core/users/"
_GROUPS: Final = "/core/groups/"


def is_count(request: RequestInfo) -> bool:
    """Whether it asks for the count of a list."""
    return request.path.endswith((_USERS, _GROUPS)) and _last(request, "page_size") == "1"


def is_look(request: RequestInfo) -> bool:
    """Whether it asks what the token may see."""
    return request.path.endswith(("/me/", "/rbac/permissions/"))


def modelled_seconds(request: RequestInfo) -> float:
    """Seconds of one worker's time."""
    if is_count(request):
        return _COUNT_SECONDS
    if request.path.endswith(_USERS):
        return _USERS_PAGE_SECONDS + _USER_SECONDS * request.rows
    if request.path.endswith(_GROUPS):
        lean = _last(request, "include_users") == "false"
        return _GROUPS_PAGE_SECONDS if lean else _GROUPS_PAGE_WITH_USERS_SECONDS
    if request.path.endswith("/me/"):
        return _SMALL_SECONDS
    return _COUNT_SECONDS if _USERS in request.path or _GROUPS in request.path else _SMALL_SECONDS


class ModelledCost:
    """The cost as a server takes it, to be switched off and on while it runs.

    Attributes:
        speed: How many times as fast as the model the server is; None for one that is idle and takes no time.
    """

    def __init__(self) -> None:
        self.speed: float | None = None

    def __call__(self, request: RequestInfo) -> float:
        """Seconds of one worker's time, as fast as the server is now."""
        return modelled_seconds(request) / self.speed if self.speed else 0.0


def _last(request: RequestInfo, name: str) -> str:
    return request.query.get(name, ("",))[-1].lower()
