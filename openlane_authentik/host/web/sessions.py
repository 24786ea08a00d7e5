"""A browser's session: a signed cookie after a login with the API token, and a token in each form.

Nothing of it is stored: a session is valid on every process that has the API token, for half a day, or until that
token is changed.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from openlane_authentik.clock import Clock
from openlane_authentik.host.errors import CrossSiteError

COOKIE: Final = "openlane_host_session"
FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
_SECONDS: Final = 12 * 3600
_PARTS: Final = 3


class Sessions:
    """Signs and reads sessions.

    Args:
        api_token: What they are signed by.
        clock: What they end by.
    """

    def __init__(self, api_token: str, clock: Clock) -> None:
        self._key = hashlib.sha256(b"openlane-host session key\0" + api_token.encode()).digest()
        self._clock = clock

    def begin(self, response: Response, *, secure: bool) -> None:
        """Give the browser a session; ``secure`` keeps it from ever being sent in the clear."""
        what = f"{secrets.token_urlsafe(24)}.{int(self._clock.now().timestamp()) + _SECONDS}"
        response.set_cookie(
            COOKIE,
            f"{what}.{self._sign('session', what)}",
            max_age=_SECONDS,
            httponly=True,
            samesite="lax",
            secure=secure,
        )

    def end(self, response: Response) -> None:
        """Take the session from the browser."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def read(self, request: Request) -> str | None:
        """Give the id of the request's session; None when it has none, or one that has ended."""
        parts = request.cookies.get(COOKIE, "").split(".")
        if len(parts) != _PARTS:
            return None
        session, ends, signature = parts
        if not self._is_signed("session", f"{session}.{ends}", signature):
            return None
        return session if int(ends) > self._clock.now().timestamp() else None

    def form_token(self, session: str) -> str:
        """Give what the forms of a session carry, which nobody else can know."""
        return self._sign("form", session)

    def check_form(self, session: str, form: Mapping[str, str]) -> None:
        """See that a form is one that was shown to this session.

        Raises:
            CrossSiteError: It is not.
        """
        if not self._is_signed("form", session, form.get(FORM_TOKEN, "")):
            raise CrossSiteError("the form was not shown to this session, or the session has ended since")

    def _sign(self, purpose: str, what: str) -> str:
        return hmac.new(self._key, f"{purpose}\0{what}".encode(), hashlib.sha256).hexdigest()

    def _is_signed(self, purpose: str, what: str, signature: str) -> bool:
        return hmac.compare_digest(self._sign(purpose, what).encode(), signature.encode(errors="replace"))


def check_same_site(request: Request) -> None:
    """See that no other site's page sent a form: browsers say so themselves.

    Raises:
        CrossSiteError: Another site did.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        raise CrossSiteError("another site sent this form")
    # Older browsers, and plain http, where the header above is not sent. The scheme may be a proxy's.
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise CrossSiteError("another site sent this form")
