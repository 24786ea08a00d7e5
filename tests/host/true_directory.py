"""What is true of a fake authentik, told without the integration: the oracle of the simulated days."""

from collections.abc import Callable
from typing import Any, Final

from openlane_authentik import Schema
from openlane_authentik.testing import Directory

Keys = dict[Schema, set[tuple[str, str]]]
Told = dict[Schema, dict[tuple[str, str], dict[str, Any]]]
# Whether a record is in scope; None where the filter fails on it.
Keep = Callable[[dict[str, Any], str], bool | None]

# The same filters in CEL and in Python. Some can never match a group, one is mistyped and keeps nobody, and one fails
# on every name that begins with Z.
FILTERS: Final[dict[str, Keep]] = {
    "": lambda _record, _resource: True,
    "!has(payload.type) || payload.type == 'internal'": lambda record, _: record.get("type", "internal") == "internal",
    "!has(payload.is_active) || payload.is_active": lambda record, _: record.get("is_active", True) is True,
    "!payload.name.startsWith('Sales')": lambda record, _: not record["name"].startswith("Sales"),
    "!resource.startsWith('a') && !resource.startsWith('5')": lambda _, resource: resource[0] not in "a5",
    "payload.type == 'internal'": lambda record, _: record.get("type") == "internal",
    "payload.is_activ == true": lambda _record, _resource: False,
    "!payload.name.startsWith('Z') || int(payload.name) > 0": lambda record, _: (
        None if record["name"].startswith("Z") else True
    ),
}
_TYPES: Final = {"internal": "USER", "external": "GUEST"}


class Truth:
    """What is there through a filter, now and while one watches.

    Attributes:
        always, ever: Keys in scope all the time, or at some time, since ``watch``; where the filter fails on a record
            it may be there, and need not.
        held_always: Keys on which the filter failed all the time.
        at_source_always, at_source_ever: Keys that were there all the time, or at some time, whatever the filter says.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.watch({})

    def watch(self, user_input: dict[str, Any]) -> None:
        """Begin anew, with the filter and the switch of an installation."""
        self._keep = FILTERS[user_input.get("filterExpr", "")]
        self._with_groups = not user_input.get("disableGroupSync", False)
        self.always = self._keys(self._keep)
        self.ever = self._keys(self._may_keep)
        self.held_always = self._held()
        self._held_accounts = {uid for uid, _ in self.held_always[Schema.ACCOUNT]}
        self.at_source_always = self.at_source()
        self.at_source_ever = self.at_source()

    def note(self) -> None:
        """Look again, after a change."""
        now, at_most, held, at_source = (
            self._keys(self._keep),
            self._keys(self._may_keep),
            self._held(),
            self.at_source(),
        )
        self._held_accounts |= {uid for uid, _ in held[Schema.ACCOUNT]}
        for schema in Schema:
            self.always[schema] &= now[schema]
            self.ever[schema] |= at_most[schema]
            self.held_always[schema] &= held[schema]
            self.at_source_always[schema] &= at_source[schema]
            self.at_source_ever[schema] |= at_source[schema]

    def stale(self, schema: Schema, there: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return what a host has and may not have after a complete run.

        What is had of an account on which the filter fails stays, with its memberships, left or not.
        """
        held = self._held_accounts if schema is Schema.MEMBERSHIP else set()
        return {key for key in there - self.ever[schema] if key[0] not in held}

    def at_source(self) -> Keys:
        """Return the keys that are there now, whatever the filter and the switch say."""
        return self._keys(FILTERS[""], with_groups=True)

    def records(self) -> Told:
        """Return what must be told of each record in scope."""
        directory, keys = self._directory, self._keys(self._keep)
        users = {user["uid"]: user for user in directory.users.values()}
        groups = directory.groups
        members = {pk: len(set(directory.memberships.lefts_of(pk))) for pk in groups}
        return {
            Schema.ACCOUNT: {(uid, ""): _account(users[uid]) for uid, _ in keys[Schema.ACCOUNT]},
            Schema.GROUP: {(pk, ""): _group(groups[pk], members[pk]) for pk, _ in keys[Schema.GROUP]},
            Schema.MEMBERSHIP: {key: {"role": "MEMBER"} for key in keys[Schema.MEMBERSHIP]},
        }

    def wrongs(self, stored: Told, whole: set[Schema]) -> list[str]:
        """Return where a stored directory differs from what is true; of ``whole`` schemas it may hold nothing else."""
        found = []
        for schema, true in self.records().items():
            there = stored[schema]
            found += [f"{schema} {key} is missing" for key in true.keys() - there.keys()]
            beside = {key for key in there.keys() - true.keys() if key in self.stale(schema, set(there))}
            found += [f"{schema} {key} is too much" for key in beside if schema in whole]
            for key in true.keys() & there.keys():
                has = {name: there[key].get(name) for name in true[key]}
                found += [] if has == true[key] else [f"{schema} {key}: has {has}, true is {true[key]}"]
        return found

    def _may_keep(self, record: dict[str, Any], resource: str) -> bool:
        return self._keep(record, resource) is not False

    def _held(self) -> Keys:
        kept, at_most = self._keys(self._keep), self._keys(self._may_keep)
        return {schema: at_most[schema] - kept[schema] for schema in Schema}

    def _keys(self, keep: Keep, *, with_groups: bool | None = None) -> Keys:
        directory = self._directory
        users = {pk: user for pk, user in directory.users.items() if keep(user, user["uid"])}
        synced = self._with_groups if with_groups is None else with_groups
        groups = {pk for pk, group in directory.groups.items() if keep(group, pk)} if synced else set()
        return {
            Schema.ACCOUNT: {(user["uid"], "") for user in users.values()},
            Schema.GROUP: {(pk, "") for pk in groups},
            Schema.MEMBERSHIP: {
                (user["uid"], group)
                for pk, user in users.items()
                for group in directory.memberships.rights_of(pk)
                if group in groups and keep(user, group)
            },
        }


def _account(user: dict[str, Any]) -> dict[str, Any]:
    return {
        "display_name": user["name"] or user["username"],
        "canonical_email": user["email"].lower(),
        "status": "ACTIVE" if user["is_active"] else "INACTIVE",
        "account_type": _TYPES.get(user["type"], "SERVICE"),
        "metadata": user["attributes"],
    }


def _group(group: dict[str, Any], members: int) -> dict[str, Any]:
    return {
        "display_name": group["name"],
        "classification": "SECURITY" if group["is_superuser"] else "TEAM",
        "member_count": members,
        "metadata": group["attributes"],
    }
