"""What was asked of authentik, as far as the meaning of an answer depends on it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

Params = Mapping[str, str | int]

# An object of one of the two lists that are asked for single objects; `me` is no object but the token's account.
_DETAIL = re.compile(r"(core/(?:users|groups)/)(?!me/)[^/]+/")


@dataclass(frozen=True, slots=True)
class Request:
    """One GET.

    Attributes:
        path: Below ``/api/v3/``, with its trailing slash.
        params: The query.
    """

    path: str
    params: Params

    @property
    def is_detail(self) -> bool:
        """Whether it asks for one user or one group, which may be gone."""
        return _DETAIL.fullmatch(self.path) is not None

    @property
    def is_later_page(self) -> bool:
        """Whether it asks for a page after the first of a list, which may be gone."""
        return not self.is_detail and int(self.params.get("page", 1)) > 1

    @property
    def collection(self) -> str:
        """The list that it asks for, whole or one object of it, or its own path: what one permission opens."""
        detail = _DETAIL.fullmatch(self.path)
        return detail[1] if detail else self.path
