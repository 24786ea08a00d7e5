"""Memberships on their way to envelopes: each user's, joined with what became of the group."""

from collections.abc import Mapping

from openlane_authentik.directory.memberships import Differences
from openlane_authentik.directory.roster import Fate, Member, Roster
from openlane_authentik.emit.envelope import Envelope, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.batches import BATCH
from openlane_authentik.operations.tally import Tally
from openlane_authentik.records.context import MappingContext
from openlane_authentik.records.membership import map_memberships


async def emit_memberships(
    roster: Roster, groups: Mapping[str, Fate], differences: Differences, context: MappingContext, sink: Sink
) -> Tally:
    """Hand over each membership whose account, whose group and which itself passed; gives the tally.

    Args:
        roster: Every user read, with memberships.
        groups: What became of each group.
        differences: Members named by groups that nobody read count as failed.
        context: Of this run.
        sink: Takes the envelopes.
    """
    tally = Tally()
    if unread := sum(differences.dangling.values()):
        tally.failed_by["member_unknown"] += unread

    passed = {group for group, fate in groups.items() if fate is Fate.KEPT}
    waiting: list[Envelope] = []
    left_out: list[tuple[str, ...]] = []
    for member in roster.members():
        kept = [group for group in member.kept if group in passed]
        if member.dropped or len(kept) < len(member.kept):
            _count_dropped(tally, member, groups)
            left_out += [
                (member.identity["uid"], group)
                for group, fate in member.dropped
                if fate is Fate.FILTERED and member.account is Fate.KEPT and group in passed
            ]
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
    if left_out:
        await sink.leave_out(Schema.MEMBERSHIP, left_out)
    return tally


def _count_dropped(tally: Tally, member: Member, groups: Mapping[str, Fate]) -> None:
    for name, fate in [*member.dropped, *((group, Fate.KEPT) for group in member.kept)]:
        group = groups.get(name)
        if group is None:
            tally.failed_by["group_unknown"] += 1
        elif member.account is Fate.FAILED:
            tally.failed_by["account_failed"] += 1
        elif member.account is Fate.FILTERED:
            tally.filtered_by["account_filtered"] += 1
        elif fate is Fate.FAILED:
            tally.failed_by["filter_failed"] += 1
        elif fate is Fate.FILTERED:
            tally.filtered_by["filter"] += 1
        elif group is Fate.FAILED:
            tally.failed_by["group_failed"] += 1
        elif group is Fate.FILTERED:
            tally.filtered_by["group_filtered"] += 1
