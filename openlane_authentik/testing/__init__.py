"""A fake authentik for tests: the API as measured on real servers, drift, permissions and faults included.

    fake = FakeAuthentik(Directory.generate(users=300, seed=7), release="2025.12")
    async with httpx.AsyncClient(transport=fake.transport(), base_url="http://authentik.example.test") as client:
        answer = await client.get("/api/v3/core/users/", headers=fake.headers("viewer"))

Or over real sockets, with ``openlane-authentik[testing]`` installed:

    with serve(fake) as server:
        httpx.get(f"{server.url}/api/v3/core/users/", headers=fake.headers())

What may happen while it is read, each by itself, before or after the n-th request or at any other time:

    fake.before(4, lambda d: d.delete_user(7))
    fake.told_date = lambda now: now + timedelta(minutes=9)      # a proxy's clock
    fake.directory.set_clock(timedelta(hours=-2))                # the server's own
    pending = fake.directory.begin(lambda d: d.log_in(8))        # stamped now
    fake.after(9, lambda _: pending.commit())                    # visible from here on
    backup = fake.directory.snapshot()
    fake.directory.restore(backup)
    fake.replica = backup                                        # users, groups and users/me are read from it
    fake.reads_replica = lambda request: 5 <= request.number <= 9
    fake.directory.renew_uids()
    fake.locale = "de"
    fake.narrow("viewer")                                        # visibility is lost
    fake.widen("viewer")                                         # and regained
"""

from openlane_authentik.testing.app import FakeAuthentik, Hook, ToldDate
from openlane_authentik.testing.costs import measured_cost
from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.faults import Fault
from openlane_authentik.testing.kinds import KINDS
from openlane_authentik.testing.pending import Pending
from openlane_authentik.testing.releases import RELEASES, Release
from openlane_authentik.testing.requested import Cost, RequestInfo
from openlane_authentik.testing.server import Server, serve
from openlane_authentik.testing.snapshots import Snapshot
from openlane_authentik.testing.state import Clock
from openlane_authentik.testing.transport import FakeTransport

__all__ = [
    "KINDS",
    "RELEASES",
    "Clock",
    "Cost",
    "Directory",
    "FakeAuthentik",
    "FakeTransport",
    "Fault",
    "Hook",
    "Pending",
    "Release",
    "RequestInfo",
    "Server",
    "Snapshot",
    "ToldDate",
    "measured_cost",
    "serve",
]
