"""Writes the reference from the code each time the site is built: a hook of MkDocs, see ``mkdocs.yml``.

Nothing of it is kept in the repository, so that it cannot be behind the code.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

import openlane_authentik
from openlane_authentik.cli.app import app
from openlane_authentik.described import split_docstring
from openlane_authentik.directory.completeness import EXPLANATIONS
from openlane_authentik.errors import IntegrationError
from openlane_authentik.host import errors as _host_errors  # noqa: F401 - so that all classes of errors are there
from openlane_authentik.host.configuration import PREFIX, HostSettings
from openlane_authentik.host.web.app import OPERATIONS
from openlane_authentik.host.web.openapi import document
from openlane_authentik.operations.health_report import FINDINGS
from openlane_authentik.remedies import Surface, retold
from openlane_authentik.schema_files import schema_files

_COMMAND: Final = "openlane-authentik"
_PACKAGE: Final = Path(openlane_authentik.__file__).parent
_LEVELS: Final = ("debug", "info", "warning", "error")
_NO_DEFAULT: Final = object()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that are in the folder."""
    for uri, text in pages().items():
        files.append(File.generated(config, uri, content=text))
    return files


def pages() -> dict[str, str]:
    """Return every page by its place under ``docs/``."""
    return {
        "reference/commands.md": commands(),
        "reference/settings.md": settings(),
        "reference/codes.md": codes(),
        "reference/schemas.md": schemas(),
        "reference/api.md": api(),
        "reference/log.md": log(),
    }


def commands() -> str:
    """Return every command with its options, as ``--help`` tells them."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name=_COMMAND)
    # The page has one title, and the command with all the others below is a part like them.
    return "# Commands\n\n" + re.sub(r"^# ", "## ", text, flags=re.MULTILINE)


def settings() -> str:
    """Return what a host, an installation and a run can be told."""
    _, told = split_docstring(HostSettings.__doc__ or "")
    rows = [
        (f"`{PREFIX}{name.upper()}`", _default(_host_default(name)), told.get(name, ""))
        for name in HostSettings.model_fields
    ]
    parts = [
        "# Settings",
        (
            "## Of the host\n\nEach is a variable of the environment, or a key of the TOML file that "
            f"`{PREFIX}CONFIG` names, without `{PREFIX}` and in small letters."
        ),
        _table(("Setting", "Default", "Meaning"), rows),
    ]
    schemas_by_file = {name: json.loads(text) for name, text in schema_files().items()}
    for title, name in (
        ("Of an installation: the credential", "credential"),
        ("Of an installation: the user input", "user-input"),
        ("Of a directory sync", "directory-sync.config"),
        ("Of a health check", "health-check.config"),
    ):
        schema = schemas_by_file[f"{name}.schema.json"]
        parts += [f"## {title}", str(schema.get("description", "")), _fields(schema, schema.get("$defs", {}))]
    return _page(parts)


def codes() -> str:
    """Return every stable code: of errors, of sets that are not proven, and of findings of the health check."""
    rows = [
        (
            f"`{error.code}`",
            str(error.exit_code),
            error.recovery.value,
            split_docstring(error.__doc__ or "")[0].partition("\n\n")[0],
            retold(error.remedy, Surface.COMMAND),
        )
        for error in sorted(_below(IntegrationError), key=lambda error: error.code)
    ]
    return _page(
        [
            "# Codes and remedies",
            "Codes are stable: monitoring may rely on them. Remedies are worded here as a command tells them.",
            "## Of errors",
            "`retry` passes by itself, and the schedule tries again; `reconfigure` needs a person.",
            _table(("Code", "Exit code", "Recovery", "What it means", "What to do"), rows),
            "## Of a set that is not proven complete",
            _table(
                ("Reason", "What it means, and what to do"),
                [(f"`{reason}`", text) for reason, text in EXPLANATIONS.items()],
            ),
            "## Of the health check",
            "Beside these a finding may carry the code of an error above.",
            _table(
                ("Finding", "What to do"),
                [
                    (f"`{code}`", retold(text, Surface.COMMAND).format(permissions="the permissions that are missing"))
                    for code, text in FINDINGS.items()
                ],
            ),
        ]
    )


def schemas() -> str:
    """Return the fields of every JSON Schema in ``schemas/``."""
    parts = ["# Schemas", "JSON Schema 2020-12, in `schemas/` of the repository."]
    for file, text in schema_files().items():
        schema = json.loads(text)
        defs = schema.get("$defs", {})
        if "$ref" in schema:
            schema = defs[schema["$ref"].rpartition("/")[2]]
        about = str(schema.get("description", "")).partition("\n")[0]
        parts += [f"## {file}", about, _fields(schema, defs)]
    return _page(parts)


def api() -> str:
    """Return every operation of the host's API."""
    described = document(OPERATIONS)
    components = described["components"]["schemas"]
    parts = [
        "# API of the host",
        described["info"]["description"],
        (
            "The host serves this as OpenAPI 3.1 at `/openapi.json`. Every operation but that and `/healthz` needs the "
            "header `Authorization: Bearer` with the API token."
        ),
    ]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            parts += [f"## {method.upper()} {path}", operation.get("summary", "")]
            asked = [
                (f"`{one['name']}`", one["in"], _type(one.get("schema", {}), components), one.get("description", ""))
                for one in operation.get("parameters", [])
            ]
            if asked:
                parts.append(_table(("Parameter", "In", "Type", "Meaning"), asked))
            for kind, told in _contents(operation.get("requestBody", {})):
                parts.append(f"Body ({kind}): {_type(told, components)}")
            answers = [
                (
                    status,
                    str(answer.get("description", "")),
                    ", ".join(_type(told, components) for _, told in _contents(answer)),
                )
                for status, answer in operation["responses"].items()
            ]
            parts.append(_table(("Status", "Meaning", "Answer"), answers))
    parts.append("# Shapes")
    for name, shape in components.items():
        parts += [f"## {name}", str(shape.get("description", "")).partition("\n")[0], _fields(shape, components)]
    return _page(parts)


def log() -> str:
    """Return every event that is logged, with the names of what is told with it."""
    events: dict[tuple[str, str], set[str]] = {}
    for call in _calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in _LEVELS and _is_log(call.func.value):
            event = _text(call)
            if event is not None:
                keys = {word.arg for word in call.keywords if word.arg is not None} - {"exc_info"}
                events.setdefault((event, call.func.attr), set()).update(keys)
    rows = [
        (event, level, ", ".join(f"`{key}`" for key in sorted(keys))) for (event, level), keys in sorted(events.items())
    ]
    return _page(
        [
            "# Events of the log",
            "One JSON object a line, on standard error; on a terminal the same in words. `--quiet` leaves out `info`.",
            _table(("Event", "Level", "Told with it"), rows),
        ]
    )


def _calls() -> Iterator[ast.Call]:
    for file in sorted(_PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield node


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id.strip("_") == "log"


def _text(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _below(error: type[IntegrationError]) -> set[type[IntegrationError]]:
    return {error}.union(*(_below(one) for one in error.__subclasses__()))


def _host_default(name: str) -> Any:
    field = HostSettings.model_fields[name]
    return _NO_DEFAULT if field.default_factory is not None else field.default


def _default(value: Any) -> str:
    return "" if value is _NO_DEFAULT or value is None or value == "" else f"`{json.dumps(value).strip(chr(34))}`"


def _fields(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (
            f"`{name}`",
            _type(one, defs),
            "required" if name in required else _default(one.get("default")),
            str(one.get("description", "")).partition("\n")[0],
        )
        for name, one in schema.get("properties", {}).items()
    ]
    return _table(("Field", "Type", "Default", "Meaning"), rows) if rows else _type(schema, defs)


def _type(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        target = defs.get(name, {})
        return _type(target, defs) if "enum" in target else name
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(one, defs) for one in schema[key]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), defs)}"
    kinds = schema.get("type", "anything")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _contents(told: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, content in told.get("content", {}).items():
        yield kind, content.get("schema", {})


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    # Outside of code an angle bracket would begin a tag.
    parts = re.split(r"(`[^`]*`)", text.replace("\n", " ").replace("|", "\\|"))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
