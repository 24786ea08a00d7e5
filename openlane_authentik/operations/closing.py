"""What is proven of each payload set, and the line that says so."""

from typing import Any

from openlane_authentik.directory.completeness import Reason, sight_reasons
from openlane_authentik.directory.sight import Extent
from openlane_authentik.emit.envelope import PayloadSetClosing, Removed, Schema
from openlane_authentik.operations.collection import Collected
from openlane_authentik.operations.scope import Scope
from openlane_authentik.operations.tally import Tally


class Verdicts:
    """Gives the reasons that stand against each set; none means proven complete."""

    def __init__(self, collected: Collected, scope: Scope) -> None:
        self._collected = collected
        self._scope = scope
        self._so_far: list[Reason] = []

    def close(
        self, schema: Schema, tally: Tally, removed: list[Removed] | None = None, *, delta: bool = False
    ) -> PayloadSetClosing:
        """Close a set; to be asked in the order of the sets.

        What stands against accounts or groups stands against the memberships, which are made of both.

        Args:
            schema: Which set.
            tally: What became of its records.
            removed: The accounts to be ended.
            delta: Only what changed was handed over.
        """
        weigh = {
            Schema.ACCOUNT: self._accounts,
            Schema.GROUP: self._groups,
            Schema.MEMBERSHIP: self._memberships,
        }
        reasons, evidence = weigh[schema]()
        if tally.failed_by:
            reasons.append(Reason.RECORDS_FAILED)
        if not tally.emitted and (schema in self._scope.filter.never_matches or tally.only_lacked_fields):
            reasons.append(Reason.FILTER_NEVER_MATCHES)
        self._so_far.extend(reasons)
        return PayloadSetClosing(
            schema=schema,
            read_complete=not reasons,
            snapshot_complete=not reasons and not delta,
            reasons=[*dict.fromkeys(reasons)],
            counts=tally.counts,
            filtered_by=dict(tally.filtered_by),
            failed_by=dict(tally.failed_by),
            scope=self._scope.fingerprint,
            evidence=evidence,
            delta=delta,
            removed=removed if delta or not reasons else None,
        )

    @property
    def reasons(self) -> set[Reason]:
        """All that stands against any set closed so far."""
        return set(self._so_far)

    def _accounts(self) -> tuple[list[Reason], dict[str, Any]]:
        users = self._collected.users
        reconciled = self._collected.reconciled
        reasons = sight_reasons(reconciled.sight.users)
        if not users.proven and reconciled.sight.users is not Extent.PARTIAL:
            reasons.append(Reason.USERS_KEPT_CHANGING)
        if reconciled.differences.dangling:
            reasons.append(Reason.DANGLING_MEMBERS)
        evidence = {
            "sight": reconciled.sight.users,
            "method": users.method,
            "countBefore": users.count_before,
            "countAfter": users.count_after,
            "ranges": users.ranges,
            "rangesReread": users.ranges_reread,
            "lateJoiners": users.late_joiners,
            "countsAgreed": reconciled.counts,
            "absentAskedFor": reconciled.asked,
            "absentByCount": reconciled.unasked,
            "loginsLeft": self._collected.logins_left,
        }
        return reasons, evidence

    def _groups(self) -> tuple[list[Reason], dict[str, Any]]:
        groups = self._collected.groups
        sight = self._collected.reconciled.sight.groups
        reasons = sight_reasons(sight)
        if groups is None:
            return reasons, {}
        if not groups.proven:
            reasons.append(Reason.GROUPS_KEPT_CHANGING)
        evidence = {
            "sight": sight,
            "countBefore": groups.count_before,
            "countAfter": groups.count_after,
            "passes": groups.passes,
        }
        return reasons, evidence

    def _memberships(self) -> tuple[list[Reason], dict[str, Any]]:
        differences = self._collected.reconciled.differences
        reasons = list(self._so_far)
        if differences.users:
            reasons.append(Reason.MEMBERSHIPS_DIFFER)
        evidence = {
            "usersThatDiffer": len(differences.users),
            "danglingMembers": len(differences.dangling),
            "usersReread": self._collected.reconciled.users_reread,
        }
        return reasons, evidence
