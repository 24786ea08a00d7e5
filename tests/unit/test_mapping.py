"""Raw records to mapped ones: every rule of the contract, and what the hash stands for."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.records.account import map_account
from openlane_authentik.records.context import MappingContext, UnmappableRecordError, profile_hash
from openlane_authentik.records.group import map_group
from openlane_authentik.records.membership import map_memberships

_GROUP_PK = "0b7c8a2e-0000-4000-8000-000000000001"
_USER: dict[str, Any] = {
    "pk": 7,
    "uid": "a" * 64,
    "username": "ada",
    "name": "Ada Lovelace",
    "email": "Ada.LOVELACE@Example.COM",
    "is_active": True,
    "last_login": "2026-02-01T10:00:00Z",
    "date_joined": "2025-01-01T10:00:00.123456Z",
    "last_updated": "2026-01-01T10:00:00Z",
    "path": "users/uk",
    "type": "internal",
    "attributes": {"title": "Countess"},
    "groups": [_GROUP_PK],
}
_GROUP: dict[str, Any] = {
    "pk": _GROUP_PK,
    "num_pk": 12345,
    "name": "Analysts",
    "is_superuser": False,
    "attributes": {"gid": 5},
    "users": [7, 8],
}
_UNSTABLE = {"profile_hash", "profile", "last_seen_at", "observed_at", "last_login_at"}
_OPTIONAL_DATES = {"added_at": "date_joined", "organization_unit": "path", "last_login_at": "last_login"}


def _context(**changes: Any) -> MappingContext:
    values = {"directory_instance_id": "auth.example.com", "primary": True, "seen_at": "2026-03-01T12:00:00.000000Z"}
    return MappingContext(**{**values, **changes})


def _account(**changes: Any) -> dict[str, Any]:
    return dict(map_account({**_USER, **changes}, _context()))


def _without(raw: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in keys}


def test_a_user_becomes_an_account() -> None:
    """Every field of the contract comes from its source, and nothing else is there."""
    record = _account()
    assert record == {
        "external_id": "a" * 64,
        "secondary_key": "ada",
        "canonical_email": "ada.lovelace@example.com",
        "display_name": "Ada Lovelace",
        "status": "ACTIVE",
        "account_type": "USER",
        "directory_instance_id": "auth.example.com",
        "primary_source": True,
        "metadata": {"title": "Countess"},
        "added_at": "2025-01-01T10:00:00.123456Z",
        "organization_unit": "users/uk",
        "last_login_at": "2026-02-01T10:00:00Z",
        "last_seen_at": "2026-03-01T12:00:00.000000Z",
        "observed_at": "2026-03-01T12:00:00.000000Z",
        "profile_hash": record["profile_hash"],
    }


@pytest.mark.parametrize(
    ("kind", "account_type", "reported"),
    [
        ("internal", "USER", False),
        ("external", "GUEST", False),
        ("service_account", "SERVICE", False),
        ("internal_service_account", "SERVICE", False),
        ("robot", "USER", True),
        ("", "USER", True),
        (7, "USER", True),
        (None, "USER", False),
    ],
)
def test_user_types_map_and_unknown_ones_are_reported(kind: Any, account_type: str, *, reported: bool) -> None:
    """A type not known here is taken for a person and counted; a type that is not told is no news."""
    context = _context()
    assert map_account({**_USER, "type": kind}, context)["account_type"] == account_type
    assert (context.unknown_types.total() == 1) == reported


def test_a_release_without_types_has_users() -> None:
    """A user without ``type`` is a USER, and nothing is reported."""
    context = _context()
    assert map_account(_without(_USER, "type"), context)["account_type"] == "USER"
    assert not context.unknown_types


@pytest.mark.parametrize(
    ("is_active", "status"),
    [(True, "ACTIVE"), (False, "INACTIVE"), (None, "INACTIVE"), (1, "INACTIVE"), ("true", "INACTIVE")],
)
def test_only_true_is_active(is_active: Any, status: str) -> None:
    """An account is ACTIVE only when authentik says exactly so."""
    assert _account(is_active=is_active)["status"] == status
    assert dict(map_account(_without(_USER, "is_active"), _context()))["status"] == "INACTIVE"


@pytest.mark.parametrize(
    ("name", "username", "shown"),
    [
        ("Ada", "ada", "Ada"),
        ("", "ada", "ada"),
        (None, "ada", "ada"),
        (7, "ada", "ada"),
        ("", None, ""),
        (" ", "a", " "),
    ],
)
def test_the_display_name_falls_back_to_the_username(name: Any, username: Any, shown: str) -> None:
    """The name is shown, and for want of one the username."""
    assert _account(name=name, username=username)["display_name"] == shown


@pytest.mark.parametrize("email", ["", None, 7])
def test_no_email_is_an_empty_one(email: Any) -> None:
    """The contract's one field that is empty rather than absent is the e-mail."""
    assert _account(email=email)["canonical_email"] == ""


@pytest.mark.parametrize(("field", "source"), _OPTIONAL_DATES.items())
@pytest.mark.parametrize("value", [None, "", "lacking"])
def test_what_is_not_known_is_absent(field: str, source: str, value: Any) -> None:
    """A field that the release lacks, or that is null or empty, is absent from the record and never ""."""
    raw = _without(_USER, source) if value == "lacking" else {**_USER, source: value}
    assert field not in map_account(raw, _context())


@pytest.mark.parametrize("uid", [None, "", 7, "lacking"])
def test_a_user_without_uid_cannot_be_mapped(uid: Any) -> None:
    """A user without identifier fails by the cause ``no_uid``; it is never given an identifier made up here."""
    raw = _without(_USER, "uid") if uid == "lacking" else {**_USER, "uid": uid}
    with pytest.raises(UnmappableRecordError) as caught:
        map_account(raw, _context())
    assert caught.value.cause == "no_uid"
    with pytest.raises(UnmappableRecordError):
        map_memberships(raw, [_GROUP_PK], _context())


def test_mapping_changes_nothing_of_the_raw_record() -> None:
    """The payload is sent as authentik gave it, so mapping must leave it alone."""
    before = json.dumps([_USER, _GROUP])
    map_account(_USER, _context())
    map_group(_GROUP, _context())
    assert json.dumps([_USER, _GROUP]) == before


def test_a_group_becomes_a_group() -> None:
    """Every field of the contract comes from its source, and nothing else is there."""
    record = dict(map_group(_GROUP, _context()))
    assert record == {
        "external_id": _GROUP_PK,
        "display_name": "Analysts",
        "status": "ACTIVE",
        "classification": "TEAM",
        "member_count": 2,
        "directory_instance_id": "auth.example.com",
        "metadata": {"gid": 5},
        "last_seen_at": "2026-03-01T12:00:00.000000Z",
        "observed_at": "2026-03-01T12:00:00.000000Z",
        "profile_hash": record["profile_hash"],
    }


@pytest.mark.parametrize(("flag", "classification"), [(True, "SECURITY"), (False, "TEAM"), (None, "TEAM"), (1, "TEAM")])
def test_superuser_groups_are_security_groups(flag: Any, classification: str) -> None:
    """A group that makes its members superusers is of SECURITY, any other a TEAM."""
    assert map_group({**_GROUP, "is_superuser": flag}, _context())["classification"] == classification


def test_a_bare_group_maps() -> None:
    """A group that is nothing but a key maps, and one without a key fails by the cause ``no_pk``."""
    record = map_group({"pk": _GROUP_PK, "users": None, "attributes": None}, _context())
    assert (record["display_name"], record["member_count"], record["metadata"]) == ("", 0, {})
    with pytest.raises(UnmappableRecordError) as caught:
        map_group({"name": "x"}, _context())
    assert caught.value.cause == "no_pk"


def test_a_membership_names_account_and_group() -> None:
    """A membership is the member's ``uid`` and the group's ``pk``, and repeats nothing of the person."""
    (record,) = map_memberships(_USER, [_GROUP_PK], _context())
    assert record == {
        "directory_account_id": "a" * 64,
        "directory_group_id": _GROUP_PK,
        "role": "MEMBER",
        "directory_instance_id": "auth.example.com",
        "last_seen_at": "2026-03-01T12:00:00.000000Z",
        "observed_at": "2026-03-01T12:00:00.000000Z",
    }


@pytest.mark.parametrize("record", [_account(), dict(map_group(_GROUP, _context()))], ids=["account", "group"])
def test_the_hash_is_the_sha256_of_the_stable_record(record: dict[str, Any]) -> None:
    """The hash is SHA-256 over the sorted compact JSON of the record without itself, profile, run times and logins."""
    stable = {key: value for key, value in record.items() if key not in _UNSTABLE}
    compact = json.dumps(stable, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record["profile_hash"] == hashlib.sha256(compact.encode()).hexdigest()


@pytest.mark.parametrize("changes", [{"last_login": "2026-02-27T08:00:00Z"}, {"last_login": None}, {"avatar": "x"}])
def test_the_hash_stays_under_logins_and_runs(changes: dict[str, Any]) -> None:
    """A login, a later run and what is not mapped change no hash."""
    later = _context(seen_at="2027-01-01T00:00:00.000000Z")
    assert map_account({**_USER, **changes}, later)["profile_hash"] == _account()["profile_hash"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Ada King"},
        {"email": "ada@example.com"},
        {"is_active": False},
        {"type": "external"},
        {"attributes": {"title": "Baroness"}},
        {"path": "users/fr"},
        {"date_joined": "2024-01-01T00:00:00Z"},
    ],
)
def test_the_hash_changes_with_what_an_auditor_asks_about(changes: dict[str, Any]) -> None:
    """A change of name, e-mail, state, type, attributes, path or joining changes the hash."""
    assert _account(**changes)["profile_hash"] != _account()["profile_hash"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def _turned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _turned(inner) for key, inner in reversed(value.items())}
    return [_turned(inner) for inner in value] if isinstance(value, list) else value


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(st.text(max_size=5), _JSON, max_size=5))
def test_the_hash_does_not_depend_on_the_order_of_keys(attributes: dict[str, Any]) -> None:
    """However the server orders keys, at any depth, the same record has the same hash."""
    raw = {**_USER, "attributes": attributes}
    one, other = map_account(raw, _context()), map_account(_turned(raw), _context())
    assert one["profile_hash"] == other["profile_hash"]
    assert profile_hash(attributes) == profile_hash(_turned(attributes))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.dictionaries(st.sampled_from([*_USER, *_GROUP]), _JSON, max_size=12))
def test_any_raw_record_maps_or_fails_by_its_identifier(raw: dict[str, Any]) -> None:
    """Whatever types the fields have, mapping gives a record or says that the identifier is missing, nothing else."""
    for map_one, key in ((map_account, "uid"), (map_group, "pk")):
        if raw.get(key) and isinstance(raw[key], str):
            record = map_one(raw, _context())
            assert record["external_id"] == raw[key]
            assert isinstance(record["metadata"], dict)
        else:
            with pytest.raises(UnmappableRecordError, match=f"no_{key}"):
                map_one(raw, _context())
