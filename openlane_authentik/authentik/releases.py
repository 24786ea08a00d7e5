"""What each authentik release can do, as far as a directory sync depends on it.

The first release that has a feature was found by reading the OpenAPI schema of sampled releases.
"""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final


@total_ordering
@dataclass(frozen=True, slots=True)
class Release:
    """A release of authentik; patch levels change no API and are left out of comparisons.

    Attributes:
        year, month: Of ``2025.12.4``: 2025 and 12.
        text: As the server gave it.
    """

    year: int
    month: int
    text: str

    @classmethod
    def parse(cls, text: str) -> "Release | None":
        """Read ``2025.12.4``, ``2025.12.0-rc1`` and the like; anything else is None."""
        match = re.match(r"(\d{4})\.(\d{1,2})(?:\D|$)", text)
        return cls(int(match[1]), int(match[2]), text) if match else None

    def __lt__(self, other: "Release") -> bool:
        return (self.year, self.month) < (other.year, other.month)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Release) and (self.year, self.month) == (other.year, other.month)

    def __hash__(self) -> int:
        return hash((self.year, self.month))

    @property
    def has_date_filters(self) -> bool:
        """Whether users can be filtered by ``date_joined`` and ``last_updated``."""
        return self >= DATE_FILTERS

    @property
    def has_login_filter(self) -> bool:
        """Whether users can be filtered by ``last_login``."""
        return self >= LOGIN_FILTER

    @property
    def names_own_roles(self) -> bool:
        """Whether ``core/users/me/`` names the roles of the token's account."""
        return self >= OWN_ROLES


# Before it, a token without permission gets 200 and an empty list, which no client can tell from an empty directory.
OLDEST_SUPPORTED: Final = Release(2023, 10, "2023.10")
DATE_FILTERS: Final = Release(2025, 8, "2025.8")
OWN_ROLES: Final = Release(2025, 12, "2025.12")
LOGIN_FILTER: Final = Release(2026, 2, "2026.2")
