"""``schemas/``: equal to the models, valid themselves, and true of everything that is emitted."""

import asyncio
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from openlane_authentik import (
    AuthentikCredential,
    DirectorySyncConfig,
    IntegrationError,
    NdjsonSink,
    PayloadSetsSink,
    Sink,
    UserInput,
    parse_user_input,
)
from openlane_authentik.schema_files import DIALECT, schema_files
from openlane_authentik.testing import RELEASES, Directory, FakeAuthentik, Fault
from tests.support import SimulatedClock, connect

_FOLDER = Path(__file__).parents[2] / "schemas"
_FILES = schema_files()
_RECORDS = {
    "DirectoryAccount": "directory-account",
    "DirectoryGroup": "directory-group",
    "DirectoryMembership": "directory-membership",
}
_LINES = {
    "envelope": "envelope",
    "leftOut": "left-out",
    "heldBack": "held-back",
    "payloadSet": "payload-set-closing",
    "syncRun": "directory-sync.result",
}


def _validator(name: str) -> Draft202012Validator:
    schema = json.loads(_FILES[f"{name}.schema.json"])
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


_VALIDATORS = {name.removesuffix(".schema.json"): _validator(name.removesuffix(".schema.json")) for name in _FILES}


def _fake(release: str = "2025.12") -> FakeAuthentik:
    return FakeAuthentik(Directory.generate(users=120, groups=12, seed=4), release=release)


def _synced(fake: FakeAuthentik, sink: Sink, user_input: UserInput | None = None, kind: str = "viewer") -> None:
    # The lines of a run that failed must validate, too.
    with suppress(IntegrationError):
        asyncio.run(connect(fake, kind, SimulatedClock()).directory_sync(sink, user_input))


def _lines(fake: FakeAuthentik, user_input: UserInput | None = None, kind: str = "viewer") -> list[dict[str, Any]]:
    file = io.BytesIO()
    _synced(fake, NdjsonSink(file), user_input, kind)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_the_files_are_those_of_the_models() -> None:
    """The files in ``schemas/`` are what the models give; run ``make schemas`` when they are not."""
    written = {path.name: path.read_bytes() for path in _FOLDER.iterdir()}
    assert sorted(written) == sorted(_FILES), "run `make schemas`"
    assert all(written[name] == content for name, content in _FILES.items()), "run `make schemas`"


@pytest.mark.parametrize("name", _FILES)
def test_each_is_a_valid_schema(name: str) -> None:
    """Each file is a JSON Schema 2020-12 by its own meta-schema, with an identifier of its own."""
    schema = json.loads(_FILES[name])
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$id"].endswith(name.removesuffix(".schema.json"))


def test_what_a_host_exchanges_is_covered() -> None:
    """There is a schema for credential, user input, both operations' configs and results, and all that is emitted."""
    assert {name.removesuffix(".schema.json") for name in _FILES} >= {
        "credential",
        "user-input",
        "health-check.config",
        "health-check.result",
        "directory-sync.config",
        "directory-sync.result",
        "envelope",
        "payload-set",
        *_RECORDS.values(),
    }


@pytest.mark.parametrize("release", RELEASES)
def test_every_line_of_a_sync_validates(release: str) -> None:
    """Each line is true to its schema and each record to its kind's, in every release, with the profile or without."""
    # Keeps some users and groups, and fails on the other groups.
    some = UserInput(filter_expr="payload.name < 'M' || payload.pk < 60")
    lines = [*_lines(_fake(release)), *_lines(_fake(release), some)]
    assert {line["type"] for line in lines} == set(_LINES)
    for line in lines:
        _VALIDATORS[_LINES[line["type"]]].validate(line)
        if line["type"] == "envelope":
            validator = _VALIDATORS[_RECORDS[line["schema"]]]
            validator.validate(line["record"])
            if line["schema"] != "DirectoryMembership":
                validator.validate({**line["record"], "profile": line["payload"]})


@pytest.mark.parametrize(
    ("kind", "raw", "fault"),
    [
        ("viewer", {"filterExpr": "payload.type == 'internal'", "primaryDirectory": True}, None),
        ("viewer", {"filterExpr": "payload.pk"}, None),
        ("viewer", {"disableGroupSync": True}, None),
        ("object_level", {}, None),
        ("none", {}, None),
        ("viewer", {}, Fault.status(500)),
        ("viewer", {}, Fault.html()),
    ],
)
def test_lines_of_other_runs_validate(kind: str, raw: dict[str, Any], fault: Fault | None) -> None:
    """Filtered, partial and failed runs speak in lines that are true to their schemas, too."""
    fake = _fake()
    if fault:
        fake.inject(fault, nth=6, times=None)
    for line in _lines(fake, parse_user_input(raw), kind):
        _VALIDATORS[_LINES[line["type"]]].validate(line)


@pytest.mark.parametrize("raw", [{}, {"disableGroupSync": True}, {"filterExpr": "payload.type == 'internal'"}])
def test_payload_sets_validate(raw: dict[str, Any]) -> None:
    """Every set of the host's array is true to the payload set's schema."""
    file = io.BytesIO()
    _synced(_fake(), PayloadSetsSink(file), parse_user_input(raw))
    sets = json.loads(file.getvalue())
    assert len(sets) == (1 if raw.get("disableGroupSync") else 3)
    for payload_set in sets:
        _VALIDATORS["payload-set"].validate(payload_set)


@pytest.mark.parametrize("kind", ["viewer", "object_level", "none", "wrong", "view_user_only"])
def test_health_reports_validate(kind: str) -> None:
    """A report is true to its schema, whether all is well or nothing."""
    report = asyncio.run(connect(_fake(), kind, SimulatedClock()).health_check())
    _VALIDATORS["health-check.result"].validate(json.loads(msgspec.json.encode(report)))


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("credential", {"baseUrl": "https://auth.example.com", "token": "t"}, True),
        ("credential", {"baseUrl": "https://auth.example.com"}, False),
        ("credential", {"baseUrl": "https://auth.example.com", "token": "t", "x": 1}, False),
        ("user-input", {}, True),
        (
            "user-input",
            {"name": "Main", "primaryDirectory": True, "disableGroupSync": False, "filterExpr": "true"},
            True,
        ),
        ("user-input", {"filter": "true"}, False),
        ("user-input", {"filterExpr": "x" * 4097}, False),
        ("user-input", {"disableGroupSync": "no"}, False),
        ("directory-sync.config", {}, True),
        ("directory-sync.config", {"pageSize": 50, "concurrency": 2, "timeoutSeconds": 60}, True),
        ("directory-sync.config", {"pageSize": 0}, False),
        ("directory-sync.config", {"timeoutSeconds": 0}, False),
        ("health-check.config", {}, True),
        ("health-check.config", {"x": 1}, False),
    ],
)
def test_forms_validate_as_they_parse(name: str, value: dict[str, Any], *, valid: bool) -> None:
    """A form that the schema takes is one that is read, and the other way round."""
    models: dict[str, Any] = {
        "credential": AuthentikCredential,
        "user-input": UserInput,
        "directory-sync.config": DirectorySyncConfig,
    }
    assert _VALIDATORS[name].is_valid(value) == valid
    if name in models:
        try:
            models[name].model_validate(value)
        except ValueError:
            assert not valid
        else:
            assert valid
