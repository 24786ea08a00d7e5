"""Find out by further requests why authentik refuses one (403).

The message of a refusal is translated by the brand's locale, so it is not used. How the same token is answered
elsewhere tells the reasons apart (measured on 2025.12, 2026.2 and 2026.5): ``core/users/me/`` lets in every valid
token, ``core/brands/current/`` lets in everything but a bad token, even a request without one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from openlane_authentik.authentik.request import Request
from openlane_authentik.errors import (
    CredentialError,
    NoPermissionGroupsError,
    NoPermissionUsersError,
    PermissionDeniedError,
    TokenMissingError,
    TokenRejectedError,
)

ME: Final = "core/users/me/"
BRAND: Final = "core/brands/current/"


class Refusals:
    """The refusals of one run; what was found out once is not asked for again.

    Args:
        lets_in: Asks for a path; false when that is refused, too. Any other failure is raised.
    """

    def __init__(self, lets_in: Callable[[str], Awaitable[bool]]) -> None:
        self._lets_in = lets_in
        self._denied: set[str] = set()
        self._token_error: CredentialError | None = None
        # Requests under way at the same time are refused at the same time; one of them asks.
        self._asking = asyncio.Lock()

    def is_known(self, request: Request) -> bool:
        """Whether the reason for refusing such a request is known already."""
        return self._token_error is not None or request.collection in self._denied

    async def reason(self, request: Request) -> CredentialError:
        """Return the error that the refusal of a request stands for.

        Raises:
            IntegrationError: A request that was to find out failed in another way.
        """
        async with self._asking:
            if not self.is_known(request):
                await self._find_out(request)
        if self._token_error is not None:
            return type(self._token_error)(str(self._token_error))
        return _denied(request)

    async def _find_out(self, request: Request) -> None:
        if request.path != ME and await self._lets_in(ME):
            self._denied.add(request.collection)
        elif request.path != BRAND and await self._lets_in(BRAND):
            self._token_error = TokenMissingError("authentik saw no usable Authorization header")
        else:
            self._token_error = TokenRejectedError(
                "authentik refused the token: it is wrong, expired, of another intent, or its account is inactive"
            )


def _denied(request: Request) -> PermissionDeniedError:
    if request.collection == "core/users/":
        return NoPermissionUsersError("the token's account may not view users")
    if request.collection == "core/groups/":
        return NoPermissionGroupsError("the token's account may not view groups")
    return PermissionDeniedError(f"the token's account may not read {request.path}")
