"""Each row of the table in docs/explanation/failures.md is what happens."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from openlane_authentik import DirectorySyncConfig, Envelope, IntegrationError, Schema, SyncRun, UserInput
from openlane_authentik.emit.output import open_output
from openlane_authentik.errors import OutputError
from openlane_authentik.testing import Directory, FakeAuthentik, Fault
from openlane_authentik.testing.answers import Answer
from openlane_authentik.testing.faults import Outcome, When
from tests.documents import read
from tests.support import KeepingSink, SimulatedClock, connect

PAGES = DirectorySyncConfig(page_size=20)


NO_PERMISSION = '{"detail": "You do not have permission to perform this action."}'
REFUSED = '{"detail": "Token invalid/expired"}'


def _is_users_page(path: str, query: Any) -> bool:
    return path.endswith("/core/users/") and "ordering" in query


def _is_groups_page(path: str, query: Any) -> bool:
    return path.endswith("/core/groups/") and "ordering" in query


class Scene:
    """A fake of 100 users on a simulated clock, and what a sync of it came to."""

    def __init__(self, **options: Any) -> None:
        self.clock = SimulatedClock()
        self.directory = Directory.generate(users=100, groups=6, seed=3, clock=self.clock.now)
        self.fake = FakeAuthentik(self.directory, sleep=self._no_wait, **options)
        self.fake.headers()
        self.sink = KeepingSink()

    async def _no_wait(self, seconds: float) -> None:
        self.clock.elapsed += seconds

    def sync(self, kind: str = "viewer", user_input: UserInput | None = None, **config: Any) -> SyncRun:
        options = PAGES.model_copy(update=config)
        integration = connect(self.fake, kind, self.clock)
        return asyncio.run(integration.directory_sync(self.sink, user_input, options)).run

    def fails(self, kind: str = "viewer", **config: Any) -> IntegrationError:
        with pytest.raises(IntegrationError) as caught:
            self.sync(kind, **config)
        assert not any(closing.snapshot_complete for closing in self.sink.closings.values())
        return caught.value

    def once(self, meant: When, change: Callable[[Directory], object]) -> When:
        """Return a condition that changes the directory at the first request it is meant for, and never holds."""
        waiting = [change]

        def condition(path: str, query: Any) -> bool:
            if waiting and meant(path, query):
                waiting.pop()(self.directory)
            return False

        return condition

    def forge_groups(self, forge: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let every page of groups tell something else than the directory has."""

        def forged(answer: Answer) -> Outcome:
            page = msgspec.json.decode(answer.body)
            page["results"] = [forge(row) for row in page["results"]]
            return Outcome(replace(answer, body=msgspec.json.encode(page)))

        self.fake.inject(Fault("forged", forged), when=_is_groups_page, times=None)

    def evidence(self, schema: Schema, key: str) -> Any:
        return self.sink.closings[schema].evidence[key]

    def reasons(self) -> set[str]:
        return {reason for closing in self.sink.closings.values() for reason in closing.reasons}


def _sends_again() -> None:
    for fault in (
        Fault.reset(),
        Fault.slow(1000),
        Fault.status(429, retry_after=7),
        Fault.status(502),
        Fault.status(503),
        Fault.status(504),
        Fault.cut_body(),
    ):
        scene = Scene()
        scene.fake.inject(fault, nth=9)
        assert scene.sync().exit_code == 0
        scene = Scene()
        scene.fake.inject(fault, nth=9, times=None)
        assert scene.fails().exit_code == 75


def _server_failed() -> None:
    scene = Scene()
    scene.fake.inject(Fault.status(500), nth=9)
    assert scene.sync().exit_code == 0
    scene = Scene()
    scene.fake.inject(Fault.status(500), nth=9, times=None)
    error = scene.fails()
    assert (error.exit_code, error.code) == (75, "server_failed")
    assert len(scene.fake.requests) < 9 + 2 * PAGES.concurrency


def _wrong_endpoint() -> None:
    for fault, code in (
        (Fault.html(), "not_authentik"),
        (Fault.redirect("https://elsewhere.example.test/"), "redirected"),
        (Fault.status(404, html=True), "not_authentik"),
    ):
        scene = Scene()
        scene.fake.inject(fault, nth=9)
        assert scene.sync().exit_code == 0
        scene = Scene()
        scene.fake.inject(fault, nth=9, times=None)
        error = scene.fails()
        assert (error.exit_code, error.code) == (78, code)


def _token_refused() -> None:
    assert Scene().fails("expired").code == "token_rejected"
    scene = Scene()
    scene.fake.inject(Fault.status(403, body=REFUSED), nth=9)
    assert scene.sync().exit_code == 0
    scene = Scene()
    scene.fake.inject(Fault.status(403, body=REFUSED), nth=9, times=None)
    error = scene.fails()
    assert (error.exit_code, error.code) == (77, "token_rejected")
    scene = Scene()
    scene.fake.before(9, lambda _: scene.fake.tokens.permit("viewer"))
    error = scene.fails()
    assert (error.exit_code, error.code) == (77, "no_permission_users")


def _users_come_and_go() -> None:
    scene = Scene()
    for number in range(9, 12):
        scene.fake.after(number, lambda directory: directory.delete_user(next(iter(directory.users))))
        scene.fake.after(number, lambda directory: directory.create_user())
    assert scene.sync().exit_code == 0
    assert scene.evidence(Schema.ACCOUNT, "absentAskedFor") >= 1


def _without_end() -> None:
    scene = Scene(release="2025.6")
    for number in range(1, 2000):
        scene.fake.after(number, lambda directory: directory.create_user())
    run = scene.sync()
    assert run.exit_code == 75
    assert "users_kept_changing" in scene.reasons()
    scene = Scene()
    for number in range(1, 400):
        scene.fake.after(number, partial(Directory.create_group, name=f"g{number}"))
    assert scene.sync().exit_code == 75
    assert "groups_kept_changing" in scene.reasons()


def _filter_ignored() -> None:
    scene = Scene()
    scene.fake.inject(Fault.ignored_filter(), when=_is_users_page, times=None)
    assert scene.sync().exit_code == 0
    assert scene.evidence(Schema.ACCOUNT, "method") == "passes"


def _sides_differ() -> None:
    scene = Scene()
    group = next(iter(scene.directory.groups))
    outsider = next(pk for pk in scene.directory.users if group not in scene.directory.raw_user(pk)["groups"])
    # Between the reading of users and the first pass over groups.
    scene.fake.inject(Fault.slow(0), when=scene.once(_is_groups_page, lambda d: d.add_member(group, outsider)))
    assert scene.sync().exit_code == 0
    assert scene.evidence(Schema.MEMBERSHIP, "usersReread") == 1
    scene = Scene()
    scene.forge_groups(lambda row: row | {"users": row["users"][1:]})
    assert scene.sync().exit_code == 75
    assert "memberships_differ" in scene.reasons()


def _unlisted_members() -> None:
    scene = Scene()
    # Somebody of a key below the highest; who has a higher one joined meanwhile.
    scene.forge_groups(lambda row: row | {"users": [*row["users"], 2, 999_999]})
    assert scene.sync().exit_code == 75
    assert "dangling_members" in scene.reasons()
    assert scene.sink.closings[Schema.MEMBERSHIP].failed_by["member_unknown"] == len(scene.directory.groups)


def _sees_a_part() -> None:
    scene = Scene()
    assert scene.sync("object_level").exit_code == 77
    assert "partial_visibility" in scene.reasons()
    scene = Scene(release="2025.6")
    scene.fake.inject(Fault.status(403, body=NO_PERMISSION), when=lambda path, _: "/rbac/" in path, times=None)
    assert scene.sync().exit_code == 75
    assert "visibility_unproven" in scene.reasons()


def _records_fail() -> None:
    for raw in ({"uid": ""}, {"uid": None}):
        scene = Scene()
        scene.directory.users[next(iter(scene.directory.users))].update(raw)
        assert scene.sync().exit_code == 75
        assert scene.sink.closings[Schema.ACCOUNT].failed_by == {"no_uid": 1}
        assert len(scene.sink.of(Schema.ACCOUNT)) == len(scene.directory.users) - 1
        assert scene.reasons() == {"records_failed"}


def _filter_fails() -> None:
    scene = Scene()
    run = scene.sync(user_input=UserInput(filter_expr="payload.attributes.employeeNumber > 7"))
    assert run.exit_code == 0
    assert "records_held_back" in [warning.code for warning in run.warnings]
    accounts = scene.sink.closings[Schema.ACCOUNT]
    assert (accounts.read_complete, accounts.snapshot_complete) == (True, False)
    assert len(scene.sink.held_back[Schema.ACCOUNT]) == accounts.counts.failed > 0


def _filter_keeps_nobody() -> None:
    for expression in ("payload.type == 'internal'", "payload.is_activ == true", "resource == 'x'"):
        scene = Scene()
        run = scene.sync(user_input=UserInput(filter_expr=expression))
        assert run.exit_code == 0
        assert "filter_kept_nothing" in [warning.code for warning in run.warnings]
        assert all(closing.read_complete for closing in scene.sink.closings.values())
        assert not scene.sink.closings[Schema.GROUP].snapshot_complete
        assert not scene.sink.closings[Schema.MEMBERSHIP].snapshot_complete


def _time_passes(folder: Path) -> None:
    scene = Scene()
    scene.fake.inject(Fault.status(503, retry_after=90), nth=9)
    error = scene.fails(timeout_seconds=60)
    assert (error.exit_code, error.code) == (75, "deadline_exceeded")
    _file_stays(folder, error)


def _output_breaks(folder: Path) -> None:
    class Full(KeepingSink):
        async def accept(self, envelopes: Sequence[Envelope]) -> None:
            raise OSError(28, "No space left on device", len(envelopes))

    output = folder / "kept.ndjson"
    output.write_text("before", encoding="utf-8")
    scene = Scene()
    with pytest.raises(OutputError) as caught, open_output(output):
        asyncio.run(connect(scene.fake, clock=scene.clock).directory_sync(Full()))
    assert (caught.value.exit_code, caught.value.code) == (78, "output_unwritable")
    assert output.read_text(encoding="utf-8") == "before"


def _interrupted(folder: Path) -> None:
    _file_stays(folder, KeyboardInterrupt())


def _file_stays(folder: Path, error: BaseException) -> None:
    output = folder / "kept.ndjson"
    output.write_text("before", encoding="utf-8")
    with pytest.raises(type(error)):
        _write_half(output, error)
    assert output.read_text(encoding="utf-8") == "before"
    assert list(folder.iterdir()) == [output]


def _write_half(output: Path, error: BaseException) -> None:
    with open_output(output) as file:
        file.write(b"half")
        raise error


# By the first column of the table.
ROWS: dict[str, Callable[..., None]] = {
    "no connection, a reset, a timeout, 429, 502-504, a cut answer": _sends_again,
    "another 5xx": _server_failed,
    "HTML, a redirect, a wrong path, TLS, a 400 or 401, JSON of another shape": _wrong_endpoint,
    "the token is refused or loses its permission meanwhile": _token_refused,
    "users come and go while they are read": _users_come_and_go,
    "they do so without end": _without_end,
    "a filter or an ordering is silently ignored": _filter_ignored,
    "users and groups tell different memberships": _sides_differ,
    "groups name users nobody lists": _unlisted_members,
    "the token sees a part": _sees_a_part,
    "a record without `uid` or `pk`": _records_fail,
    "a record on which the filter fails": _filter_fails,
    "a filter that keeps no group, or nobody": _filter_keeps_nobody,
    "the time limit passes": _time_passes,
    "the output cannot be written": _output_breaks,
    "Ctrl-C": _interrupted,
}


def test_every_row_of_the_table_has_a_test() -> None:
    """The table has these rows and no others."""
    rows = re.findall(r"^\| (.*?) \|", read("docs/explanation/failures.md"), flags=re.MULTILINE)
    assert rows[0] == "what happens"
    assert rows[1:] == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_what_the_table_says_happens(row: str, tmp_path: Path) -> None:
    """The row holds."""
    check = ROWS[row]
    check(*([tmp_path] if "folder" in check.__annotations__ else []))
