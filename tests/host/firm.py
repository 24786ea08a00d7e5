"""A small firm whose directory a host syncs: staff, guests, and two groups."""

import sys
from typing import Any

from openlane_authentik import Schema
from openlane_authentik.host.host import Host
from openlane_authentik.testing import Directory, FakeAuthentik
from tests.host.in_process import InProcess, changes_of, kinds_of, save_in_process, stored, sync_now, with_definition
from tests.support import SimulatedClock


class Firm:
    """A host that syncs a small firm: two groups, staff in both, guests in the second."""

    def __init__(self, host: Host, clock: SimulatedClock, *, staff: int = 12, guests: int = 3, **request: Any) -> None:
        self._clock = clock
        self.directory = Directory(clock=clock.now)
        self.fake = FakeAuthentik(self.directory, sleep=clock.sleep)
        self.everybody = self.directory.create_group("Everybody")
        self.sales = self.directory.create_group("Sales")
        self.fake.token()
        self.people: dict[str, int] = {}
        for number in range(staff):
            self.hire(f"staff-{number}", "internal", self.everybody, self.sales)
        for number in range(guests):
            self.hire(f"guest-{number}", "external", self.sales)
        self.host = with_definition(host, InProcess(self.fake, clock))
        self.saved = save_in_process(self.host, self.fake, **request)

    def hire(self, username: str, kind: str, *groups: str, **fields: Any) -> None:
        fields = {"name": username} | fields
        self.people[username] = self.directory.create_user(username=username, type=kind, groups=groups, **fields)

    def uid(self, name: str) -> str:
        uid: str = self.directory.users[self.people[name]]["uid"]
        return uid

    def save(self, **request: Any) -> None:
        """Save as somebody who confirms whatever the change takes out of the directory."""
        request = {"confirmed": sys.maxsize} | request
        save_in_process(self.host, self.fake, installation_id=self.saved.id, **request)

    def sync(self) -> dict[tuple[str, str, str], str]:
        """Sync some minutes later; return what the run logged."""
        self._clock.elapsed += 600
        run = sync_now(self.host, self.saved.id)
        assert run.exit_code == 0, run
        self.mode = run.mode
        return kinds_of(changes_of(self.host, self.saved.id, run_id=run.id))

    def there(self) -> dict[Schema, int]:
        return {schema: len(records) for schema, records in stored(self.host, self.saved.id).items()}
