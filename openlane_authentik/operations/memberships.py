"""Memberships on their way to envelopes: each user's, joined with what became of the group."""

from collections.abc import Iterable, Mapping

from openlane_authentik.directory.memberships import Differences
from openlane_authentik.directory.roster import Fate, Member, Roster
from openlane_authentik.emit.envelope import Envelope, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.batches import batched
from openlane_authentik.operations.tally import Tally
from openlane_authentik.records.context import MappingContext
from openlane_authentik.records.membership import map_membership


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

    def kept() -> Iterable[Envelope]:
        for member in roster.members():
            for group, fate in zip(member.groups, member.fates, strict=True):
                if fate is Fate.KEPT and groups.get(group) is Fate.KEPT and member.identity is not None:
                    record = map_membership(member.identity, group, context)
                    yield Envelope(schema=Schema.MEMBERSHIP, resource=group, payload=member.identity, record=record)
                else:
                    _count_dropped(tally, member, fate, groups.get(group))

    for batch in batched(kept()):
        tally.emitted += len(batch)
        await sink.accept(batch)
    return tally


def _count_dropped(tally: Tally, member: Member, fate: Fate, group: Fate | None) -> None:
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
    else:
        tally.filtered_by["group_filtered"] += 1
