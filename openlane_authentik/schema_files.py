"""Write ``schemas/``: JSON Schema 2020-12 of everything a host exchanges with this package.

``python -m openlane_authentik.schema_files FOLDER``
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import TypeAdapter

from openlane_authentik.described import describe_fields
from openlane_authentik.emit.envelope import Envelope, HeldBack, LeftOut, PayloadSetClosing, SyncRun
from openlane_authentik.operations.health_report import HealthReport
from openlane_authentik.records.account import DirectoryAccount
from openlane_authentik.records.group import DirectoryGroup
from openlane_authentik.records.membership import DirectoryMembership
from openlane_authentik.settings import AuthentikCredential, DirectorySyncConfig, HealthCheckConfig, UserInput

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_MODELS: Final = {
    "credential": AuthentikCredential,
    "user-input": UserInput,
    "health-check.config": HealthCheckConfig,
    "directory-sync.config": DirectorySyncConfig,
    "directory-account": DirectoryAccount,
    "directory-group": DirectoryGroup,
    "directory-membership": DirectoryMembership,
}
_LINES: Final = {
    "health-check.result": HealthReport,
    "directory-sync.result": SyncRun,
    "envelope": Envelope,
    "left-out": LeftOut,
    "held-back": HeldBack,
    "payload-set-closing": PayloadSetClosing,
}
_PAYLOAD_SET: Final = {
    "title": "PayloadSet",
    "description": "One kind of record, in the shape a host ingests; an output is an array of these.",
    "type": "object",
    "properties": {
        "schema": {"enum": ["DirectoryAccount", "DirectoryGroup", "DirectoryMembership"]},
        "envelopes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "variant": {"type": "string"},
                    "resource": {"type": "string"},
                    "action": {"type": "string"},
                    "payload": {"type": "object"},
                },
                "required": ["resource", "payload"],
                "additionalProperties": False,
            },
        },
        "snapshotComplete": {
            "description": "These are proven to be all records in scope; only then may removals be inferred.",
            "type": "boolean",
        },
    },
    "required": ["schema", "envelopes", "snapshotComplete"],
    "additionalProperties": False,
}


def schema_files() -> dict[str, bytes]:
    """Return every schema by its file name."""
    return {f"{name}.schema.json": _encode(name, schema) for name, schema in _schemas()}


def _schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, model in _MODELS.items():
        yield name, TypeAdapter(model).json_schema()
    for name, line in _LINES.items():
        schema = msgspec.json.schema(line)
        yield name, {**schema, "$defs": {key: describe_fields(part) for key, part in schema["$defs"].items()}}
    yield "payload-set", _PAYLOAD_SET


def _encode(name: str, schema: dict[str, Any]) -> bytes:
    whole = {"$schema": DIALECT, "$id": f"urn:openlane-authentik:{name}", **schema}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


def main(folder: Path) -> None:
    """Write every schema into a folder, and remove those that are no more."""
    files = schema_files()
    for stale in set(folder.glob("*.schema.json")) - {folder / name for name in files}:
        stale.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
