"""Do several pieces of work at a time, and fail as one would alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from openlane_authentik.errors import IntegrationError

Work = Callable[[], Awaitable[None]]


async def side_by_side(pieces: Iterable[Work], width: int) -> None:
    """Do all pieces, ``width`` of them at a time; the first failure ends the others and is raised by itself.

    A piece begins only when another has ended, so that what is read waits for what is written.

    Raises:
        IntegrationError: Whatever the first piece that failed raised.
    """
    waiting = iter(pieces)

    async def worker() -> None:
        for piece in waiting:
            await piece()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(worker())
    except BaseExceptionGroup as failures:
        raise _first(failures) from None


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    leaves = list(_leaves(failures))
    return next((leaf for leaf in leaves if isinstance(leaf, IntegrationError)), leaves[0])


def _leaves(failure: BaseException) -> Iterable[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for inner in failure.exceptions:
            yield from _leaves(inner)
    else:
        yield failure
