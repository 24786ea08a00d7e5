"""Remedies in the words of the host's commands; what the host stores is in those of its pages."""

from typing import Any

import msgspec

from openlane_authentik.remedies import Surface, retold
from openlane_authentik.terminal import print_json


def own_words(remedy: str) -> str:
    """Return a remedy as these commands tell it."""
    return retold(remedy, Surface.HOST_COMMAND)


def print_told(value: Any) -> None:
    """Print a value as JSON, each ``remedy`` in it as these commands tell it."""
    print_json(_told(msgspec.json.decode(msgspec.json.encode(value))))


def _told(data: Any) -> Any:
    match data:
        case dict():
            return {
                key: own_words(value) if key == "remedy" and isinstance(value, str) else _told(value)
                for key, value in data.items()
            }
        case list():
            return [_told(value) for value in data]
    return data
