"""Raw records as authentik's newest supported release (2026.5) writes them: fields, instants, avatars, hashes."""

import base64
import functools
import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

RawRecord = dict[str, Any]
"""A user or a group as the API writes it, decoded from JSON."""

USER_TYPES: Final = ("internal", "external", "service_account", "internal_service_account")
"""What ``type`` of a user may be, in the order of authentik's own list."""

SERVICE_ACCOUNT_PATH: Final = "goauthentik.io/service-accounts"

USER_HEAD: Final = ("pk", "username", "name", "is_active", "last_login", "date_joined")
USER_TAIL: Final = (
    "email",
    "avatar",
    "attributes",
    "uid",
    "path",
    "type",
    "uuid",
    "password_change_date",
    "last_updated",
)
USER_FIELDS: Final = USER_HEAD + USER_TAIL
"""The fields a user owns; memberships, roles and ``is_superuser`` are derived from relations."""

GROUP_FIELDS: Final = ("pk", "num_pk", "name", "is_superuser", "attributes")
"""The fields a group owns; members, parents, children and roles are derived from relations."""

INSTALLATION: Final = "fake-installation"
"""The id of the installation as long as nothing renews it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_COLOUR_MASK: Final = 0x7F7F7F
_NUM_PK_DIGITS: Final = 5

_SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="64px" height="64px" viewBox="0 0 64 64" version="1.1">'
    '<rect fill="#{colour:06x}" cx="32" cy="32" width="64" height="64" r="32"/>'
    '<text x="50%" y="50%" style="color: #fff; line-height: 1; '
    "font-family: 'RedHatText','Overpass',overpass,helvetica,arial,sans-serif; \" "
    'fill="#fff" alignment-baseline="middle" dominant-baseline="middle" text-anchor="middle" '
    'font-size="28" font-weight="400" dy=".1em">{initials}</text></svg>'
)


def instant_text(instant: datetime) -> str:
    """An instant as authentik writes it: UTC, ``Z``, microseconds only when there are any."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def microseconds(instant: str | datetime) -> int:
    """Microseconds since 1970: what instants are compared by, at the precision PostgreSQL keeps.

    Raises:
        ValueError: the text is no ISO 8601 instant.
    """
    moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def avatar_of(name: str) -> str:
    """The initials avatar authentik draws by default: a data URI of some 630 characters."""
    words = name.split() or ["?"]
    initials = (words[0][:1] + words[-1][:1]).upper()
    colour = int.from_bytes(hashlib.sha256(name.encode()).digest()[:1]) * 0x010305
    return _drawn(initials, colour & _COLOUR_MASK)


@functools.lru_cache(maxsize=50_000)
def _drawn(initials: str, colour: int) -> str:
    # Shared between people of the same initials, or a large directory would hold little else.
    picture = _SVG.format(colour=colour, initials=initials)
    return "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode()


def uid_of(pk: int, installation: str) -> str:
    """The opaque identifier of a user: the hexadecimal SHA-256 of its key and the installation's id.

    A key given again after a restore has the same one; a new installation id gives everybody another.
    """
    return hashlib.sha256(f"{pk}-{installation}".encode()).hexdigest()


def num_pk_of(group_pk: str) -> int:
    """A group's number for LDAP and Linux: the first five digits of its UUID; not unique, never a key."""
    return int(str(uuid.UUID(group_pk).int)[:_NUM_PK_DIGITS])


def new_user(
    pk: int, user_uuid: str, now: datetime, fields: Mapping[str, Any], installation: str = INSTALLATION
) -> RawRecord:
    """A user as just created: every owned field, those not given at authentik's defaults.

    Raises:
        TypeError: ``fields`` names something a user does not own.
    """
    _refuse_unknown("user", fields, USER_FIELDS)
    stamp = instant_text(now)
    username = fields.get("username", f"user-{pk}")
    name = fields.get("name", username)
    record: RawRecord = {
        "pk": pk,
        "username": username,
        "name": name,
        "is_active": True,
        "last_login": None,
        "date_joined": stamp,
        "email": "",
        "avatar": avatar_of(name),
        "attributes": {},
        "uid": uid_of(pk, installation),
        "path": "users",
        "type": "internal",
        "uuid": user_uuid,
        "password_change_date": stamp,
        "last_updated": stamp,
    }
    record.update(fields)
    record["pk"] = pk
    return record


def new_group(pk: str, fields: Mapping[str, Any]) -> RawRecord:
    """A group as just created.

    Raises:
        TypeError: ``fields`` names something a group does not own.
    """
    _refuse_unknown("group", fields, GROUP_FIELDS)
    record: RawRecord = {
        "pk": pk,
        "num_pk": num_pk_of(pk),
        "name": f"group-{pk[:8]}",
        "is_superuser": False,
        "attributes": {},
    }
    record.update(fields)
    return record


def _refuse_unknown(what: str, fields: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise TypeError(f"a {what} has no field {', '.join(unknown)}; it has {', '.join(known)}")
