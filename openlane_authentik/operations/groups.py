"""Groups on their way to envelopes, once all were read."""

from collections.abc import Iterable

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.roster import Fate
from openlane_authentik.emit.envelope import Envelope, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.batches import batched
from openlane_authentik.operations.scope import Scope, fate
from openlane_authentik.operations.tally import Tally
from openlane_authentik.records.context import MappingContext
from openlane_authentik.records.group import map_group


async def emit_groups(
    groups: Iterable[RawRecord], scope: Scope, context: MappingContext, sink: Sink
) -> tuple[Tally, dict[str, Fate]]:
    """Map, filter and hand over each group; gives the tally, and the fate of each by its ``pk``."""
    tally = Tally()
    fates: dict[str, Fate] = {}
    left_out: list[tuple[str, ...]] = []

    def kept() -> Iterable[Envelope]:
        for raw in groups:
            verdict = scope.judge(raw, "pk")
            if isinstance(pk := raw.get("pk"), str):
                fates[pk] = fate(verdict)
            if verdict.kept:
                yield Envelope(schema=Schema.GROUP, resource=raw["pk"], payload=raw, record=map_group(raw, context))
            else:
                tally.drop(verdict)
                if not verdict.failed:
                    left_out.append((raw["pk"],))

    for batch in batched(kept()):
        tally.emitted += len(batch)
        await sink.accept(batch)
    if left_out:
        await sink.leave_out(Schema.GROUP, left_out)
    return tally, fates
