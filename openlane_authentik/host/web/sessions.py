"""A browser's session: a signed cookie after a login with the API token, and a token in each form.

A session is valid on every process that has the API token, for half a day, or until that token is changed or somebody
signs out. Only those that were ended so are stored, for as long as a copy of their cookie would else be let in.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from openlane_authentik.clock import rfc3339
from openlane_authentik.host.database.connections import insert, reading, transaction
from openlane_authentik.host.database.tables import ended_session
from openlane_authentik.host.errors import CrossSiteError
from openlane_authentik.host.host import Host

COOKIE: Final = "openlane_host_session"
FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
_SECONDS: Final = 12 * 3600
_PARTS: Final = 3


class Sessions:
    """Signs and reads sessions.

    Args:
        api_token: What they are signed by.
        host: Whose clock they end by, and whose database knows which of them were ended before.
    """

    def __init__(self, api_token: str, host: Host) -> None:
        self._key = hashlib.sha256(b"openlane-host session key\0" + api_token.encode()).digest()
        self._host = host

    def begin(self, response: Response, *, secure: bool) -> None:
        """Return the browser a session; ``secure`` keeps it from ever being sent in the clear."""
        what = f"{secrets.token_urlsafe(24)}.{int(self._host.clock.now().timestamp()) + _SECONDS}"
        response.set_cookie(
            COOKIE,
            f"{what}.{self._sign('session', what)}",
            max_age=_SECONDS,
            httponly=True,
            samesite="lax",
            secure=secure,
        )

    def end(self, session: str, response: Response) -> None:
        """End a session, of which a copy of the cookie may be left, and take it from the browser.

        Raises:
            DatabaseError: It could not be noted, so that the session goes on.
        """
        now = self._host.clock.now()
        with transaction(self._host.database) as held:
            held.execute(sa.delete(ended_session).where(ended_session.c.forget_at <= rfc3339(now)))
            forget_at = rfc3339(now + timedelta(seconds=_SECONDS))
            held.execute(insert(held, ended_session).values(id=session, forget_at=forget_at).on_conflict_do_nothing())
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def read(self, request: Request) -> str | None:
        """Return the id of the request's session; None when it has none, or one that has ended.

        Raises:
            DatabaseError: It cannot be known whether it was ended.
        """
        parts = request.cookies.get(COOKIE, "").split(".")
        if len(parts) != _PARTS:
            return None
        session, ends, signature = parts
        if not self._is_signed("session", f"{session}.{ends}", signature):
            return None
        if int(ends) <= self._host.clock.now().timestamp() or self._was_ended(session):
            return None
        return session

    def form_token(self, session: str) -> str:
        """Return what the forms of a session carry, which nobody else can know."""
        return self._sign("form", session)

    def check_form(self, session: str, form: Mapping[str, str]) -> None:
        """Check that a form is one that was shown to this session.

        Raises:
            CrossSiteError: It is not.
        """
        if not self._is_signed("form", session, form.get(FORM_TOKEN, "")):
            raise CrossSiteError("the form was not shown to this session, or the session has ended since")

    def _was_ended(self, session: str) -> bool:
        with reading(self._host.database) as held:
            return held.scalar(sa.select(ended_session.c.id).where(ended_session.c.id == session)) is not None

    def _sign(self, purpose: str, what: str) -> str:
        return hmac.new(self._key, f"{purpose}\0{what}".encode(), hashlib.sha256).hexdigest()

    def _is_signed(self, purpose: str, what: str, signature: str) -> bool:
        return hmac.compare_digest(self._sign(purpose, what).encode(), signature.encode(errors="replace"))


def check_same_site(request: Request) -> None:
    """Check that no other site's page sent a form: browsers say so themselves.

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
