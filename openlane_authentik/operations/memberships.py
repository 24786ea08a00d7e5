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
    tally = Tally(Schema.MEMBERSHIP)
    if unread := sum(differences.dangling.values()):
        tally.count(Fate.UNNAMED, "member_unknown", unread)

    passed = {group for group, fate in groups.items() if fate is Fate.KEPT}
    waiting: list[Envelope] = []
    for member in roster.members():
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


def _drop(tally: Tally, member: Member, groups: Mapping[str, Fate]) -> None:
    """Count a user's memberships that are not handed over, and name those which the sink cannot tell by another name.

    Without its account or its group there is no membership, and with its account it is held back.
    """
    for name, itself in [*member.dropped, *((group, Fate.KEPT) for group in member.kept)]:
        group = groups.get(name, Fate.UNNAMED)
        fate, cause = _fate_of(member.account, itself, group)
        if fate is not Fate.KEPT:
            tally.count(fate, cause)
            if member.account is Fate.KEPT and group is not Fate.FILTERED:
                tally.name(fate, cause, member.identity.get("uid"), name, example=itself is Fate.FAILED)


def _fate_of(account: Fate, itself: Fate, group: Fate) -> tuple[Fate, str]:
    """Tell what becomes of a membership, and why: what is out of scope is so whatever failed beside it."""
    match account, itself, group:
        case _, _, Fate.UNNAMED:
            return Fate.UNNAMED, "group_unknown"
        case Fate.FILTERED, _, _:
            return Fate.FILTERED, "account_filtered"
        case _, _, Fate.FILTERED:
            return Fate.FILTERED, "group_filtered"
        case ((Fate.FAILED | Fate.UNNAMED), _, _):
            return account, "account_failed"
        case _, Fate.FILTERED, _:
            return Fate.FILTERED, "filter"
        case _, (Fate.FAILED | Fate.UNNAMED), _:
            return itself, "filter_failed"
        case _, _, Fate.FAILED:
            return Fate.FAILED, "group_failed"
        case _:
            return Fate.KEPT, ""
