"""The counts that prove, taken between two looks at what the token may see, with nothing else between them.

A token that sees a part gets the count of that part. Counts alone therefore prove nothing: the token must be shown to
see everything just before and just after them.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import RawRecord, read_count, read_user
from openlane_authentik.authentik.releases import Release
from openlane_authentik.directory.counting import Question, count_users
from openlane_authentik.directory.groups import GROUPS, LEAN
from openlane_authentik.directory.keyset import FilterIgnoredError
from openlane_authentik.directory.side_by_side import Work, side_by_side
from openlane_authentik.directory.visibility import Visibility, read_me, read_visibility
from openlane_authentik.errors import NotFoundError, ParameterRefusedError

# Stands for the count of a trait that the server does not filter by.
UNTOLD: Final = -1


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the server said between the two looks.

    Attributes:
        visibility: What the token saw, before and after: the lesser of both.
        uids: The ``uid`` of the token's own account, before and after.
        counted: Its number for each question.
        groups: How many groups it counts; None if that was not asked.
        present: Of those believed to be absent, who is there.
    """

    visibility: Visibility
    uids: frozenset[str]
    counted: dict[Question, int]
    groups: int | None
    present: dict[int, RawRecord]


async def take_testimony(
    client: AuthentikClient,
    release: Release | None,
    questions: Iterable[Question],
    width: int,
    *,
    with_groups: bool,
    absent: Collection[int],
) -> Testimony:
    """Look, count and ask, and look again.

    Args:
        client: Of this run.
        release: Of the server.
        questions: What to count.
        width: Requests at a time.
        with_groups: Whether to count the groups.
        absent: Users to be asked for by ``pk``.

    Raises:
        FilterIgnoredError: See ``count_users``.
        IntegrationError: See ``AuthentikClient.get``.
    """
    counted: dict[Question, int] = {}
    groups: list[int] = []
    present: dict[int, RawRecord] = {}

    async def count(question: Question) -> None:
        try:
            counted[question] = await count_users(client, question)
        except (FilterIgnoredError, ParameterRefusedError):
            # Without its spans nothing can be read along dates; without a trait nothing can be proven by it.
            if question.span.params():
                raise
            counted[question] = UNTOLD

    async def count_groups() -> None:
        groups.append(await read_count(client, GROUPS, LEAN))

    async def ask_for(pk: int) -> None:
        with suppress(NotFoundError):
            present[pk] = await read_user(client, pk)

    before = await read_me(client)
    seen = await read_visibility(client, before, release)
    work: list[Work] = [partial(count, question) for question in questions]
    work += [partial(ask_for, pk) for pk in sorted(absent)]
    work += [count_groups] if with_groups else []
    await side_by_side(work, width)
    after = await read_me(client)
    visibility = seen.lesser(await read_visibility(client, after, release))
    uids = frozenset({before.uid, after.uid})
    return Testimony(visibility, uids, counted, groups[0] if groups else None, present)
