"""Memberships on their way to envelopes: each user's, joined with what became of the group."""

from collections.abc import Mapping

from openlane_authentik.directory.index import DirectoryIndex, Member, Outcome
from openlane_authentik.directory.memberships import Differences
from openlane_authentik.emit.envelope import Envelope, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.batches import BATCH
from openlane_authentik.operations.tally import Tally
from openlane_authentik.records.context import MappingContext
from openlane_authentik.records.membership import map_memberships


async def emit_memberships(
    index: DirectoryIndex, groups: Mapping[str, Outcome], differences: Differences, context: MappingContext, sink: Sink
) -> Tally:
    """Hand over each membership whose account, whose group and which itself passed; return the tally.

    Args:
        index: Every user read, with memberships.
        groups: What became of each group.
        differences: Members named by groups that nobody read count as failed.
        context: Of this run.
        sink: Takes the envelopes.
    """
    tally = Tally(Schema.MEMBERSHIP)
    if unread := sum(differences.dangling.values()):
        tally.count(Outcome.UNNAMED, "member_unknown", unread)

    passed = {group for group, outcome in groups.items() if outcome is Outcome.KEPT}
    waiting: list[Envelope] = []
    for member in index.members():
        kept = [group for group in member.kept if group in passed]
        if member.dropped or len(kept) < len(member.kept):
            _drop(tally, member, groups)
            if tally.untold >= BATCH:
                await tally.tell(sink)
        if not kept:
            continue
        waiting += [
            Envelope(schema=Schema.MEMBERSHIP, resource=group, payload=member.identity, record=record)
            for group, record in zip(kept, map_memberships(member.identity, kept, context), strict=True)
        ]
        tally.emitted += len(kept)
        if len(waiting) >= BATCH:
            await sink.accept(waiting)
            waiting = []
    if waiting:
        await sink.accept(waiting)
    await tally.tell(sink)
    return tally


def _drop(tally: Tally, member: Member, groups: Mapping[str, Outcome]) -> None:
    """Count a user's memberships that are not handed over, and name those which the sink cannot tell by another name.

    Without its account or its group there is no membership, and with its account it is held back.
    """
    for name, itself in [*member.dropped, *((group, Outcome.KEPT) for group in member.kept)]:
        group = groups.get(name, Outcome.UNNAMED)
        outcome, cause = _outcome_of(member.account, itself, group)
        if outcome is not Outcome.KEPT:
            tally.count(outcome, cause)
            if member.account is Outcome.KEPT and group is not Outcome.FILTERED:
                tally.name(outcome, cause, member.identity.get("uid"), name, example=itself is Outcome.FAILED)


def _outcome_of(account: Outcome, itself: Outcome, group: Outcome) -> tuple[Outcome, str]:
    """Return what becomes of a membership, and why: what is out of scope is so whatever failed beside it."""
    match account, itself, group:
        case _, _, Outcome.UNNAMED:
            return Outcome.UNNAMED, "group_unknown"
        case Outcome.FILTERED, _, _:
            return Outcome.FILTERED, "account_filtered"
        case _, _, Outcome.FILTERED:
            return Outcome.FILTERED, "group_filtered"
        case ((Outcome.FAILED | Outcome.UNNAMED), _, _):
            return account, "account_failed"
        case _, Outcome.FILTERED, _:
            return Outcome.FILTERED, "filter"
        case _, (Outcome.FAILED | Outcome.UNNAMED), _:
            return itself, "filter_failed"
        case _, _, Outcome.FAILED:
            return Outcome.FAILED, "group_failed"
        case _:
            return Outcome.KEPT, ""
