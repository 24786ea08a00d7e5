"""What an installation wants to see of the directory: its filter and its switches."""

import hashlib
from typing import Final

import msgspec

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.index import Outcome
from openlane_authentik.emit.envelope import UPSERT, Schema
from openlane_authentik.filter import Filter, Verdict, compile_filter
from openlane_authentik.records.context import UnmappableRecordError, identifier
from openlane_authentik.records.fields import KNOWN_FIELDS
from openlane_authentik.settings import UserInput

NO_IDENTIFIER: Final = {key: Verdict(kept=False, failed=True, reason=f"no_{key}") for key in ("uid", "pk")}


class Scope:
    """The filter, compiled, and the switches.

    Attributes:
        filter: Judges each record.
        groups: Whether groups and memberships are synced.
        fingerprint: Equal for equal filter and switches; sets of different fingerprint must not be compared.

    Raises:
        FilterError: The filter expression is not one this package runs.
    """

    def __init__(self, user_input: UserInput) -> None:
        self.groups = not user_input.disable_group_sync
        kinds = {kind: fields for kind, fields in KNOWN_FIELDS.items() if self.groups or kind == Schema.ACCOUNT}
        self.filter: Filter = compile_filter(user_input.filter_expr, kinds)
        self.fingerprint = hashlib.sha256(
            msgspec.json.encode([user_input.filter_expr.strip(), self.groups])
        ).hexdigest()[:16]
        self._judge = self.filter.judge
        self._resource_matters = "resource" in self.filter.variables

    @property
    def schemas(self) -> list[Schema]:
        """The kinds of record that are synced."""
        return [*Schema] if self.groups else [Schema.ACCOUNT]

    def judge(self, raw: RawRecord, identifying: str) -> Verdict:
        """Judge a user by its ``uid`` or a group by its ``pk``; one that lacks it has failed."""
        try:
            resource = identifier(raw, identifying)
        except UnmappableRecordError:
            return NO_IDENTIFIER[identifying]
        return self._judge(raw, resource, UPSERT)

    def judge_memberships(self, raw: RawRecord, account: Verdict) -> tuple[list[str], list[Outcome]]:
        """Judge a user's memberships, each on the account's full payload with the group's ``pk`` as the resource.

        Without a word about the resource the filter says of a membership what it said of the account; and nothing
        else can become of one whose account was not kept.

        Returns:
            The groups, and what becomes of the membership in each.
        """
        groups = _groups_of(raw) if self.groups else []
        if not account.kept or not self._resource_matters:
            return groups, [outcome(account)] * len(groups)
        return groups, [outcome(self._judge(raw, group, UPSERT)) for group in groups]


def _groups_of(raw: RawRecord) -> list[str]:
    """Return the groups a user names, each once; one that is no text is found unknown when it is looked for."""
    groups = raw.get("groups")
    if not isinstance(groups, list):
        return []
    try:
        once = len(set(groups)) == len(groups)
    except TypeError:
        return [group for group in groups if isinstance(group, str)]
    return groups if once else list(dict.fromkeys(groups))


def outcome(verdict: Verdict) -> Outcome:
    """Return what becomes of a record so judged."""
    if verdict.kept:
        return Outcome.KEPT
    if not verdict.failed:
        return Outcome.FILTERED
    return Outcome.UNNAMED if verdict in NO_IDENTIFIER.values() else Outcome.FAILED
