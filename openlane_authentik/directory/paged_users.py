"""Users by page numbers, for releases before 2025.8 and servers that ignore filters: read until two passes agree."""

from collections.abc import Callable, Mapping

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.axis import JOINED, Axis
from openlane_authentik.directory.counting import Question
from openlane_authentik.directory.keyset import USERS
from openlane_authentik.directory.passes import PagedList
from openlane_authentik.directory.users import Accounts, UsersEvidence, read_newest_keys, take_news, whole_questions


class PagedUsers:
    """Reads users by page numbers.

    Args:
        client: Of this run.
        accounts: Takes the users.
        page_size: Rows asked for at a time.
        width: Requests at a time.

    Attributes:
        evidence: What speaks for everybody being known.
    """

    def __init__(self, client: AuthentikClient, accounts: Accounts, page_size: int, width: int) -> None:
        self.evidence = UsersEvidence("passes")
        self._client = client
        self._accounts = accounts
        self._list = PagedList(client, USERS, {"ordering": "pk"}, page_size, width)
        self._steady = False

    async def read_all(self, told: Callable[[], None] = lambda: None) -> None:
        """Read passes until two in a row agree; who is known and not among them is gone.

        Args:
            told: Called after every page.

        Raises:
            IntegrationError: See ``AuthentikClient.get``.
        """

        async def take(rows: list[RawRecord]) -> int:
            new = await take_news(self._accounts, rows)
            told()
            return new

        self._steady = await self._list.read_until_proven(take)
        # Two passes are the method; whatever came on top was read again.
        self.evidence.ranges_reread = max(0, self._list.passes - 2)
        if self._steady and self._list.last is not None:
            for pk in self._accounts.index.pks - self._list.last.keys:
                await self._accounts.gone(pk)

    async def refresh(self) -> bool:
        """Read who was created meanwhile; return whether the last passes agreed.

        Raises:
            IntegrationError: See ``AuthentikClient.get``.
        """
        self.evidence.late_joiners += await read_newest_keys(self._client, self._accounts)
        return self._steady

    def questions(self) -> dict[Question, int]:
        """Return the counts that every release knows, and what they must be."""
        if self._accounts.without_pk:
            return {}
        known = Axis(JOINED, self._accounts.index)
        return {
            question: known.count(question.span, question.trait) for question in whole_questions(self._accounts.index)
        }

    async def settle_presence(self) -> None:
        """Do nothing: two passes that agree have settled it."""

    async def resolve(self, _counted: Mapping[Question, int]) -> bool:
        """Read passes again.

        Raises:
            IntegrationError: See ``AuthentikClient.get``.
        """
        await self.read_all()
        return False
