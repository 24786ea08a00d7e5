"""``openlane-authentik host``: a directory connected, looked at and ended, as an operator does it."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from openlane_authentik.testing import serve
from tests.e2e.command import environment, no_traceback
from tests.e2e.desk import Desk

_COMMANDS = (
    "connect",
    "list",
    "sync",
    "runs",
    "changes",
    "accounts",
    "export",
    "attention",
    "serve",
    "worker",
    "disconnect",
    "rotate-key",
    "migrate",
)
_HEAVY = ("sqlalchemy", "dbos", "starlette", "alembic", "cryptography", "uvicorn", "jsonschema", "pydantic_settings")


# What the commands cost


def test_the_plugins_commands_do_not_pay_for_the_host() -> None:
    """The command line, and the help of every command of the host, start without what the host needs."""
    code = (
        "import sys\n"
        "from openlane_authentik.cli.app import app\n"
        "for arguments in [['--help'], ['host', '--help'], *(['host', name, '--help'] for name in sys.argv[1:])]:\n"
        "    try:\n        app(arguments)\n"
        "    except SystemExit as ended:\n        assert ended.code == 0, arguments\n"
        f"print('found:', [name for name in {_HEAVY!r} if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, *_COMMANDS], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("found: []\n")
    for name in _COMMANDS:
        assert f"openlane-authentik host {name}" in ran.stdout or f"host {name} [OPTIONS]" in ran.stdout


@pytest.mark.parametrize("missing", ["sqlalchemy", "dbos"])
def test_without_the_extra_it_says_what_to_install(missing: str, tmp_path: Path) -> None:
    """A host that is not installed is told in a sentence with the command that installs it, exit 78."""
    code = (
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        "sys.argv = ['openlane-authentik', 'host', 'worker']\n"
        "from openlane_authentik.cli import main\n"
        "main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment()
    )
    assert ran.returncode == 78
    assert "pip install 'openlane-authentik[host]'" in ran.stderr
    no_traceback(ran.stderr)
    assert list(tmp_path.iterdir()) == []


# From connecting to the end


def test_an_operators_first_day(desk: Desk) -> None:
    """Connected, listed, synced, looked at as table and JSON, exported, and ended with its history kept."""
    connected = desk.run("connect", "--name", "Main", "--organisation", "acme", "--primary")
    assert connected.returncode == 0
    assert "visibility" in connected.stdout
    (one,) = desk.json("list")
    assert one["id"] in connected.stdout
    assert (one["name"], one["organisation"], one["isPrimary"], one["status"]) == ("Main", "acme", True, "PENDING")
    assert one["health"]["status"] == "healthy"
    assert (one["lastRun"], one["attention"]) == (None, [])
    synced = desk.run("sync", "Main")
    assert synced.returncode == 0
    assert "=> run 1 COMPLETED" in synced.stdout
    listed = desk.run("list").stdout
    assert "CONNECTED" in listed
    assert "1 COMPLETED" in listed
    (run_of_list,) = desk.json("runs", one["id"][:6])
    details = desk.json("runs", "Main", "1")
    assert run_of_list["id"] == details["id"]
    assert details["attempts"][0]["outcome"] == "completed"
    assert details["counts"]["DirectoryAccount"]["added"] == len(desk.fake.directory.users)
    assert "proven" in desk.run("runs", "Main", "1").stdout
    ended = desk.run("disconnect", "Main")
    assert ended.returncode == 0
    assert "delete it there" in ended.stdout
    assert desk.json("list")[0]["status"] == "DISABLED"
    assert len(desk.json("changes", "Main", "1", "--limit", "1000")["items"]) == details["deltaCount"]
    refused = desk.run("sync", "Main")
    assert (refused.returncode, refused.stdout) == (78, "")
    assert "[conflict]" in refused.stderr
    assert desk.token not in desk.said


def test_the_change_log_tells_what_whom_and_when(desk: Desk) -> None:
    """Who left, was renamed and came is found by run, by record and by a part of a name."""
    directory = desk.fake.directory
    desk.connect("--name", "Main")
    assert desk.run("sync", "Main").returncode == 0
    gone, renamed = list(directory.users)[2:4]
    gone_id, renamed_id = (directory.users[pk]["uid"] for pk in (gone, renamed))
    directory.delete_user(gone)
    directory.update_user(renamed, name="Zoe [b]Newname[/b]")
    directory.create_user(username="jo", name="Jo Newcomer")
    assert desk.run("sync", "Main").returncode == 0
    page = desk.json("changes", "Main", "2")["items"]
    accounts = {(change["kind"], change["externalId"]) for change in page if change["schema"] == "DirectoryAccount"}
    assert {("removed", gone_id), ("changed", renamed_id)} < accounts
    assert len(accounts) == 3
    table = desk.run("changes", "Main", "2").stdout
    assert "Zoe [b]Newname[/b]" in table
    assert "display_name" in table
    of_one = desk.json("changes", "Main", "--record", gone_id, "--kind", "removed")["items"]
    assert {change["runNumber"] for change in of_one} == {2}
    (found,) = desk.json("changes", "Main", "--search", "newcomer")["items"]
    assert (found["kind"], found["after"]["display_name"]) == ("added", "Jo Newcomer")
    first = desk.json("changes", "Main", "1", "--limit", "5")
    second = desk.json("changes", "Main", "1", "--limit", "5", "--after", first["next"])
    assert len(first["items"] + second["items"]) == 10
    assert not [change for change in second["items"] if change in first["items"]]
    for wrong in (["changes", "Main", "7"], ["changes", "Main", "--after", "x"], ["runs", "Main", "7"], ["runs", "no"]):
        assert desk.run(*wrong).returncode == 78


def test_accounts_are_listed_with_usernames(desk: Desk) -> None:
    """As a table and as JSON, found by the username, now and as of a day."""
    user = next(iter(desk.fake.directory.users.values()))
    desk.connect("--name", "Main")
    desk.run("sync", "Main")
    day = desk.json("runs", "Main")[0]["completedAt"][:10]
    for asked in ((), ("--as-of", day)):
        found = desk.json("accounts", "Main", "--search", user["username"], *asked)["items"]
        assert {one["username"] for one in found if one["externalId"] == user["uid"]} == {user["username"]}
    told = desk.run("accounts", "Main", "--search", user["username"], "--as-of", day).stdout
    assert "As of run 1" in told
    assert "username" in told
    assert desk.run("accounts", "Main", "--as-of", "2001-01-01").returncode == 78


def test_an_export_is_who_has_what(desk: Desk) -> None:
    """CSV and NDJSON hold every account with each of its groups, now and as of a run, whole in a file or not at all."""
    directory = desk.fake.directory
    desk.connect("--name", "Main")
    desk.run("sync", "Main")
    held = {
        (user["uid"], group)
        for pk, user in directory.users.items()
        for group in directory.raw_user(pk)["groups"] or [""]
    }
    pk = next(iter(directory.users))
    uid = directory.users[pk]["uid"]
    directory.delete_user(pk)
    desk.run("sync", "Main")
    before = desk.run("export", "Main", "--as-of", "1").stdout.removeprefix("\ufeff")
    assert {(row["accountId"], row["groupId"]) for row in csv.DictReader(io.StringIO(before))} == held
    file = desk.folder / "now.ndjson"
    assert desk.run("export", "Main", "--format", "ndjson", "--output", file).returncode == 0
    now = {(line["accountId"], line["groupId"] or "") for line in map(json.loads, file.read_text().splitlines()[1:])}
    assert now == {pair for pair in held if pair[0] != uid}
    file.write_text("older")
    assert "the first, run 1, ended at" in desk.run("export", "Main", "--as-of", "2001-01-01").stderr
    today = desk.json("runs", "Main")[0]["completedAt"]
    assert desk.run("export", "Main", "--as-of", today).stdout.count("\n") == len(now) + 1
    assert desk.run("export", "Main", "--as-of", "9", "--output", file).returncode == 78
    assert desk.run("export", "Main", "--format", "xml", "--output", file).returncode == 78
    assert file.read_text() == "older"


# Connecting


def test_a_failed_check_stores_nothing(desk: Desk) -> None:
    """A token that sees a part is refused with the check, its remedy and the report's exit code."""
    partial = desk.fake.token("object_level")
    refused = desk.run("connect", AUTHENTIK_TOKEN=partial)
    assert refused.returncode == 77
    assert "partial_visibility" in refused.stdout
    assert "global" in refused.stdout
    told = desk.run("connect", "--json", AUTHENTIK_TOKEN=partial)
    assert (told.returncode, json.loads(told.stdout)["health"]["exitCode"]) == (77, 77)
    assert desk.json("list") == []
    assert partial not in desk.said


def test_what_to_do_is_told_by_what_the_hosts_commands_have(desk: Desk) -> None:
    """A failed check names the options of ``connect``, also as JSON, and a variable where there is no option."""
    for arguments in ((), ("--json",)):
        told = desk.run("connect", *arguments, AUTHENTIK_TOKEN=desk.fake.token("view_user_only")).stdout
        assert "--disable-group-sync" in " ".join(told.split())
        assert "Disable Group Sync" not in told
        distrusting = desk.run("connect", *arguments, AUTHENTIK_BASE_URL=desk.server.url.replace("http:", "https:"))
        assert "--ca-file" in distrusting.stdout
    # An error that ends the command is told in the same words.
    broken = desk.run("connect", SSL_CERT_FILE="/nowhere")
    assert "[ca_file_invalid]" in broken.stderr
    assert "in PEM format with --ca-file, or name one in SSL_CERT_FILE" in " ".join(broken.stderr.split())


def test_a_private_authority_is_kept_with_the_installation(desk: Desk) -> None:
    """With ``--ca-file`` a private authority is trusted by later syncs too, though its file is gone."""
    authority = trustme.CA()
    chain, ca_file = desk.folder / "chain.pem", desk.folder / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
    authority.cert_pem.write_to_path(ca_file)
    with serve(desk.fake, certfile=chain) as server:
        refused = desk.run("connect", "--name", "private", AUTHENTIK_BASE_URL=server.url)
        assert (refused.returncode, "tls_failed" in refused.stdout) == (78, True)
        connected = desk.run("connect", "--name", "private", "--ca-file", ca_file, AUTHENTIK_BASE_URL=server.url)
        assert connected.returncode == 0, connected.stderr
        ca_file.unlink()
        assert desk.run("sync", "private").returncode == 0
        # A change that says nothing of the authority keeps it.
        nothing = {"AUTHENTIK_BASE_URL": "", "AUTHENTIK_TOKEN": ""}
        assert desk.run("connect", "--installation", "private", "--name", "still", **nothing).returncode == 0
        assert desk.run("sync", "still").returncode == 0
        # Without it this server is not trusted any more, so that the change is refused.
        removed = desk.run("connect", "--installation", "still", "--no-ca-file", **nothing)
        assert (removed.returncode, "tls_failed" in removed.stdout) == (78, True)
        assert desk.run("sync", "still").returncode == 0


@pytest.mark.parametrize(
    "text", ["", "\n", "no certificate", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_authority_is_told_before_anything_is_kept(desk: Desk, text: str) -> None:
    """A file without a certificate, or with a broken one, is ``ca_file_invalid``, with the option in its remedy."""
    ca_file = desk.folder / "ca.pem"
    ca_file.write_text(text)
    refused = desk.run("connect", "--ca-file", ca_file)
    assert refused.returncode == 78
    assert "[ca_file_invalid]" in refused.stderr
    assert "--ca-file" in refused.stderr
    assert desk.json("list") == []


def test_http_is_allowed_by_an_option_only(desk: Desk) -> None:
    """An ``http`` address that is not loopback is refused unless ``--allow-http`` is given."""
    far = {"AUTHENTIK_BASE_URL": "http://authentik.invalid"}
    assert "[base_url_invalid]" in desk.run("connect", **far).stderr
    assert "dns_failed" in desk.run("connect", "--allow-http", **far).stdout


def test_the_credential_comes_from_where_a_sync_has_it(desk: Desk) -> None:
    """From options and a token file, from the environment, or whole from a JSON file; never from an option itself."""
    token = desk.folder / "token.txt"
    token.write_text(f"{desk.token}\n")
    whole = desk.folder / "credential.json"
    whole.write_text(json.dumps({"baseUrl": desk.server.url, "token": desk.token}))
    nothing = {"AUTHENTIK_BASE_URL": "", "AUTHENTIK_TOKEN": ""}
    options = ("connect", "--organisation")
    by_options = (*options, "a", "--base-url", desk.server.url, "--token-file", token)
    assert desk.run(*by_options, **nothing).returncode == 0
    assert desk.run(*options, "b", "--credential-file", whole, **nothing).returncode == 0
    assert desk.run(*options, "c").returncode == 0
    assert len(desk.json("list")) == 3
    assert len(desk.json("list", "--organisation", "b")) == 1
    missing = desk.run(*options, "d", AUTHENTIK_TOKEN="")
    assert missing.returncode == 78
    assert "--token-file, --credential-file, AUTHENTIK_TOKEN" in missing.stderr
    assert desk.token not in desk.said


@pytest.mark.parametrize("content", ["s3cret-not-json", '["s3cret"]', '{"baseUrl": 5, "token": "s3cret-token"}', None])
def test_an_unusable_credential_file_is_told_and_not_quoted(desk: Desk, content: str | None) -> None:
    """What is in the file appears nowhere, whatever is wrong with it."""
    file = desk.folder / "credential.json"
    if content is not None:
        file.write_text(content)
    refused = desk.run("connect", "--credential-file", file, AUTHENTIK_BASE_URL="", AUTHENTIK_TOKEN="")
    assert refused.returncode == 78
    assert "s3cret" not in desk.said
    assert desk.json("list") == []


def test_an_installation_is_changed_and_keeps_what_is_not_given(desk: Desk) -> None:
    """With ``--installation`` only what is given changes; the credential stays where none is given."""
    one = desk.connect("--name", "Main", "--breaker-share", "0.5", "--primary")
    no_credential = {"AUTHENTIK_BASE_URL": "", "AUTHENTIK_TOKEN": ""}
    changed = desk.run(
        "connect", "--installation", "Main", "--disable-group-sync", "--frequency", "0", "--json", **no_credential
    )
    saved = json.loads(changed.stdout)
    assert (saved["id"], saved["name"], saved["breakerShare"]) == (one, "Main", 0.5)
    assert saved["userInput"] == {"primaryDirectory": True, "disableGroupSync": True}
    assert saved["frequencySeconds"] is None
    twice = desk.run("connect")
    assert twice.returncode == 78
    assert "[conflict]" in twice.stderr


def test_a_wrong_filter_is_refused_before_anything_is_stored(desk: Desk) -> None:
    """A filter that is no CEL ends with its code and 78."""
    refused = desk.run("connect", "--filter", "payload.type ==")
    assert refused.returncode == 78
    assert "[filter_invalid]" in refused.stderr
    assert desk.json("list") == []


def test_a_filter_that_drops_too_much_is_confirmed_with_its_number(desk: Desk) -> None:
    """The save is refused with number and remedy; with the number it passes, and what is odd of the filter is told."""
    desk.connect("--name", "Main")
    assert desk.run("sync", "Main").returncode == 0
    change = ("connect", "--installation", "Main", "--filter", "payload.is_activ == true")
    refused = desk.run(*change)
    told = " ".join(refused.stderr.split())
    assert refused.returncode == 78
    assert "[scope_unconfirmed]" in told
    assert "give the number of records in the message with --confirm" in told
    assert "did you mean 'is_active'?" in told
    (number,) = re.findall(r"would take ([\d,]+) records", told)
    confirmed = desk.run(*change, "--confirm", number.replace(",", ""))
    assert confirmed.returncode == 0
    assert "[filter_unknown_field]" in confirmed.stdout + confirmed.stderr
    synced = desk.run("sync", "Main")
    assert "[nobody_kept]" in synced.stdout + synced.stderr
    assert "[nobody_kept]" in " ".join(desk.run("list").stdout.split())


def test_a_copy_for_previews_is_switched_off_and_on(desk: Desk) -> None:
    """What the installation says is what was given last."""
    desk.connect("--name", "Main")
    for option, kept in (("--no-keep-filter-copy", False), ("--keep-filter-copy", True)):
        saved = desk.run("connect", "--installation", "Main", option, "--json")
        assert json.loads(saved.stdout)["keepFilterCopy"] is kept


def test_a_quiet_command_of_the_host_logs_nothing(desk: Desk) -> None:
    """A sync that went well writes its table, and not one line of log."""
    desk.connect("--name", "Main")
    assert '"event"' in desk.run("sync", "Main").stderr
    ran = desk.run("sync", "Main", "--quiet")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "COMPLETED" in ran.stdout
