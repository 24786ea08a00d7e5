"""The integrations that are installed beside the host, found by their entry points."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Final

from openlane_authentik.host.contract import ENTRY_POINTS, Definition
from openlane_authentik.host.errors import UnknownProviderError
from openlane_authentik.log import get_logger

_NEEDED: Final = (
    "spec",
    "credential_registrations",
    "user_input",
    "connections",
    "to_json",
    "build",
    "parse_user_input",
    "parse_config",
)


class Providers:
    """The definitions by their ids.

    Args:
        definitions: By id.
        broken: By the name of the entry point, why it was left out.
    """

    def __init__(self, definitions: Mapping[str, Definition], broken: Mapping[str, str] | None = None) -> None:
        self._definitions = dict(sorted(definitions.items()))
        self.broken = dict(broken or {})

    @classmethod
    def load(cls) -> "Providers":
        """Load every integration that is installed; one that cannot be loaded does not stop the others."""
        definitions: dict[str, Definition] = {}
        broken: dict[str, str] = {}
        for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.name, point.value)):
            try:
                definition = _as_definition(point.load(), definitions)
                definitions[definition.spec.id] = definition
            except Exception as error:  # noqa: BLE001 - whatever a foreign package raises when it is imported
                broken[point.name] = f"{type(error).__name__}: {error}"
                get_logger().error("provider_broken", entry_point=point.name, error=broken[point.name])
        return cls(definitions, broken)

    def all(self) -> list[Definition]:
        """Return every definition, by id."""
        return list(self._definitions.values())

    def get(self, definition_id: str) -> Definition:
        """Return a definition.

        Raises:
            UnknownProviderError: None of this id is installed.
        """
        if definition_id not in self._definitions:
            raise UnknownProviderError(f"no integration with the id {definition_id!r} is installed")
        return self._definitions[definition_id]


def _as_definition(loaded: Any, others: Mapping[str, Definition]) -> Definition:
    if missing := [name for name in _NEEDED if not hasattr(loaded, name)]:
        raise TypeError(f"what the entry point names is no definition: it has no {missing[0]}")
    definition: Definition = loaded
    if others.get(definition.spec.id, definition) is not definition:
        raise ValueError(f"another integration has the id {definition.spec.id}")
    return definition
