"""The image and the compose file, as far as they can be held to rules where no container engine runs."""

import fnmatch
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from openlane_authentik.host.configuration import CONFIG, PREFIX, HostSettings
from tests.e2e.command import run

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
_SECRET = re.compile(r"KEY|TOKEN|PASSWORD|SECRET|CREDENTIAL|WEBHOOK")


def _instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word
    ]


INSTRUCTIONS = _instructions()
LAST_STAGE = INSTRUCTIONS[max(place for place, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]


def _of(word: str, instructions: list[tuple[str, str]] = INSTRUCTIONS) -> list[str]:
    return [rest for found, rest in instructions if found == word]


def _variables(instructions: list[tuple[str, str]]) -> dict[str, str]:
    return dict(re.findall(r"([A-Z][A-Z0-9_]*)=(\S+)", " ".join(_of("ENV", instructions))))


def _compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE)
    return loaded


def _fields() -> set[str]:
    return {f"{PREFIX}{name.upper()}" for name in HostSettings.model_fields} | {CONFIG}


# The image


def test_every_base_is_a_slim_release() -> None:
    """A base names its release, and the last stage is a small one that holds no build tools."""
    bases = _of("FROM")
    assert len(bases) == 2
    for base in bases:
        assert re.fullmatch(r"python:3\.\d+-slim-\w+( AS \w+)?", base)
    assert not [text for text in _of("RUN", LAST_STAGE) if "pip" in text or "apt" in text]
    assert _of("COPY", LAST_STAGE) == ["--from=build /opt/host /opt/host"]


def test_it_runs_as_nobody_in_particular() -> None:
    """The last user is a number that is not root's, set after everything that needs root."""
    (user,) = _of("USER")
    assert all(int(number) > 0 for number in user.split(":"))
    after = [word for word, _ in LAST_STAGE[LAST_STAGE.index(("USER", user)) :]]
    assert not {"RUN", "COPY"} & set(after)


def test_the_usual_rules_of_a_dockerfile_are_kept() -> None:
    """No ADD, no sudo, absolute folders, commands as lists, and no cache left behind."""
    words = [word for word, _ in INSTRUCTIONS]
    assert not {"ADD", "MAINTAINER", "ARG"} & set(words)
    assert all(text.startswith("/") for text in _of("WORKDIR"))
    assert not re.search(r"\bsudo\b|\bcurl\b|\bwget\b|chmod 777", " ".join(_of("RUN")))
    assert _variables(INSTRUCTIONS)["PIP_NO_CACHE_DIR"] == "1"
    for word in ("ENTRYPOINT", "CMD", "VOLUME"):
        assert all(isinstance(json.loads(text), list) for text in _of(word))
        assert words.count(word) == 1


def test_what_is_installed_is_locked_by_hashes() -> None:
    """Every package comes as a wheel whose hash is in the lock, which holds the versions that are tested here."""
    assert "--require-hashes --only-binary :all: --requirement requirements-host.lock" in " ".join(_of("RUN"))
    image, tested = (
        dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("requirements-host.lock", "requirements.lock")
    )
    assert image.items() <= tested.items()
    assert {"alembic", "cryptography", "dbos", "psycopg", "sqlalchemy", "starlette", "typer", "uvicorn"} <= image.keys()
    assert not {"pytest", "playwright", "mypy"} & image.keys()


def test_no_secret_is_in_the_image() -> None:
    """No variable that is a secret is set, and nothing is copied but what the package is made of."""
    assert not [name for name in _variables(INSTRUCTIONS) if _SECRET.search(name)]
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!").rstrip("/") for rule in rules if rule.startswith("!")}
    copied = {name for text in _of("COPY", INSTRUCTIONS) if "--from" not in text for name in text.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
    for name in (".env", ".git", "openlane-data", "demo-output", "tests"):
        assert not any(fnmatch.fnmatch(name, rule) for rule in let_in)


def test_its_settings_are_the_hosts() -> None:
    """Every variable it sets is a setting, and the port it offers is the one that is listened on."""
    variables = {name: value for name, value in _variables(LAST_STAGE).items() if name.startswith(PREFIX)}
    assert variables.keys() <= _fields()
    assert [variables[f"{PREFIX}LISTEN_PORT"]] == _of("EXPOSE") == [str(HostSettings().listen_port)]
    assert [variables[f"{PREFIX}DATA_DIR"]] == json.loads(_of("VOLUME")[0]) == _of("WORKDIR", LAST_STAGE)


def test_what_it_starts_is_a_command() -> None:
    """Entry point and command together are a command that exists."""
    (entry,), (command,) = _of("ENTRYPOINT"), _of("CMD", LAST_STAGE)
    name, *arguments = json.loads(entry)
    assert name == "openlane-authentik"
    assert run(*arguments, *json.loads(command), "--help").returncode == 0


@contextmanager
def _answering(status: int) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_its_health_check_asks_the_host(status: int, *, healthy: bool) -> None:
    """It exits 0 when ``/healthz`` answers 200, and otherwise not; whatever proxy the environment names."""
    (text,) = _of("HEALTHCHECK")
    _, *arguments = json.loads(text[text.index("[") :])
    with _answering(status) as port:
        env = {**os.environ, f"{PREFIX}LISTEN_PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
        ran = subprocess.run([sys.executable, *arguments], env=env, check=False, timeout=30)
    assert (ran.returncode == 0) is healthy


# The compose file


def test_every_variable_of_the_compose_file_is_a_setting() -> None:
    """A variable of the host that is named anywhere, comments included, is a field of its settings."""
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+", COMPOSE))
    assert named <= _fields()
    assert {f"{PREFIX}DATABASE_URL", f"{PREFIX}KEY", f"{PREFIX}API_TOKEN"} <= named


def test_the_services_are_the_hosts_parts() -> None:
    """One API without a worker, workers apart from it, PostgreSQL, and migrations once before both."""
    services = _compose()["services"]
    assert set(services) == {"postgres", "migrate", "host", "worker"}
    assert services["host"]["command"] == ["serve", "--no-worker"]
    assert services["worker"]["command"] == ["worker"]
    assert services["worker"]["deploy"]["replicas"] >= 2
    assert services["migrate"]["restart"] == "no"
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("host", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert services[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", ["migrate", "host", "worker"])
def test_what_a_service_starts_is_a_command(service: str) -> None:
    """Every command of the compose file exists, with the options that it is given."""
    assert run("host", *_compose()["services"][service]["command"], "--help").returncode == 0


def test_no_secret_is_in_the_compose_file() -> None:
    """Every secret comes from outside, and what cannot do without one says which is missing."""
    for name, service in _compose()["services"].items():
        for variable, value in service.get("environment", {}).items():
            if _SECRET.search(variable) or "://" in value:
                outside = re.findall(r"\$\{([A-Z_]+):([?-])", value)
                assert outside, (name, variable)
                assert all(how == "?" or source.endswith("WEBHOOK_URL") for source, how in outside)
                assert not re.search(r"://[^/:]*:[^$]", value)


def test_ports_are_published_to_this_machine_alone() -> None:
    """Only the API has a port, and only on loopback."""
    ports = {name: service["ports"] for name, service in _compose()["services"].items() if "ports" in service}
    assert ports == {"host": [f"127.0.0.1:{HostSettings().listen_port}:{HostSettings().listen_port}"]}


def test_data_is_in_volumes_that_are_declared() -> None:
    """PostgreSQL keeps its data in a named volume."""
    compose = _compose()
    mounted = {
        volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", ())
    }
    assert mounted == set(compose["volumes"])


def test_containers_may_do_little() -> None:
    """What runs the host has no capability, gains none, and writes nowhere but in memory."""
    for name in ("migrate", "host", "worker"):
        service = _compose()["services"][name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "network_mode", "pid"} & service.keys()


def test_compose_itself_accepts_the_file() -> None:
    """``docker compose config`` reads the file with the variables that it asks for, and refuses it without them."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("needs the docker client with its compose plugin")
    command = [docker, "compose", "--file", str(ROOT / "compose.yaml"), "--env-file", os.devnull, "config", "--quiet"]
    given = {"PATH": os.environ["PATH"]}
    secrets = dict.fromkeys(("POSTGRES_PASSWORD", f"{PREFIX}KEY", f"{PREFIX}API_TOKEN"), "x")
    assert subprocess.run(command, env={**given, **secrets}, check=False).returncode == 0
    assert subprocess.run(command, env=given, capture_output=True, check=False).returncode != 0
