"""What is proven of each payload set, and the line that says so."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from openlane_authentik.directory.completeness import EXPLANATIONS, Reason, read_completely, visibility_reasons
from openlane_authentik.directory.index import Outcome
from openlane_authentik.directory.visibility import Extent
from openlane_authentik.emit.envelope import PayloadSetClosing, Removed, RunWarning, Schema
from openlane_authentik.operations.collection import Collected
from openlane_authentik.operations.scope import Scope
from openlane_authentik.operations.tally import EARLIER, MOST_EXAMPLES, Tally


class Verdicts:
    """Gives the reasons that stand against each set, and warns of them; none means proven complete."""

    def __init__(self, collected: Collected, scope: Scope) -> None:
        self._collected = collected
        self._scope = scope
        self._so_far: list[Reason] = []
        # What is to be told of a reason, set by set.
        self._details: dict[Reason, list[str]] = {}

    def close(
        self,
        tally: Tally,
        outcomes: Counter[Outcome] | None = None,
        removed: list[Removed] | None = None,
        *,
        delta: bool = False,
    ) -> PayloadSetClosing:
        """Close a set; to be asked in the order of the sets.

        What stands against accounts or groups stands against the memberships, which are made of both.

        Args:
            tally: What became of its records.
            outcomes: The same of everybody known, unless the tally has it.
            removed: The accounts to be ended.
            delta: Only what changed was handed over.
        """
        schema = tally.schema
        weigh = {
            Schema.ACCOUNT: self._accounts,
            Schema.GROUP: self._groups,
            Schema.MEMBERSHIP: self._memberships,
        }
        reasons, evidence = weigh[schema]()
        reasons += self._of_records(tally, outcomes if outcomes is not None else tally.outcomes)
        self._so_far.extend(reasons)
        complete = read_completely(reasons)
        return PayloadSetClosing(
            schema=schema,
            read_complete=complete,
            snapshot_complete=not reasons and not delta,
            reasons=[*dict.fromkeys(reasons)],
            counts=tally.counts,
            filtered_by=dict(tally.filtered_by),
            failed_by=dict(tally.failed_by),
            scope=self._scope.fingerprint,
            evidence=evidence,
            delta=delta,
            removed=removed if complete else None,
        )

    @property
    def reasons(self) -> set[Reason]:
        """All that stands against any set closed so far."""
        return set(self._so_far)

    def warnings(self) -> Iterator[RunWarning]:
        """Return a warning for each reason, with the kinds and the records that it is about."""
        for reason in Reason:
            if reason in self._so_far:
                details = "; ".join(self._details.get(reason, ()))
                yield RunWarning(code=reason, message=EXPLANATIONS[reason] + (details and f": {details}"))

    def _of_records(self, tally: Tally, outcomes: Counter[Outcome]) -> Iterator[Reason]:
        """Return the reasons that lie in what became of the records, and note what is to be told of them."""
        if outcomes[Outcome.UNNAMED]:
            yield Reason.RECORDS_FAILED
        if outcomes[Outcome.FAILED]:
            yield self._noted(Reason.RECORDS_HELD_BACK, _held_back(tally, outcomes[Outcome.FAILED]))
        if outcomes[Outcome.FILTERED] and not outcomes[Outcome.KEPT]:
            yield self._noted(Reason.FILTER_KEPT_NOTHING, _kept_nothing(tally, outcomes[Outcome.FILTERED]))

    def _noted(self, reason: Reason, detail: str) -> Reason:
        self._details.setdefault(reason, []).append(detail)
        return reason

    def _accounts(self) -> tuple[list[Reason], dict[str, Any]]:
        users = self._collected.users
        reconciled = self._collected.reconciled
        reasons = visibility_reasons(reconciled.visibility.users)
        if not users.proven and reconciled.visibility.users is not Extent.PARTIAL:
            reasons.append(Reason.USERS_KEPT_CHANGING)
        if reconciled.differences.dangling:
            reasons.append(Reason.DANGLING_MEMBERS)
        evidence = {
            "visibility": reconciled.visibility.users,
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
        visibility = self._collected.reconciled.visibility.groups
        reasons = visibility_reasons(visibility)
        if groups is None:
            return reasons, {}
        if not groups.proven:
            reasons.append(Reason.GROUPS_KEPT_CHANGING)
        evidence = {
            "visibility": visibility,
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


def _held_back(tally: Tally, number: int) -> str:
    """Name a few of the records that are held back: by keys, for anything else may be a person's data."""
    examples = [f"{' in '.join(map(repr, key))}: {cause}" for key, cause in tally.examples]
    if examples and number > len(examples):
        examples.append(f"{number - len(examples)} more")
    return _with(f"{number} {tally.schema}", examples)


def _kept_nothing(tally: Tally, number: int) -> str:
    """Return by what a kind was emptied; in a delta most of it was judged before."""
    causes = [f"{times} {cause}" for cause, times in tally.filtered_by.most_common(MOST_EXAMPLES)]
    if number > tally.counts.filtered:
        causes.append(f"{number - tally.counts.filtered} {EARLIER}")
    return _with(f"{number} {tally.schema}", causes)


def _with(what: str, details: list[str]) -> str:
    return f"{what} ({', '.join(details)})" if details else what
