"""What an installation wants to see of the directory: its filter and its switches."""

import hashlib

import msgspec

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.emit.envelope import UPSERT
from openlane_authentik.filter import Filter, Verdict, compile_filter
from openlane_authentik.records.fields import KNOWN_FIELDS
from openlane_authentik.settings import UserInput


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
        self.filter: Filter = compile_filter(user_input.filter_expr, KNOWN_FIELDS)
        self.groups = not user_input.disable_group_sync
        self.fingerprint = hashlib.sha256(
            msgspec.json.encode([user_input.filter_expr.strip(), self.groups])
        ).hexdigest()[:16]
        self._resource_matters = bool({"resource", "envelope"} & self.filter.variables)

    def judge(self, raw: RawRecord, resource: str) -> Verdict:
        """Judge one record as the envelope it would be sent in."""
        return self.filter.judge(raw, resource, UPSERT)

    def judge_membership(self, raw_user: RawRecord, group_pk: str, account: Verdict) -> Verdict:
        """Judge a membership on its account's full payload, with the group as the resource.

        Without a word about the resource the filter says of the membership what it said of the account.
        """
        return self.judge(raw_user, group_pk) if self._resource_matters else account
