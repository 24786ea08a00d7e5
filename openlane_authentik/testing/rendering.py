"""Writes users and groups as JSON, field by field as a release does; what a row owns is encoded once."""

from collections.abc import Iterable
from typing import Final

import msgspec

from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.raw import USER_HEAD, USER_TAIL, RawRecord
from openlane_authentik.testing.releases import Release

_encode: Final = msgspec.json.Encoder().encode

_PARTIAL_USER: Final = ("pk", "username", "name", "is_active", "last_login", "email", "attributes", "uid")
_BOOLEANS: Final = (b"false", b"true")


def _array(encoded: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(encoded) + b"]"


def _fields(record: RawRecord, names: Iterable[str]) -> bytes:
    return _encode({name: record[name] for name in names})[1:-1]


class Renderer:
    """The JSON of users and groups of one directory as one release writes it.

    Records are replaced on every change, so a cached encoding is good as long as it came from the same record;
    memberships, parents and roles are put in anew each time, as they change without the record.
    """

    def __init__(self, directory: Directory, release: Release) -> None:
        self._directory = directory
        self._release = release
        self._head = tuple(name for name in USER_HEAD if release.date_joined or name != "date_joined")
        absent = set()
        if not release.password_change_date:
            absent.add("password_change_date")
        if not release.change_tracking:
            absent.add("last_updated")
        self._tail = tuple(name for name in USER_TAIL if name not in absent)
        self._users: dict[int, tuple[RawRecord, bytes, bytes]] = {}
        self._partial_users: dict[int, tuple[RawRecord, bytes]] = {}
        self._groups: dict[str, tuple[RawRecord, bytes, bytes]] = {}

    def user(self, pk: int, *, with_groups: bool = True, with_roles: bool = True) -> bytes:
        """A user; without groups or roles only their expanded form is null, the keys stay."""
        directory = self._directory
        head, tail = self._user_parts(pk)
        groups = list(directory.memberships.rights_of(pk))
        if with_groups:
            # Prefetched groups come sorted by key, the bare keys as the database holds them.
            groups.sort()
        parts = [
            head,
            b',"is_superuser":',
            _BOOLEANS[not directory.superuser_groups().isdisjoint(groups)],
            b',"groups":',
            _encode(groups),
            b',"groups_obj":',
            _array(map(self._partial_group, groups)) if with_groups else b"null",
        ]
        if self._release.user_roles:
            roles = list(directory.user_roles.rights_of(pk))
            parts += [b',"roles":', _encode(roles), b',"roles_obj":']
            parts.append(_array(map(self._role, roles)) if with_roles else b"null")
        parts += [b",", tail]
        return b"{" + b"".join(parts) + b"}"

    def group(
        self,
        pk: str,
        *,
        with_users: bool = True,
        with_parents: bool = False,
        with_children: bool = False,
        with_inherited_roles: bool = False,
    ) -> bytes:
        """A group; without users only ``users_obj`` is null, the keys of all members stay."""
        directory = self._directory
        head, attributes = self._group_parts(pk)
        users = list(directory.memberships.lefts_of(pk))
        roles = list(directory.group_roles.rights_of(pk))
        parts = [b"{", head, b",", self._parents(pk, expanded=with_parents)]
        parts += [b',"users":', _encode(users), b',"users_obj":']
        parts.append(_array(map(self._partial_user, users)) if with_users else b"null")
        parts += [b',"attributes":', attributes, b',"roles":', _encode(roles)]
        parts += [b',"roles_obj":', _array(map(self._role, roles))]
        if self._release.user_roles:
            parts.append(b',"inherited_roles_obj":')
            parts.append(_array(map(self._role, self._inherited(pk))) if with_inherited_roles else b"null")
        if self._release.change_tracking:
            children = list(directory.parents.lefts_of(pk))
            parts += [b',"children":', _encode(children), b',"children_obj":']
            parts.append(_array(map(self._related_group, children)) if with_children else b"null")
        parts.append(b"}")
        return b"".join(parts)

    def _user_parts(self, pk: int) -> tuple[bytes, bytes]:
        record = self._directory.users[pk]
        held = self._users.get(pk)
        if held is None or held[0] is not record:
            held = (record, _fields(record, self._head), _fields(record, self._tail))
            self._users[pk] = held
        return held[1], held[2]

    def _group_parts(self, pk: str) -> tuple[bytes, bytes]:
        record = self._directory.groups[pk]
        held = self._groups.get(pk)
        if held is None or held[0] is not record:
            head = _fields(record, ("pk", "num_pk", "name", "is_superuser"))
            held = (record, head, _encode(record["attributes"]))
            self._groups[pk] = held
        return held[1], held[2]

    def _partial_user(self, pk: int) -> bytes:
        record = self._directory.users[pk]
        held = self._partial_users.get(pk)
        if held is None or held[0] is not record:
            held = (record, b"{" + _fields(record, _PARTIAL_USER) + b"}")
            self._partial_users[pk] = held
        return held[1]

    def _partial_group(self, pk: str) -> bytes:
        head, attributes = self._group_parts(pk)
        if self._release.user_roles:
            return b"{" + head + b',"attributes":' + attributes + b"}"
        return b"{" + head + b"," + self._parent(pk) + b',"attributes":' + attributes + b"}"

    def _related_group(self, pk: str) -> bytes:
        # The shape of the published schema since 2025.8: the key twice, the number not at all.
        record = self._directory.groups[pk]
        return (
            b"{" + _fields(record, ("pk", "name", "is_superuser", "attributes")) + b',"group_uuid":"%s"}' % pk.encode()
        )

    def _parents(self, pk: str, *, expanded: bool) -> bytes:
        if not self._release.user_roles:
            return self._parent(pk)
        parents = list(self._directory.parents.rights_of(pk))
        objects = _array(map(self._related_group, parents)) if expanded else b"null"
        return b'"parents":' + _encode(parents) + b',"parents_obj":' + objects

    def _parent(self, pk: str) -> bytes:
        # Before 2025.12 a group had one parent at most; of several here the first is told.
        parent = next(iter(self._directory.parents.rights_of(pk)), None)
        name = None if parent is None else self._directory.groups[parent]["name"]
        return _encode({"parent": parent, "parent_name": name})[1:-1]

    def _inherited(self, pk: str) -> list[str]:
        ancestors = self._directory.ancestors_of(pk)
        return sorted({role for group in ancestors for role in self._directory.group_roles.rights_of(group)})

    def _role(self, pk: str) -> bytes:
        return _encode({"pk": pk, "name": self._directory.role_names[pk]})
