"""Realistic raw records from a seed, in the shares of a measured directory of 10,000 users."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from openlane_authentik.testing.raw import (
    SERVICE_ACCOUNT_PATH,
    RawRecord,
    avatar_of,
    instant_text,
    new_group,
    new_user,
)

_GIVEN_NAMES: Final = (
    "Alice", "Bob", "Carol", "Dieter", "Élodie", "François", "Göran", "Håkon", "Jürgen", "Katarzyna", "Nguyễn",
    "Ólafur", "Renée", "Søren", "Włodek", "Ximena", "Zoë", "Ивана", "Олександр", "太郎", "李", "민준", "محمد", "שרה",
    "Ελένη", "สมชาย", "आरव",
)  # fmt: skip
_FAMILY_NAMES: Final = (
    "Müller", "García-López", "O'Brien", "Van-der-Berg", "d'Arc", "Þórsson", "Ødegård", "Dvořák", "Łukasz",
    "Y\u0131lmaz", "Nowak", "Sato", "Smith", "Ng", "Иванов", "王", "김", "الحسن", "כהן", "Παπαδόπουλος",
)  # fmt: skip
_DEPARTMENTS: Final = ("Engineering", "Finance", "HR", "Legal", "Operations", "Research", "Sales", "Support")
_COUNTRIES: Final = ("DE", "FR", "JP", "PL", "US")
_PATHS: Final = ("users", "users/eu", "users/us", "goauthentik.io/sources/corp-ldap")

_SERVICE_ACCOUNTS: Final = 0.06
_INTERNAL_SERVICE_ACCOUNTS: Final = 0.001
_EXTERNAL: Final = 0.18
_INACTIVE: Final = 0.08
_LOGGED_IN: Final = 0.27
_WITHOUT_EMAIL: Final = 0.05
_SHARED_EMAIL: Final = 0.03
_WITH_ATTRIBUTES: Final = 0.55
_IN_EVERYBODY: Final = 0.97
_NESTED: Final = 0.15
_TWICE_NESTED: Final = 0.02
_WITH_ROLE: Final = 0.1
_ROLES: Final = 5
_OFF_ASCII_USERNAMES: Final = 0.05
_FIRST_PK: Final = 5
_OLDEST: Final = datetime(2021, 1, 1, tzinfo=UTC)
_BULK_IMPORT: Final = datetime(2023, 5, 17, 9, 30, tzinfo=UTC)
_SPAN_SECONDS: Final = 5 * 365 * 24 * 3600


def generated_records(
    users: int,
    groups: int,
    seed: int,
    *,
    memberships_per_user: float,
    ties: int,
    plain_usernames: bool,
) -> tuple[list[RawRecord], list[RawRecord]]:
    """Raw users and groups; the same for the same arguments."""
    chance = random.Random(seed)  # noqa: S311 - reproducible test data, no secret
    group_records = _groups(groups, chance)
    user_records = [_user(number, chance, plain_usernames=plain_usernames) for number in range(users)]
    for tied in chance.sample(user_records, min(ties, users)):
        tied["date_joined"] = instant_text(_BULK_IMPORT)
    for user in user_records:
        user["groups"] = _memberships(user, group_records, chance, memberships_per_user)
    return user_records, group_records


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _instant(chance: random.Random, after: datetime) -> datetime:
    return after + timedelta(seconds=chance.randrange(1, _SPAN_SECONDS // 5), microseconds=chance.randrange(1_000_000))


def _groups(count: int, chance: random.Random) -> list[RawRecord]:
    roles = [{"pk": _uuid(chance), "name": f"Role {number:02}"} for number in range(_ROLES)]
    records: list[RawRecord] = []
    for number in range(count):
        fields: dict[str, Any] = {"name": _group_name(number, chance), "is_superuser": number == 0}
        if chance.random() < _WITH_ATTRIBUTES:
            fields["attributes"] = {
                "gid": 10_000 + number,
                "mail": f"g{number}@example.test",
                "owners": [{"u": "u00001"}],
            }
        record = new_group(_uuid(chance), fields)
        # Not under the group of superusers, or nearly everybody would soon be one.
        elders = [elder["pk"] for elder in records[2:]]
        parents = int(chance.random() < _NESTED) + int(chance.random() < _TWICE_NESTED)
        record["parents"] = chance.sample(elders, min(parents, len(elders)))
        record["roles_obj"] = [chance.choice(roles)] if chance.random() < _WITH_ROLE else []
        records.append(record)
    return records


def _group_name(number: int, chance: random.Random) -> str:
    if number == 0:
        return "authentik Admins"
    if number == 1:
        return "All Staff"
    department = chance.choice(_DEPARTMENTS)
    if chance.random() < _NESTED:
        return f"Équipe «{department}» №{number:03}"
    return f"{department} team {number:03}"


def _user(number: int, chance: random.Random, *, plain_usernames: bool) -> RawRecord:
    pk = _FIRST_PK + number
    joined = _OLDEST + timedelta(seconds=chance.randrange(_SPAN_SECONDS))
    updated = instant_text(_instant(chance, joined))
    identity = _uuid(chance)
    roll = chance.random()
    if roll < _INTERNAL_SERVICE_ACCOUNTS + _SERVICE_ACCOUNTS:
        internal = roll < _INTERNAL_SERVICE_ACCOUNTS
        fields: dict[str, Any] = {
            "username": f"svc-{number:05}",
            "type": "internal_service_account" if internal else "service_account",
            "path": SERVICE_ACCOUNT_PATH,
            "last_updated": updated,
        }
        return new_user(pk, identity, joined, fields)
    given, family = chance.choice(_GIVEN_NAMES), chance.choice(_FAMILY_NAMES)
    name = f"{given} {family}"
    username = f"u{number:05}"
    if chance.random() < _OFF_ASCII_USERNAMES and not plain_usernames:
        username = f"{given}.{family}.{number}".lower().replace("'", "")
    fields = {
        "username": username,
        "name": name,
        "is_active": chance.random() >= _INACTIVE,
        "last_login": instant_text(_instant(chance, joined)) if chance.random() < _LOGGED_IN else None,
        "email": _email(username, number, chance),
        "avatar": avatar_of(name),
        "attributes": _attributes(number, chance) if chance.random() < _WITH_ATTRIBUTES else {},
        "path": chance.choice(_PATHS),
        "type": "external" if chance.random() < _EXTERNAL else "internal",
        "last_updated": updated,
    }
    return new_user(pk, identity, joined, fields)


def _email(username: str, number: int, chance: random.Random) -> str:
    roll = chance.random()
    if roll < _WITHOUT_EMAIL:
        return ""
    if roll < _WITHOUT_EMAIL + _SHARED_EMAIL:
        return f"shared{number % 7}@example.test"
    return f"{username}@example.test"


def _attributes(number: int, chance: random.Random) -> dict[str, Any]:
    return {
        "phones": [f"+1-555-{chance.randrange(10_000):04}"],
        "address": {
            "geo": {"lat": round(chance.uniform(-90, 90), 4), "lon": round(chance.uniform(-180, 180), 4)},
            "country": chance.choice(_COUNTRIES),
        },
        "manager": {"since": "2024-01-01", "username": f"u{chance.randrange(1000):05}"},
        "department": chance.choice(_DEPARTMENTS),
        "employeeNumber": f"E{number:06}",
    }


def _memberships(user: RawRecord, groups: list[RawRecord], chance: random.Random, per_user: float) -> list[str]:
    if user["type"] != "internal" and user["type"] != "external":
        teams = groups[2:4]
        return [group["pk"] for group in teams if chance.random() < _EXTERNAL]
    everybody = [group["pk"] for group in groups[1:2] if chance.random() < _IN_EVERYBODY]
    # A handful of superusers whatever the size, the first user always.
    admin = groups[:1] if user["pk"] == _FIRST_PK or chance.random() * len(groups) < 1 / 20 else []
    teams = groups[2:]
    count = min(round(chance.expovariate(1 / per_user)) if per_user > 0 else 0, len(teams))
    return [*everybody, *(group["pk"] for group in admin), *(g["pk"] for g in chance.sample(teams, count))]
