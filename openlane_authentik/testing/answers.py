"""What goes back over the wire: bodies, headers, and the exact refusals of authentik."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

import msgspec

JSON: Final = "application/json; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"

READ_ONLY: Final = "GET, HEAD, OPTIONS"
READ_WRITE: Final = "GET, POST, HEAD, OPTIONS"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response; ``rows`` is how many records it lists, for models of what it costs."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    allow: str = READ_ONLY
    rows: int = 0
    extra: dict[str, str] = field(default_factory=dict)

    def headers(self, told_date: datetime | None, request_number: int, locale: str) -> list[tuple[str, str]]:
        """The headers authentik sends; no ``Date`` when none is told."""
        date = {} if told_date is None else {"date": format_datetime(told_date.astimezone(UTC), usegmt=True)}
        headers = {
            **date,
            "server": "authentik",
            "content-type": self.content_type,
            "allow": self.allow,
            "x-frame-options": "DENY",
            "content-length": str(len(self.body)),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "x-authentik-id": f"{request_number:032x}",
            "vary": "Accept-Language, Cookie",
            "content-language": locale,
        }
        return list((headers | self.extra).items())


def json_answer(value: Any, status: int = 200, allow: str = READ_ONLY) -> Answer:
    """A value as JSON."""
    return Answer(status, msgspec.json.encode(value), allow=allow)


def refusal(status: int, detail: str, allow: str = READ_ONLY) -> Answer:
    """A refusal in the shape all of authentik's JSON refusals have."""
    return json_answer({"detail": detail}, status, allow)


def html_answer(status: int, title: str) -> Answer:
    """A page for people, where a program expected JSON."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Answer(status, page.encode(), HTML)


def not_found() -> Answer:
    """The page for an address authentik has no route for."""
    return html_answer(404, "Not Found - authentik")
