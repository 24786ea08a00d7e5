"""Groups on their way to envelopes, once all were read."""

from collections.abc import Iterable

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.index import Outcome
from openlane_authentik.emit.envelope import Envelope, Schema
from openlane_authentik.emit.sink import Sink
from openlane_authentik.operations.batches import batched
from openlane_authentik.operations.filter_copy import CopyWriter
from openlane_authentik.operations.scope import Scope, outcome
from openlane_authentik.operations.tally import Tally
from openlane_authentik.records.context import MappingContext
from openlane_authentik.records.group import map_group


async def emit_groups(
    groups: Iterable[RawRecord],
    scope: Scope,
    context: MappingContext,
    sink: Sink,
    copy: CopyWriter | None = None,
) -> tuple[Tally, dict[str, Outcome]]:
    """Map, filter and hand over each group; return the tally, and the outcome of each by its ``pk``.

    The copy, if there is one, is given each group that has one.
    """
    tally = Tally(Schema.GROUP)
    outcomes: dict[str, Outcome] = {}

    def kept() -> Iterable[Envelope]:
        for raw in groups:
            verdict = scope.judge(raw, "pk")
            group = outcome(verdict)
            if isinstance(pk := raw.get("pk"), str):
                outcomes[pk] = group
                if copy is not None:
                    copy.add(pk, raw)
            if verdict.kept:
                yield Envelope(schema=Schema.GROUP, resource=raw["pk"], payload=raw, record=map_group(raw, context))
            else:
                tally.count(group, verdict.reason)
                tally.name(group, verdict.reason, pk)

    for batch in batched(kept()):
        tally.emitted += len(batch)
        await sink.accept(batch)
    await tally.tell(sink)
    return tally, outcomes
