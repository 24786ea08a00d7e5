"""Pages from templates: every value is shown as text, whatever it holds."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from openlane_authentik.clock import Clock

_LONGEST: Final = 160
_STEPS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"))
# The contract's word for what people know by another.
_CALLED: Final = {"secondary_key": "username"}
NOTICES: Final = {
    "connected": "Connected. The first sync has been asked for.",
    "saved": "Saved. The health check has passed, and a sync has been asked for.",
    "asked": "A sync has been asked for. A worker takes it on within seconds.",
    "checked": "The health was checked just now.",
    "disconnected": "Disconnected. The stored credential was deleted, and the history kept.",
    "confirmed": "Confirmed. The next run that proves the list again carries it out.",
    "dismissed": "Dismissed. Nothing was ended.",
}


class Renderer:
    """Renders templates of this package.

    Args:
        clock: For how long ago something was.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=PackageLoader("openlane_authentik.host.web"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "moment": moment,
            "ago": self.ago,
            "value": value,
            "percent": percent,
            "span": span,
            "words": words,
            "number": "{:,}".format,
        }

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """Return a page."""
        return self._environment.get_template(template).render(context)

    def ago(self, text: str) -> Markup:
        """Return a moment as how far it is from now, the moment itself as the tip."""
        there = datetime.fromisoformat(text)
        away = there - self._clock.now()
        told = _roughly(abs(away))
        if told is None:
            shown = "just now" if away <= timedelta() else "in a moment"
        else:
            shown = f"{told} ago" if away < timedelta() else f"in {told}"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(text, _written(there), shown)


def moment(text: str) -> Markup:
    """Return a moment for people."""
    return Markup('<time datetime="{}">{}</time>').format(text, _written(datetime.fromisoformat(text)))


def value(anything: Any) -> str:
    """Return a value of a record as short text."""
    if anything is None or anything == "":
        return "–"  # noqa: RUF001 - a dash, for people
    if isinstance(anything, bool):
        return "yes" if anything else "no"
    text = anything if isinstance(anything, str) else json.dumps(anything, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def percent(share: float) -> str:
    """Return a share for people."""
    return f"{share * 100:g} %"


def span(seconds: float) -> str:
    """Return a duration for people."""
    return _roughly(timedelta(seconds=seconds)) or f"{seconds:g} seconds"


def words(name: str) -> str:
    """Return a name of a programme as words: ``outOfScope`` and ``out_of_scope`` become "out of scope"."""
    name = _CALLED.get(name, name)
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip()


def _written(there: datetime) -> str:
    return f"{there.day} {there:%b %Y, %H:%M} UTC"


def _roughly(away: timedelta) -> str | None:
    # What is half a minute short of an hour is an hour.
    whole = round(away.total_seconds()) + _STEPS[-1][0] // 2
    for seconds, unit in _STEPS:
        many = whole // seconds
        if many:
            return f"{many} {unit}{'s' if many > 1 else ''}"
    return None
