"""The definition's ``mapExpr``, run by Google's C++ CEL engine as a host would, against this package's own mapping."""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any

import pytest
from cel_expr_python import cel  # type: ignore[import-untyped]

from openlane_authentik import Envelope, Schema
from openlane_authentik.definition import definition
from openlane_authentik.records.account import map_account
from openlane_authentik.records.context import MappingContext
from openlane_authentik.records.group import map_group
from openlane_authentik.records.membership import map_memberships
from openlane_authentik.testing import RELEASES, Directory, FakeAuthentik
from tests.support import SimulatedClock, run_sync

_MAP_EXPR = {mapping.schema: mapping.spec.map_expr for mapping in definition.mappings}
# What only a run knows: its times, the directory's identity, the primary switch, and the hash.
_OF_THE_RUN = {"directory_instance_id", "primary_source", "last_seen_at", "observed_at", "profile_hash"}
_FIELDS = {
    Schema.ACCOUNT: {
        "external_id",
        "secondary_key",
        "canonical_email",
        "display_name",
        "status",
        "account_type",
        "added_at",
        "last_login_at",
        "organization_unit",
        "metadata",
        "profile",
    },
    Schema.GROUP: {
        "external_id",
        "display_name",
        "status",
        "classification",
        "member_count",
        "metadata",
        "profile",
    },
    Schema.MEMBERSHIP: {"directory_account_id", "directory_group_id", "role"},
}
_GROUP_PK = "0b7c8a2e-0000-4000-8000-000000000001"
_USER: dict[str, Any] = {
    "pk": 7,
    "uid": "a" * 64,
    "username": "ada",
    "name": "Ada",
    "email": "ada@example.com",
    "is_active": True,
    "last_login": "2026-02-01T10:00:00Z",
    "date_joined": "2025-01-01T10:00:00Z",
    "path": "users",
    "type": "internal",
    "attributes": {"a": 1},
}
_GROUP: dict[str, Any] = {
    "pk": _GROUP_PK,
    "name": "Analysts",
    "is_superuser": True,
    "users": [1, 2],
    "attributes": {"a": 1},
}


@functools.cache
def _compiled(schema: str) -> Any:
    dyn, text = cel.Type.DYN, cel.Type.STRING
    variables = {"payload": dyn, "envelope": dyn, "variant": text, "resource": text, "action": text}
    return cel.NewEnv(variables=variables).compile(_MAP_EXPR[schema])


def _by_cel(schema: str, payload: Mapping[str, Any], resource: str) -> dict[str, Any]:
    envelope = {"payload": payload, "resource": resource, "action": "upsert"}
    value = _compiled(schema).eval(
        data={"payload": payload, "envelope": envelope, "variant": "", "resource": resource, "action": "upsert"}
    )
    mapped = value.plain_value()
    assert isinstance(mapped, dict), mapped
    return mapped


def _agree(schema: str, payload: Mapping[str, Any], resource: str, record: Mapping[str, Any]) -> None:
    """Hold CEL's record and ours equal; null is absent, the profile is the payload, and the e-mail's case aside."""
    mapped = _by_cel(schema, payload, resource)
    assert set(mapped) == _FIELDS[Schema(schema)]
    if "profile" in mapped:
        assert mapped.pop("profile") == payload
    if "canonical_email" in mapped:
        mapped["canonical_email"] = mapped["canonical_email"].lower()
    told = {key: value for key, value in mapped.items() if value is not None}
    assert told == {key: value for key, value in record.items() if key not in _OF_THE_RUN}


def _context() -> MappingContext:
    return MappingContext("auth.example.com", primary=False, seen_at="2026-03-01T12:00:00.000000Z")


def _ours(schema: Schema, payload: dict[str, Any]) -> Mapping[str, Any]:
    match schema:
        case Schema.ACCOUNT:
            return dict(map_account(payload, _context()))
        case Schema.GROUP:
            return dict(map_group(payload, _context()))
        case Schema.MEMBERSHIP:
            return dict(map_memberships(payload, [_GROUP_PK], _context())[0])


@pytest.mark.parametrize("release", RELEASES)
def test_every_record_of_a_directory_maps_alike(release: str) -> None:
    """On every user, group and membership of a directory, in every release, CEL gives the values of our mapping."""
    fake = FakeAuthentik(Directory.generate(users=150, groups=15, seed=11), release=release)
    _, sink = asyncio.run(run_sync(fake, clock=SimulatedClock()))
    for schema in Schema:
        envelopes: list[Envelope] = sink.of(schema)
        assert envelopes
        for envelope in envelopes:
            _agree(schema, envelope.payload, envelope.resource, envelope.record)


@pytest.mark.parametrize("schema", list(Schema))
@pytest.mark.parametrize("how", ["missing", "null"])
def test_what_a_record_lacks_maps_alike(schema: Schema, how: str) -> None:
    """A field that is missing or null, one by one and all but the identifier, is the same to CEL and to us."""
    whole = _GROUP if schema is Schema.GROUP else _USER
    identifier = "pk" if schema is Schema.GROUP else "uid"
    others = [key for key in whole if key != identifier]
    for lacking in [*([key] for key in others), others]:
        payload = {key: value for key, value in whole.items() if key not in lacking}
        if how == "null":
            payload |= dict.fromkeys(lacking)
        _agree(schema, payload, _GROUP_PK, _ours(schema, payload))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "", "username": ""},
        {"username": ""},
        {"username": "ÅSA.Ö\U0001f600"},
        {"email": ""},
        {"email": "ADA@EXAMPLE.COM"},
        {"path": ""},
        {"date_joined": ""},
        {"last_login": ""},
        {"type": ""},
        {"type": "robot"},
        {"type": "external"},
        {"type": "service_account"},
        {"type": "internal_service_account"},
        {"is_active": False},
        {"attributes": {}},
        {"attributes": {"nested": [1, 2.5, None, True, {"x": "\U0001f600"}]}},
        {"name": "e\u0301\u200d\U0001f469\u200d\U0001f4bb"},
        {"newer_field": {"of": ["a", "later", "release"]}},
    ],
    ids=str,
)
def test_unusual_users_map_alike(changes: dict[str, Any]) -> None:
    """Empty texts, unknown types, odd characters and fields of later releases are the same to CEL and to us."""
    payload = {**_USER, **changes}
    _agree(Schema.ACCOUNT, payload, payload["uid"], _ours(Schema.ACCOUNT, payload))


@pytest.mark.parametrize(
    "changes", [{"is_superuser": False}, {"users": []}, {"users": list(range(500))}, {"name": ""}], ids=str
)
def test_unusual_groups_map_alike(changes: dict[str, Any]) -> None:
    """Groups of nobody, of many and without a name are the same to CEL and to us."""
    payload = {**_GROUP, **changes}
    _agree(Schema.GROUP, payload, _GROUP_PK, _ours(Schema.GROUP, payload))


@pytest.mark.parametrize(("schema", "key"), [(Schema.ACCOUNT, "uid"), (Schema.GROUP, "pk"), (Schema.MEMBERSHIP, "uid")])
def test_a_record_without_identifier_fails_in_cel_too(schema: Schema, key: str) -> None:
    """A host that maps by itself fails a record without identifier, as this package does; no record is made up."""
    whole = _GROUP if schema is Schema.GROUP else _USER
    payload = {name: value for name, value in whole.items() if name != key}
    value = _compiled(schema).eval(
        data={"payload": payload, "envelope": {}, "variant": "", "resource": "r", "action": "upsert"}
    )
    assert value.type() == cel.Type.ERROR


def test_expressions_are_within_the_hosts_limits() -> None:
    """The host takes expressions of at most 100,000 bytes."""
    for mapping in definition.mappings:
        assert len(mapping.spec.map_expr.encode()) <= 100_000
        assert mapping.spec.filter_expr == ""
