"""What reads users, and what takes them: the parts that a full sync, a delta and every release have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize, RawRecord, read_page, user_pk
from openlane_authentik.directory.axis import ACTIVE, EVERYBODY, JOINED, type_trait
from openlane_authentik.directory.counting import Question
from openlane_authentik.directory.index import DirectoryIndex
from openlane_authentik.directory.keyset import USERS, Span
from openlane_authentik.errors import AnswerTooLargeError, InvalidPageError, RequestTimeoutError

_NEWEST_KEYS: Final = 20
_MOST_TYPES: Final = 16


class Accounts(Protocol):
    """Takes users as they are read."""

    @property
    def index(self) -> DirectoryIndex:
        """Everybody known."""
        ...

    @property
    def without_pk(self) -> int:
        """How many users have no usable ``pk``; they are counted by the server and known to nobody."""
        ...

    @property
    def absent(self) -> Sequence[int]:
        """Users handed over or known before, by ``pk``, who are believed to be gone."""
        ...

    async def accept(self, rows: list[RawRecord]) -> int:
        """Take raw users; return how many were not known so."""
        ...

    async def accept_again(self, pk: int, raw: RawRecord) -> None:
        """Take a known user as it is now."""
        ...

    async def gone(self, pk: int) -> None:
        """Take note that a user is gone; the same user may be accepted again later."""
        ...


@dataclass(slots=True)
class UsersEvidence:
    """What speaks for the users being complete.

    Attributes:
        method: ``keyset``, ``passes`` or ``delta``.
        count_before, count_after: What authentik counted before the first read and in the proof.
        ranges: How many spans the users were read in; 1 for passes.
        ranges_reread: How many spans, or whole passes, were read again because counts disagreed.
        late_joiners: Users found only after the reading: created or moved during the run.
        proven: Whether every user who was there all the time was read.
    """

    method: str
    count_before: int = 0
    count_after: int = 0
    ranges: int = 1
    ranges_reread: int = 0
    late_joiners: int = 0
    proven: bool = False


class UserSource(Protocol):
    """Reads the users of one run, and says what the server's counts have to be if it has read everybody."""

    @property
    def evidence(self) -> UsersEvidence:
        """What speaks for it so far."""
        ...

    async def refresh(self) -> bool:
        """Read who was created or moved meanwhile; return whether the users stood still for that."""
        ...

    def questions(self) -> dict[Question, int]:
        """Return what to ask the server, and the numbers that it must give."""
        ...

    async def settle_presence(self) -> None:
        """Find who vanished, where that is known before the server is asked for everything."""
        ...

    async def resolve(self, counted: Mapping[Question, int]) -> bool:
        """Read again where the server's numbers are others; return whether that explains them."""
        ...


def whole_questions(index: DirectoryIndex) -> list[Question]:
    """Return the questions that every release answers: everybody, the active, and each type."""
    everywhere = Span(JOINED)
    # Authentik has four types; a server that shows more has those counted that came first.
    kinds = [type_trait(kind) for kind in index.kinds[:_MOST_TYPES] if kind]
    return [Question(everywhere, trait) for trait in (EVERYBODY, ACTIVE, *kinds)]


async def take_news(accounts: Accounts, rows: list[RawRecord]) -> int:
    """Hand on those rows that are not known so; return how many users are new."""
    index, fresh = accounts.index, []
    for row in rows:
        pk = user_pk(row)
        if pk is None or pk not in index:
            fresh.append(row)
        elif not index.tells(pk, row):
            await accounts.accept_again(pk, row)
    return await accounts.accept(fresh) if fresh else 0


async def read_newest_keys(client: AuthentikClient, accounts: Accounts) -> int:
    """Read the users of the highest ``pk`` until one is known; return how many are new.

    Authentik gives every new user a higher ``pk`` than any before, whatever its clocks say.

    Raises:
        IntegrationError: See ``AuthentikClient.get``.
    """
    new, number, size = 0, 1, PageSize(_NEWEST_KEYS)
    while True:
        try:
            page = await read_page(client, USERS, {"ordering": "-pk", "page": number}, size)
        except InvalidPageError:
            return new
        except (RequestTimeoutError, AnswerTooLargeError):
            # The pages of another size are other pages: the reading begins anew.
            if not size.shrink():
                raise
            number = 1
            continue
        unknown = [row for row in page.rows if user_pk(row) not in accounts.index]
        new += await accounts.accept(unknown) if unknown else 0
        if len(unknown) < len(page.rows) or page.next != number + 1:
            return new
        number += 1


@dataclass(frozen=True, slots=True)
class Beginning:
    """What there was when the reading began.

    Attributes:
        count: How many users.
        highest_pk: The highest ``pk`` of a user; who joins later has a higher one. 0 when nobody can be seen.
    """

    count: int
    highest_pk: int


async def read_beginning(client: AuthentikClient) -> Beginning:
    """Count the users, and find the highest ``pk``.

    Raises:
        IntegrationError: See ``AuthentikClient.get``.
    """
    page = await read_page(client, USERS, {"ordering": "-pk"}, PageSize(1))
    return Beginning(page.count, max((pk for row in page.rows if (pk := user_pk(row)) is not None), default=0))
