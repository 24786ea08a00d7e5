"""The demo's second half: a host syncs the fake on its schedule, and finds what happened meanwhile."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from rich.console import Console
from rich.text import Text

from openlane_authentik.clock import SystemClock
from openlane_authentik.definition import definition
from openlane_authentik.host import runs, sync
from openlane_authentik.host.cli.names import names_of
from openlane_authentik.host.cli.tables import changes_table, say, tell_run
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.errors import RunLostError
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import SaveRequest, save
from openlane_authentik.host.runs import Run
from openlane_authentik.host.scheduling.engine import Engine
from openlane_authentik.host.store.lists import list_changes
from openlane_authentik.settings import UserInput
from openlane_authentik.testing import Directory, Server

_EVERY: Final = timedelta(hours=1)
_TICK_SECONDS: Final = 0.2
_MOST_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05
_OWN_FILES: Final = ("host.sqlite*", "engine.sqlite*", "host.key*")


class _DemoSettings(HostSettings):
    """Settings that no environment and no file reach into."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library names its parameters
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class _DemoClock(SystemClock):
    """The host's time, which the demo moves on so that nobody has to wait for the schedule."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def show_host(console: Console, server: Server, token: str, user_input: UserInput, folder: Path) -> None:
    """Connect the fake to a host of its own, and let the schedule run twice.

    Args:
        console: Where to show it.
        server: The fake.
        token: To read it with.
        user_input: Of the installation.
        folder: Where the host's files are made anew.

    Raises:
        HostError: The host cannot do its work here.
    """
    clock = _DemoClock()
    with _fresh_host(folder, clock) as host:
        _heading(console, f"4. A host syncs it every hour, into {folder / 'host.sqlite'}. Its first run:")
        request = SaveRequest(
            organisation="demo",
            credential={"baseUrl": server.url, "token": token},
            user_input=user_input.model_dump(by_alias=True, exclude_defaults=True),
            frequency_seconds=int(_EVERY.total_seconds()),
        )
        installation_id = asyncio.run(save(host, definition.spec.id, request)).id
        with _working(host):
            tell_run(console, _await_run(host, installation_id, 1))
            _heading(console, "5. Meanwhile in authentik:")
            for event in live_on(server.fake.directory):
                say(console, f"   {event}")
            clock.ahead += _EVERY
            _heading(console, "An hour later by the demo's clock, the schedule runs again. Its change log:")
            run = _await_run(host, installation_id, 2)
        page = list_changes(host.database, installation_id, run_id=run.id)
        console.print(changes_table(page.items, names_of(host, installation_id, page.items), with_time=False))
        say(console, f"=> run {run.number} {run.status}, by {run.trigger}, {run.mode}", style="bold")


def live_on(directory: Directory) -> Iterator[str]:
    """Let somebody leave, somebody get a new name, somebody join, and somebody change teams; tells each."""
    groups = {pk: set(directory.raw_user(pk)["groups"]) for pk in directory.users}
    people = [
        pk
        for pk, user in directory.users.items()
        if user["type"] == "internal" and user["is_active"] and user["name"].isascii() and groups[pk]
    ]
    people.sort(key=lambda pk: (len(groups[pk]), pk))
    leaver, renamed, moved = (people[place] if place < len(people) else None for place in range(3))
    if leaver is not None:
        yield f"{directory.users[leaver]['name']} leaves"
        directory.delete_user(leaver)
    if renamed is not None:
        name = directory.users[renamed]["name"]
        directory.update_user(renamed, name=f"{name} Miller")
        yield f"{name} marries and is called {name} Miller"
    directory.create_user(username="jo.newcomer", name="Jo Newcomer", email="jo.newcomer@example.test")
    yield "Jo Newcomer joins"
    if moved is not None and (others := sorted(set(directory.groups) - groups[moved])):
        left = min(groups[moved])
        directory.set_user_groups(moved, [*(groups[moved] - {left}), others[0]])
        old, new = (directory.groups[pk]["name"] for pk in (left, others[0]))
        yield f"{directory.users[moved]['name']} moves from {old} to {new}"


@contextmanager
def _fresh_host(folder: Path, clock: _DemoClock) -> Iterator[Host]:
    for pattern in _OWN_FILES:
        for file in folder.glob(pattern):
            file.unlink()
    host = open_host(_DemoSettings(data_dir=folder, tick_seconds=_TICK_SECONDS), clock=clock)
    try:
        yield host
    finally:
        host.close()


@contextmanager
def _working(host: Host) -> Iterator[None]:
    """Run the host's own worker until the block ends."""
    engine = Engine(host, sync.execute)
    engine.start()
    # A run is over by the ledger a moment before it is for the engine below, which warns when it is stopped then.
    logging.getLogger("dbos").setLevel(logging.ERROR)
    try:
        yield
    except BaseException:
        engine.stop(0)
        raise
    engine.stop()


def _await_run(host: Host, installation_id: str, number: int) -> Run:
    """Wait for the schedule's run of this number to end.

    Raises:
        RunLostError: It did not come to its end.
    """
    deadline = time.monotonic() + _MOST_SECONDS
    while time.monotonic() < deadline:
        with reading(host.database) as held:
            found = runs.list_runs(held, installation_id, limit=1)
        if found and found[0].number == number and found[0].status not in runs.ACTIVE:
            return found[0]
        time.sleep(_LOOK_SECONDS)
    raise RunLostError(f"run {number} of the demo did not end within {_MOST_SECONDS:.0f} s")


def _heading(console: Console, text: str) -> None:
    console.print(Text(f"\n{text}", style="bold"))
