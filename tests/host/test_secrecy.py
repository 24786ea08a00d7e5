"""What nobody may find: tokens, keys and passwords, in all that a host stores, says and sends in a whole life."""

import base64
import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from openlane_authentik.definition import definition
from openlane_authentik.host.host import Host
from openlane_authentik.host.vault.keys import new_key
from openlane_authentik.host.web.app import OPERATIONS
from openlane_authentik.host.web.pages import PAGES
from openlane_authentik.testing import Directory, FakeAuthentik, Fault, Server, serve
from tests.e2e.command import COMMAND, run
from tests.host.conftest import MakeDatabase
from tests.host.in_process import with_definition
from tests.host.running import wait_until
from tests.host.searching import every_column, every_file, found_in
from tests.host.service import Service, events, service_env, serving
from tests.host.support import AUTHENTIK, connect_demo
from tests.host.web_support import filled, form_token, run_now
from tests.host.webhook import Listener, listening, with_status
from tests.support import NO_TRUST

_HOST: Final = (COMMAND, "host")
_TALKATIVE: Final = (sys.executable, "-m", "tests.host.talkative", "host")
_ROOT: Final = Path(__file__).parents[2]
# Signs that a text has to be written otherwise for an address, a page, and JSON.
_AWKWARD: Final = "s3cr3t/of&the+tests=<'\">"
# As an operator may write it: it is sent with its blanks encoded.
_HOOK_KEY: Final = "s3cr3t of the webhook"
_SHORTEST_NAME: Final = 6


@dataclass
class Life:
    """A host's life, and what is looked for in it.

    Attributes:
        places: All that was stored, said and sent.
    """

    env: dict[str, str]
    database_url: str
    folder: Path
    server: Server
    webhook: Listener
    command: Sequence[str]
    places: dict[str, bytes] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    @property
    def data(self) -> Path:
        return Path(self.env["OPENLANE_HOST_DATA_DIR"])

    @property
    def log(self) -> Path:
        return self.folder / "said.log"

    def answered(self, what: str, answer: httpx.Response) -> httpx.Response:
        """Keep an answer, headers and all."""
        self.places[f"answer {len(self.places)} {what}"] = repr(answer.headers).encode() + answer.content
        return answer

    def keep_keys(self) -> None:
        """Look for the keys and the API token that are in files now."""
        for name in ("host.key", "api-token"):
            with suppress(FileNotFoundError):
                self.secrets |= set((self.data / name).read_text().split())


@pytest.fixture
def webhook() -> Iterator[Listener]:
    """Listen for the webhook."""
    with listening(with_status(204)) as listener:
        yield listener


@pytest.fixture
def people() -> Iterator[Server]:
    """Serve a directory whose people have names and addresses."""
    with serve(FakeAuthentik(Directory.generate(users=30, groups=4, seed=11))) as served:
        yield served


@pytest.fixture
def life(
    request: pytest.FixtureRequest, make_database: MakeDatabase, people: Server, webhook: Listener, tmp_path: Path
) -> Iterator[Life]:
    """Return a host with its secrets in files; the talkative one has them in its environment."""
    address = make_database(True)  # noqa: FBT003 - the one thing to say
    found = {_HOOK_KEY, _AWKWARD}
    talkative = request.param == "talkative"
    with _with_password(address) as (database_url, password):
        found |= {password} if password else set()
        env = service_env(
            tmp_path / "data",
            database_url,
            OPENLANE_HOST_WEBHOOK_URL=f"{webhook.url}told?key={_HOOK_KEY}",
            PYTHONPATH=str(_ROOT),
        )
        if talkative:
            given = {"OPENLANE_HOST_KEY": new_key(), "OPENLANE_HOST_API_TOKEN": "t0k3n-" + _AWKWARD}
            env |= given
            found |= set(given.values())
        yield Life(env, address, tmp_path, people, webhook, _TALKATIVE if talkative else _HOST, secrets=found)


@pytest.mark.parametrize(
    ("make_database", "life"),
    [
        ("sqlite", "as it is"),
        ("postgresql", "talkative"),
        pytest.param("sqlite", "talkative", marks=pytest.mark.soak),
        pytest.param("postgresql", "as it is", marks=pytest.mark.soak),
    ],
    indirect=True,
)
def test_no_secret_and_nobodys_data_is_where_it_must_not_be(life: Life) -> None:
    """From the first start to the last: no token, key or password is in any table, log, answer, file or argument.

    People's data are in the host's own tables and in its answers only: neither in a workflow nor in a log, a webhook
    or a metric.
    """
    fake = life.server.fake
    first, second = fake.token("viewer"), fake.token("viewer", identifier="another")
    wrong = secrets.token_hex(32)
    life.secrets |= {first, second, wrong}
    given = life.env.get("OPENLANE_HOST_API_TOKEN")
    with serving(life.env, life.log, [*life.command, "serve"], given) as host:
        life.keep_keys()
        one = life.answered("save", host.save(life.server, first)).json()["id"]
        life.answered("health", _operate(host, one, "HealthCheck"))
        assert host.await_run(one, 1)["status"] == "COMPLETED"
        fake.directory.update_user(min(fake.directory.users), name="Somebody Renamed-Since")
        assert host.sync(one)["status"] == "COMPLETED"
        _refuse(life, host, one, first)
        _fail_to_save(life, host, one, wrong)
        saved = host.save(life.server, second, installationId=one)
        assert life.answered("save", saved).json()["status"] == "CONNECTED"
        assert host.await_run(one, 4)["status"] == "COMPLETED"
        _rotate(life)
    with serving(life.env, life.log, [*life.command, "serve"], given) as host:
        life.keep_keys()
        done = host.sync(one)
        assert done["status"] == "COMPLETED"
        _look_at_everything(life, host, one, done["id"])
        _disconnect_meanwhile(life, host, one)
        _look_at_everything(life, host, one, done["id"])
    _gather(life)
    _hold(life, one, done["id"])


@pytest.mark.parametrize("kind", ["status", "detail", "redirect", "page", "JSON"])
def test_what_a_server_quotes_is_kept_by_nobody(
    kind: str, host: Host, people: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that sends the token and a person's address back makes a run fail, and neither is stored or logged."""
    token, person = people.fake.token("viewer"), "someone@people.example.test"
    text = f"Bearer {token} of {person}"
    fault = {
        "status": Fault.status(401, body=json.dumps({"detail": text})),
        "detail": Fault.status(403, body=json.dumps({"detail": text, text: text})),
        "redirect": Fault.redirect(f"https://{token}@elsewhere.example.test/login?token={token}&of={person}"),
        "page": Fault.status(404, body=f"<html>{text}</html>", html=True),
        "JSON": Fault.wrong_json({"pagination": {text: text}, "results": [{text: text, "pk": text}]}),
    }[kind]
    saved = connect_demo(host, people.url, token)
    people.fake.inject(fault, times=None)
    with caplog.at_level("DEBUG", logger="openlane_authentik"):
        failed = run_now(host, saved.id)
    assert failed.status == "FAILED"
    places = every_column(str(host.settings.database_url)) | {"log": _records(caplog)}
    assert found_in(places, [token, person]) == {}
    assert found_in(places, [saved.id])[saved.id]


@pytest.mark.parametrize("where", ["build", "parse_user_input", "directory_sync"])
def test_what_an_integration_raises_is_kept_by_nobody(
    where: str, host: Host, people: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that the integration does not know itself may quote anything: only its kind is kept."""
    token, person = people.fake.token("viewer"), "someone@people.example.test"
    saved = connect_demo(host, people.url, token)
    broken = with_definition(host, _Broken(where, f"{token} of {person}"))
    with caplog.at_level("DEBUG", logger="openlane_authentik"):
        failed = run_now(broken, saved.id)
    assert failed.error is not None
    assert failed.error["code"] == "collection_failed"
    assert "ValueError" in failed.error["message"]
    places = every_column(str(host.settings.database_url)) | {"log": _records(caplog)}
    assert found_in(places, [token, person]) == {}


class _Broken:
    """The definition of authentik, one part of which raises a text."""

    def __init__(self, where: str, text: str) -> None:
        self._where = where
        self._text = text

    def __getattr__(self, name: str) -> Any:
        return self._raise if name == self._where else getattr(definition, name)

    def build(self, credential: Mapping[str, Any]) -> Any:
        if self._where == "build":
            self._raise()
        return self if self._where == "directory_sync" else definition.build(credential)

    def _raise(self, *_: Any, **__: Any) -> Any:
        raise ValueError(self._text)


def _records(caplog: pytest.LogCaptureFixture) -> bytes:
    return "\n".join(repr(record.__dict__) for record in caplog.records).encode()


@pytest.mark.parametrize("before", ["", "a", "ab", "Bearer "])
def test_the_search_finds_what_is_there(before: str) -> None:
    """As it is, in Base64 wherever it begins, in an address, in a page, in JSON and in hexadecimal."""
    written = f"{before}{_AWKWARD}!"
    places = {
        "plain": written.encode(),
        "base64": base64.b64encode(written.encode()),
        "address": quote(written, safe="").encode(),
        "page": escape(written).encode(),
        "JSON": json.dumps({"a": written}).encode(),
        "hexadecimal": written.encode().hex().encode(),
        "nowhere": b"s3cr3t",
    }
    assert found_in(places, [_AWKWARD]) == {_AWKWARD: [name for name in places if name != "nowhere"]}


def _operate(host: Service, one: str, operation: str) -> httpx.Response:
    return host.client.post(f"/v1/integrations/{one}/operations/run", json={"operation": operation})


def _refuse(life: Life, host: Service, one: str, token: str) -> None:
    """Let the server refuse the token, and quote it."""
    quoted = json.dumps({"detail": "Token invalid/expired", "token": token, token: f"Bearer {token}"})
    life.server.fake.inject(Fault.status(403, body=quoted), times=None)
    host.ask(one)
    assert host.await_run(one, 3)["error"]["code"] == "token_rejected"
    wait_until(lambda: life.webhook.told)
    stopped = life.answered("stopped", host.client.get(f"/v1/integrations/{one}")).json()
    assert stopped["status"] == "ERRORED"
    life.answered("health", _operate(host, one, "HealthCheck"))
    life.answered("sync", _operate(host, one, "DirectorySync"))
    life.server.fake.clear_faults()


def _fail_to_save(life: Life, host: Service, one: str, token: str) -> None:
    """Send forms that are refused, with a token in the right field and in wrong ones."""
    url = life.server.url
    credentials: list[Any] = [
        {"baseUrl": url, "token": token},
        {"baseUrl": url, "token": [token]},
        {"baseUrl": url, "token": f"{token} {token}"},
        {"baseUrl": url.replace("://", f"://{token}@"), "token": token},
        {"baseUrl": f"{url}/?token={token}", "token": token},
        {"baseUrl": {token: token}, "token": token},
        {"token": token},
        token,
        [token],
    ]
    for credential in credentials:
        answer = host.save(life.server, token, credential=credential, installationId=one)
        assert 400 <= life.answered("failing save", answer).status_code < 500
    path = f"/v1/integrations/{AUTHENTIK}/config"
    for body in (f'{{"credential": {{"token": "{token}"', f'"{token}"', f'{{"organisation": ["{token}"]}}'):
        answer = host.client.post(path, content=body, headers={"content-type": "application/json"})
        assert 400 <= life.answered("failing save", answer).status_code < 500
    life.answered(
        "not let in", httpx.get(f"{host.address}v1/integrations", headers={"Authorization": token}, verify=NO_TRUST)
    )
    assert host.get(f"/v1/integrations/{one}")["status"] == "ERRORED"


def _rotate(life: Life) -> None:
    """Seal anew; keys that are given are the operator's to change, before and after."""
    old = life.env.get("OPENLANE_HOST_KEY")
    if old is not None:
        new = new_key()
        life.secrets |= {old, new}
        life.env["OPENLANE_HOST_KEY"] = f"{new},{old}"
    rotated = run("host", "rotate-key", env=life.env)
    assert rotated.returncode == 0
    life.places["rotate-key"] = (rotated.stdout + rotated.stderr).encode()
    if old is not None:
        life.env["OPENLANE_HOST_KEY"] = life.env["OPENLANE_HOST_KEY"].partition(",")[0]
    life.keep_keys()


def _look_at_everything(life: Life, host: Service, one: str, run_id: str) -> None:
    """Fetch every address that there is to fetch, as a program and as a browser."""
    life.places["arguments"] = Path(f"/proc/{host.process.pid}/cmdline").read_bytes()
    for operation in OPERATIONS:
        if operation.method == "GET":
            life.answered(operation.path, host.client.get(filled(operation.path, one, runId=run_id)))
    with httpx.Client(
        base_url=host.address, follow_redirects=True, timeout=60, trust_env=False, verify=NO_TRUST
    ) as browser:
        life.answered("login", browser.post("/login", data={"token": secrets.token_hex(16)}))
        token = host.client.headers["Authorization"].removeprefix("Bearer ")
        assert life.answered("login", browser.post("/login", data={"token": token})).status_code == 200
        for page in PAGES:
            if page.method == "GET":
                life.answered(page.path, browser.get(filled(page.path, one, runId=run_id)))
        settings = browser.get(f"/installations/{one}/settings").text
        checked = browser.post(f"/installations/{one}/check", data={"form_token": form_token(settings)})
        life.answered("check", checked)


def _disconnect_meanwhile(life: Life, host: Service, one: str) -> None:
    """Disconnect while a run is under way, and look at the process as others see it."""
    slow_from = len(life.server.fake.requests) + 4
    life.server.fake.inject(Fault.slow(60), nth=slow_from, times=None)
    asked = host.ask(one)
    # One that is disconnected before it asks anything gives up by itself, and is not taken away.
    wait_until(lambda: len(life.server.fake.requests) >= slow_from)
    host.await_run(one, asked["number"], "RUNNING")
    life.places["arguments of a run"] = Path(f"/proc/{host.process.pid}/cmdline").read_bytes()
    ended = life.answered("disconnect", host.client.post(f"/v1/integrations/{one}/disconnect"))
    assert ended.json()["status"] == "DISABLED"
    assert host.await_run(one, asked["number"])["error"]["code"] == "disconnected"
    wait_until(lambda: any(line["event"] == "run taken away" for line in events(life.log)))
    life.server.fake.clear_faults()


def _gather(life: Life) -> None:
    life.places["log"] = life.log.read_bytes()
    life.places |= {f"webhook {number}": body for number, (_, _, body) in enumerate(life.webhook.told)}
    life.places |= {f"file {name}": text for name, text in every_file(life.data, but=("host.key", "api-token")).items()}
    life.places |= {f"host {name}": text for name, text in every_column(life.database_url).items()}
    own = f"sqlite:///{life.data / 'engine.sqlite'}"
    engine = (
        every_column(own) if life.database_url.startswith("sqlite") else every_column(life.database_url, schema="dbos")
    )
    life.places |= {f"engine {name}": text for name, text in engine.items()}


def _hold(life: Life, one: str, run_id: str) -> None:
    # That is looked where things are: what may be known is found in all kinds of places.
    known = found_in(life.places, [one, run_id])
    for kind in ("log", "webhook", "host", "answer"):
        assert any(place.startswith(kind) for place in known[one]), kind
    assert any(place.startswith("engine") and "workflow_uuid" in place for place in known[run_id])
    assert any(place.startswith("engine") and "inputs" in place for place in known[run_id])
    assert len([place for place in life.places if place.startswith("engine")]) > 50
    assert len(life.secrets) >= 7
    if _is_talkative(life):
        loggers = {line.get("logger") for line in events(life.log)}
        assert loggers >= {"httpx", "httpcore.http11", "sqlalchemy.engine.Engine", "dbos"}
    assert found_in(life.places, life.secrets) == {}
    names = _names(life.server.fake)
    assert len(names) > 40
    with_people = {place for places in found_in(life.places, names).values() for place in places}
    assert any(place.startswith('host "account"') for place in with_people)
    # What a library says of its rows when it is told to say all is the operator's own wish.
    silent = ("engine", "webhook", "arguments", "rotate", *(() if _is_talkative(life) else ("log",)))
    assert not {place for place in with_people if place.startswith(silent) or "/metrics" in place}


def _is_talkative(life: Life) -> bool:
    return life.command is _TALKATIVE


def _names(fake: FakeAuthentik) -> set[str]:
    """Return the names and addresses of the people there are, but for those of the token's own account."""
    users = [user for user in fake.directory.users.values() if not user["username"].startswith("it-")]
    found = {user[name] for user in users for name in ("name", "email", "username")}
    return {text for text in found if len(text) >= _SHORTEST_NAME}


@contextmanager
def _with_password(address: str) -> Iterator[tuple[str, str]]:
    """Return an address with a password in it, where databases have one."""
    url = sa.make_url(address)
    if not address.startswith("postgresql"):
        yield address, ""
        return
    user, password = f"host_{secrets.token_hex(4)}", f"pg-{_AWKWARD}"
    with psycopg.connect(address, autocommit=True) as held:
        held.execute(
            sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(sql.Identifier(user), sql.Literal(password))
        )
    yield url.set(username=user, password=password).render_as_string(hide_password=False), password
    with psycopg.connect(address, autocommit=True) as held:
        held.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(user)))
        held.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))
