"""Hold everything read against the server until both agree, or it is plain that they will not.

read what is new  ->  both sides of the memberships  ->  testimony (proof.py)  ->  agreed, or read again where not
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.releases import Release
from openlane_authentik.directory.counting import EVERYONE, Question
from openlane_authentik.directory.groups import GroupReader
from openlane_authentik.directory.memberships import Differences, compare_memberships
from openlane_authentik.directory.proof import UNTOLD, Testimony, take_testimony
from openlane_authentik.directory.settling import MOST_ASKED, settle_memberships
from openlane_authentik.directory.side_by_side import Work, side_by_side
from openlane_authentik.directory.users import Accounts, UserSource
from openlane_authentik.directory.visibility import Extent, Visibility

MOST_ROUNDS: Final = 6


@dataclass(slots=True)
class Reconciled:
    """What the server said last, and what it was held against.

    Attributes:
        visibility: What the token could see.
        agreed: Whether every count of users was as it had to be, and nobody believed to be absent was there.
        differences: Between both sides of the memberships, after what differed was read again.
        users_reread: How many users were read again for that.
        count: How many users the server counted.
        counts: How many counts agreed.
        asked: How many users believed to be absent were asked for by ``pk``, and were not there.
        unasked: How many more are shown to be absent by the counts alone.
    """

    visibility: Visibility
    agreed: bool = False
    differences: Differences = field(default_factory=Differences)
    users_reread: int = 0
    count: int = 0
    counts: int = 0
    asked: int = 0
    unasked: int = 0


class Reconciler:
    """Reconciles one run.

    Args:
        client: Of this run.
        release: Of the server.
        users: Reads them.
        accounts: Takes them.
        groups: Not read yet; None when they are not synced.
        width: Requests at a time.
        own_uid: The ``uid`` of the token's account when the run began.
        highest_pk: Of the users when the run began; who has a higher one joined since.
    """

    def __init__(
        self,
        client: AuthentikClient,
        release: Release | None,
        users: UserSource,
        accounts: Accounts,
        groups: GroupReader | None,
        width: int,
        *,
        own_uid: str,
        highest_pk: int,
    ) -> None:
        self._client = client
        self._release = release
        self._users = users
        self._accounts = accounts
        self._groups = groups
        self._width = width
        self._own_uid = own_uid
        self._highest_pk = highest_pk

    async def run(self, visibility: Visibility, *beside: Callable[[], Awaitable[None]]) -> Reconciled:
        """Read again until everything agrees, a few rounds at most.

        Args:
            visibility: What the token could see when the run began.
            beside: More to be read in the first round.

        Raises:
            UnsettledError: See ``UserSource``.
            FilterIgnoredError: See ``UserSource``.
            IntegrationError: See ``AuthentikClient.get``.
        """
        found = Reconciled(visibility)
        steady: list[bool] = []

        async def refresh() -> None:
            steady.append(await self._users.refresh())

        async def read_groups() -> None:
            if self._groups is not None:
                await self._groups.read()

        work: list[Work] = [refresh, read_groups, *beside]
        for _ in range(MOST_ROUNDS):
            await side_by_side(work, max(1, len(work)))
            await self._settle(found)
            await self._users.settle_presence()
            expected = self._users.questions()
            testimony = await self._testimony(found, expected.keys())
            found.visibility = testimony.visibility
            found.agreed = steady[-1] and testimony.counted == expected and not testimony.present
            found.agreed &= testimony.uids == {self._own_uid}
            found.count = testimony.counted.get(EVERYONE, 0)
            found.counts = len(testimony.counted) if found.agreed else 0
            groups_agree = self._groups_agree(testimony)
            untold = UNTOLD in testimony.counted.values()
            if (found.agreed and groups_agree) or untold or testimony.visibility.users is Extent.PARTIAL:
                break
            for pk, raw in testimony.present.items():
                await self._accounts.accept_again(pk, raw)
            explained = testimony.counted == expected or await self._users.resolve(testimony.counted)
            work = [] if explained and steady[-1] else [refresh]
            work += [] if groups_agree else [read_groups]
        return found

    async def _settle(self, found: Reconciled) -> None:
        if self._groups is None:
            return
        if Extent.PARTIAL in (found.visibility.users, found.visibility.groups):
            # Reading again would show no more.
            found.differences = compare_memberships(self._accounts.index, self._groups.rows())
            return
        found.differences, more = await settle_memberships(self._client, self._accounts, self._groups, self._width)
        found.users_reread += more
        # Who joined during the run belongs to the next one.
        late = [pk for pk in found.differences.dangling if pk > self._highest_pk]
        for pk in late:
            del found.differences.dangling[pk]

    async def _testimony(self, found: Reconciled, questions: Iterable[Question]) -> Testimony:
        absent = () if found.visibility.users is Extent.PARTIAL else self._accounts.absent
        asked = absent[:MOST_ASKED]
        found.asked, found.unasked = len(asked), len(absent) - len(asked)
        return await take_testimony(
            self._client,
            self._release,
            questions,
            self._width,
            with_groups=self._groups is not None,
            absent=asked,
        )

    def _groups_agree(self, testimony: Testimony) -> bool:
        if self._groups is None or testimony.groups is None:
            return True
        self._groups.hold_against(testimony.groups)
        return self._groups.proven
