"""A request as the endpoints see it."""

from dataclasses import dataclass, field
from typing import Final

from openlane_authentik.testing.reading import Parameters

API: Final = "/api/v3/"
USERS: Final = f"{API}core/users/"
GROUPS: Final = f"{API}core/groups/"


@dataclass(frozen=True, slots=True)
class Call:
    """A request below the base path, decoded."""

    path: str
    parameters: Parameters
    authorization: str | None
    headers: dict[str, str] = field(default_factory=dict)
