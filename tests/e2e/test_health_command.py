"""``openlane-authentik health`` against a real server on a real socket: every code, exit codes, and what is printed."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from jsonschema import Draft202012Validator

from openlane_authentik.schema_files import schema_files
from openlane_authentik.testing import Directory, FakeAuthentik, Fault, serve
from tests.e2e.command import environment, run

_REPORT = Draft202012Validator(json.loads(schema_files()["health-check.result.schema.json"]))
_NOT_PROVIDED = '{"detail": "Authentication credentials were not provided."}'


def _fake(**changes: Any) -> FakeAuthentik:
    return FakeAuthentik(Directory.generate(users=30, groups=4, seed=2), **changes)


def _checked(url: str, token: str, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    ran = run("health", "--json", *arguments, env=environment(AUTHENTIK_BASE_URL=url, AUTHENTIK_TOKEN=token))
    report = json.loads(ran.stdout)
    _REPORT.validate(report)
    assert ran.returncode == report["exitCode"]
    return ran.returncode, report


def _codes(report: dict[str, Any]) -> set[str]:
    return {check["code"] for check in report["checks"]} - {"ok", "skipped"}


@dataclass(frozen=True)
class _Case:
    code: str
    exit_code: int
    fake: Callable[[], FakeAuthentik] = _fake
    kind: str = "viewer"
    fault: Fault | None = None
    at: str = ""
    path: str = ""


def _ahead() -> FakeAuthentik:
    return FakeAuthentik(Directory.generate(users=30, groups=4, clock=lambda: datetime.now(UTC) + timedelta(hours=1)))


def _expiring() -> FakeAuthentik:
    fake = _fake()
    fake.token("viewer", expires=timedelta(days=2))
    return fake


def _seen_by_objects() -> FakeAuthentik:
    fake = _fake(release="2025.8")
    for _ in range(2):  # the first call makes the account, which the lists then name
        fake.token("object_level", visible_users=fake.directory.users, visible_groups=fake.directory.groups)
    return fake


_CASES = [
    _Case("not_authentik", 78, fault=Fault.html()),
    _Case("not_authentik", 78, path="/wrong"),
    _Case("redirected", 78, fault=Fault.redirect("https://login.example/")),
    _Case("redirected", 78, fault=Fault.redirect("http://[oops")),
    _Case("proxy_login", 78, fault=Fault.status(401)),
    _Case("unexpected_answer", 78, fault=Fault.status(403, body="Forbidden", html=True)),
    _Case("token_missing", 77, fault=Fault.status(403, body=_NOT_PROVIDED), at="core/users/me/"),
    _Case("token_rejected", 77, kind="wrong"),
    _Case("token_rejected", 77, kind="expired"),
    _Case("token_rejected", 77, kind="app_password"),
    _Case("token_rejected", 77, kind="inactive"),
    _Case("no_permission_users", 77, kind="none"),
    _Case("no_permission_groups", 77, kind="view_user_only"),
    _Case("partial_visibility", 77, kind="object_level"),
    _Case("partial_visibility", 77, kind="internal_sa_none"),
    _Case("visibility_unproven", 75, fake=_seen_by_objects, kind="object_level"),
    _Case("token_expires_soon", 0, fake=_expiring),
    _Case("clock_skew", 0, fake=_ahead),
    _Case("release_too_old", 78, fault=Fault.wrong_json({"version_current": "2023.8.3"}), at="admin/version/"),
    _Case("server_unavailable", 75, fault=Fault.status(503)),
    _Case("server_failed", 75, fault=Fault.status(500)),
    _Case("rate_limited", 75, fault=Fault.status(429, retry_after=0)),
    _Case("broken_answer", 75, fault=Fault.cut_body()),
    _Case("broken_answer", 75, fault=Fault.truncated_json()),
    _Case("connection_failed", 75, fault=Fault.reset()),
]


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case.code}-{case.kind}")
def test_a_finding_comes_out_as_its_code(case: _Case) -> None:
    """What is wrong between here and an authentik on a real socket is one code, with its remedy and exit code."""
    fake = case.fake()
    if case.fault is not None:
        fake.inject(case.fault, when=lambda path, _query: path.endswith(case.at), times=None)
    with serve(fake) as server:
        exit_code, report = _checked(server.url + case.path, fake.token(case.kind))
    assert (exit_code, report["status"]) == (case.exit_code, "needs attention")
    assert case.code in _codes(report)
    assert all(check["remedy"] for check in report["checks"] if check["status"] in ("warn", "fail"))


@pytest.mark.parametrize("release", ["2025.8", "2025.12"])
def test_a_healthy_authentik_exits_0(release: str) -> None:
    """A token that sees everything is healthy, and the report names its account and the release."""
    fake = _fake(release=release)
    with serve(fake) as server:
        exit_code, report = _checked(server.url, fake.token("viewer_plus"))
    assert (exit_code, report["status"], _codes(report)) == (0, "healthy", set())
    assert report["username"] == "it-viewer_plus"
    assert report["release"].startswith(release)
    assert not fake.violations


def test_a_host_name_that_does_not_resolve() -> None:
    """A host name nobody knows is ``dns_failed``."""
    exit_code, report = _checked("https://authentik.invalid", "t")
    assert (exit_code, _codes(report)) == (75, {"dns_failed"})


def test_a_closed_port() -> None:
    """A port where nobody listens is ``connection_failed``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    exit_code, report = _checked(f"http://127.0.0.1:{port}", "t")
    assert (exit_code, _codes(report)) == (75, {"connection_failed"})


@contextlib.contextmanager
def _tls(tmp_path: Path, fake: FakeAuthentik, name: str = "127.0.0.1") -> Iterator[tuple[str, Path]]:
    authority = trustme.CA()
    certificate = authority.issue_cert(name)
    chain, ca_file = tmp_path / "chain.pem", tmp_path / "ca.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(chain)
    authority.cert_pem.write_to_path(ca_file)
    with serve(fake, certfile=chain) as server:
        yield server.url, ca_file


def test_a_private_authority_is_trusted_only_when_given(tmp_path: Path) -> None:
    """A certificate of a private authority is ``tls_failed``, and with ``--ca-file`` all is well."""
    fake = _fake()
    with _tls(tmp_path, fake) as (url, ca_file):
        exit_code, report = _checked(url, fake.token())
        assert (exit_code, _codes(report)) == (78, {"tls_failed"})
        assert _checked(url, fake.token(), "--ca-file", ca_file)[0] == 0


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    """A trusted certificate of another host is ``tls_failed``: the token goes to nobody else."""
    fake = _fake()
    with _tls(tmp_path, fake, "elsewhere.example") as (url, ca_file):
        exit_code, report = _checked(url, fake.token(), "--ca-file", ca_file)
    assert (exit_code, _codes(report)) == (78, {"tls_failed"})
    assert not fake.requests


def test_plain_http_on_a_tls_port_is_no_traceback(tmp_path: Path) -> None:
    """The wrong scheme for a port, either way round, is told by a code."""
    fake = _fake()
    with _tls(tmp_path, fake) as (url, _):
        exit_code, _ = _checked(url.replace("https://", "http://"), "t")
        assert exit_code in (75, 78)
    with serve(fake) as server:
        exit_code, report = _checked(server.url.replace("http://", "https://"), "t")
        assert (exit_code, _codes(report)) == (78, {"tls_failed"})


def test_people_read_a_table() -> None:
    """Without ``--json`` the checks are printed one by one, a finding with its code and remedy."""
    fake = _fake()
    with serve(fake) as server:
        env = environment(AUTHENTIK_BASE_URL=server.url, AUTHENTIK_TOKEN=fake.token("view_user_only"))
        ran = run("health", env=env)
    assert ran.returncode == 77
    assert "no_permission_groups" in ran.stdout
    assert "Can view Group" in ran.stdout
    assert "needs attention" in ran.stdout


def test_what_to_do_is_told_by_the_options_of_the_command(tmp_path: Path) -> None:
    """Table and JSON name options that ``health`` has, and neither parameters nor labels of a form."""
    fake = _fake()
    with serve(fake) as server:
        env = environment(AUTHENTIK_BASE_URL=server.url, AUTHENTIK_TOKEN=fake.token("view_user_only"))
        blind = [run("health", env=env).stdout, run("health", "--json", env=env).stdout]
        failed = run("sync", env=env)
    with _tls(tmp_path, fake) as (url, _):
        env = environment(AUTHENTIK_BASE_URL=url, AUTHENTIK_TOKEN="t")
        distrusting = [run("health", env=env).stdout, run("health", "--json", env=env).stdout]
        broken = run("health", env={**env, "SSL_CERT_FILE": "/nowhere"})
    assert "[ca_file_invalid]" in broken.stderr
    distrusting.append(broken.stderr.replace("[ca_file_invalid]", ""))
    offered = run("health", "--help").stdout
    closing = json.loads(failed.stdout.splitlines()[-1])
    blind += [failed.stderr, closing["error"]["remedy"]]
    for option, told in (("--disable-group-sync", blind), ("--ca-file", distrusting)):
        assert option in offered
        for text in told:
            assert option in " ".join(text.split())
            assert "disable_group_sync" not in text
            assert "ca_file" not in text
            assert "Disable Group Sync" not in text


def test_a_token_that_has_expired_is_not_warned_of() -> None:
    """An expired token that is still listed is not the one in use, so that nothing is wrong."""
    fake = _fake(release="2026.2")
    fake.token("viewer", identifier="old", expires=timedelta(days=-3))
    with serve(fake) as server:
        exit_code, report = _checked(server.url, fake.token("viewer"))
    assert (exit_code, report["status"], _codes(report)) == (0, "healthy", set())


def test_events_are_json_when_nobody_looks_on() -> None:
    """Where standard error is no terminal, each of its lines is a JSON event."""
    fake = _fake()
    with serve(fake) as server:
        ran = run("health", env=environment(AUTHENTIK_BASE_URL=server.url, AUTHENTIK_TOKEN=fake.token()))
    events = [json.loads(line)["event"] for line in ran.stderr.splitlines()]
    assert events[-1] == "health checked"


@pytest.mark.parametrize(
    ("arguments", "variables", "exit_code", "code"),
    [
        ([], {}, 78, "setting_missing"),
        (["--base-url", "https://h"], {}, 78, "setting_missing"),
        ([], {"AUTHENTIK_TOKEN": "t"}, 78, "setting_missing"),
        (["--base-url", ""], {"AUTHENTIK_TOKEN": "t"}, 78, "setting_missing"),
        (["--base-url", "https://h", "--token-file", "/nowhere"], {}, 78, "setting_missing"),
        (["--base-url", "https://h", "--token-file", "/"], {}, 78, "setting_missing"),
        (["--base-url", "https://h"], {"AUTHENTIK_TOKEN": "two words"}, 77, "token_missing"),
        (["--base-url", "auth.example.com"], {"AUTHENTIK_TOKEN": "t"}, 78, "base_url_invalid"),
        (["--base-url", "http://auth.example.com"], {"AUTHENTIK_TOKEN": "t"}, 78, "base_url_invalid"),
        (["--base-url", "https://u:p@h"], {"AUTHENTIK_TOKEN": "t"}, 78, "base_url_invalid"),
        (["--base-url", "https://xn--a.com"], {"AUTHENTIK_TOKEN": "t"}, 78, "base_url_invalid"),
        (["--base-url", "https://999.999.999.999"], {"AUTHENTIK_TOKEN": "t"}, 78, "base_url_invalid"),
        (["--base-url", "https://h", "--ca-file", "/nowhere"], {"AUTHENTIK_TOKEN": "t"}, 78, "ca_file_invalid"),
        (["--base-url", "https://h", "--ca-file", "/dev/null"], {"AUTHENTIK_TOKEN": "t"}, 78, "ca_file_invalid"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_sent(
    arguments: list[str], variables: dict[str, str], exit_code: int, code: str
) -> None:
    """A missing or wrong setting names itself, its code and what to set, on standard error alone."""
    ran = run("health", *arguments, env=environment(**variables))
    assert ran.returncode == exit_code
    assert f"[{code}]" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) >= 2
    assert ran.stdout == ""
