"""A second integration, of another provider, is synced without any change in the host."""

import asyncio
from collections.abc import Iterator

import pytest

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host import runs, sync
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import SaveRequest, save
from openlane_authentik.host.providers import Providers
from openlane_authentik.host.runs import Run
from openlane_authentik.host.store.lists import list_changes, list_records
from tests.host.tiny_integration import BADGES, ID, definition
from tests.support import SimulatedClock


@pytest.fixture
def badge_host(settings: HostSettings, clock: SimulatedClock) -> Iterator[Host]:
    """A host that knows the badges only."""
    host = open_host(settings, clock=clock, providers=Providers({ID: definition}))
    yield host
    host.close()
    BADGES.clear()


def _sync(host: Host, installation_id: str) -> Run:
    with transaction(host.database) as held:
        run_id = runs.request_run(held, installation_id, "manual", host.clock.now())
    assert run_id is not None
    assert asyncio.run(sync.execute(host, run_id, 1, "worker")) == "completed"
    with transaction(host.database) as held:
        return runs.get_run(held, run_id)


def test_another_integration_is_synced_as_it_is(badge_host: Host, clock: SimulatedClock) -> None:
    """Records without moments, without groups and without a delta come, change and go, each told by the change log."""
    BADGES.update({"1": "Ada", "2": "Grace", "3": "Edsger"})
    request = SaveRequest(organisation="lodge", credential={"pass": "open sesame"})
    shown = asyncio.run(save(badge_host, ID, request))
    _sync(badge_host, shown.id)
    clock.elapsed += 60
    BADGES.update({"2": "Grace H.", "4": "Barbara"})
    del BADGES["3"]
    run = _sync(badge_host, shown.id)
    page = list_changes(badge_host.database, shown.id, run_id=run.id)
    assert {(line.external_id, line.kind) for line in page.items} == {
        ("2", "changed"),
        ("3", "removed"),
        ("4", "added"),
    }
    present = list_records(badge_host.database, Schema.ACCOUNT, shown.id)
    assert [record.external_id for record in present.items] == ["1", "4", "2"]
    assert {record.last_confirmed_run_id for record in present.items} == {run.id}
