"""The host's settings: where they come from, what is refused, and that no error tells a value."""

from pathlib import Path

import pytest

from openlane_authentik.host.configuration import HostSettings, load_settings
from openlane_authentik.host.errors import HostSettingError


def test_environment_wins_over_file_wins_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment over TOML over defaults; an empty variable counts as none."""
    file = tmp_path / "host.toml"
    file.write_text('listen_port = 9000\nretention_days = 30\nlisten_host = "::1"\n')
    monkeypatch.setenv("OPENLANE_HOST_CONFIG", str(file))
    monkeypatch.setenv("OPENLANE_HOST_LISTEN_PORT", "9001")
    monkeypatch.setenv("OPENLANE_HOST_LISTEN_HOST", "")
    settings = load_settings()
    assert (settings.listen_port, settings.retention_days, settings.listen_host) == (9001, 30, "::1")
    assert settings.runs_at_once == 4


def test_sqlite_in_the_data_folder_is_the_default() -> None:
    """Without an address the database is a file of the data folder."""
    assert HostSettings(data_dir=Path("/srv/data")).database_address == "sqlite:////srv/data/host.sqlite"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN_PORT", "s3cret-value"),
        ("RETENTION_DAYS", "0"),
        ("WEBHOOK_URL", "s3cret-value"),
        ("WEBHOOK_URL", "ftp://s3cret-value/"),
        ("WEBHOOK_URL", "https://s3cret-value:99999/"),
        ("WEBHOOK_URL", "https://\N{KELVIN SIGN}elvin.example/s3cret-value"),
        ("WEBHOOK_URL", "https://\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}.example/s3cret-value"),
        ("WEBHOOK_URL", "https://user:s3cret@a\N{ACCOUNT OF}.example/"),
        ("WORKER_LOST_SECONDS", "1"),
    ],
)
def test_a_refused_setting_is_named_and_its_value_is_not(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable and the rule, and neither message nor cause tells the value."""
    monkeypatch.setenv(f"OPENLANE_HOST_{name}", value)
    with pytest.raises(HostSettingError, match=f"OPENLANE_HOST_{name}") as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("host", ["hooks.stra\xdfe.example", "hooks.M\xdcNCHEN.example", "alert_manager:9000", "[::1]"])
def test_a_webhook_may_be_of_any_name_that_is_one(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of any script, those that only a container network knows, and addresses are taken as written."""
    monkeypatch.setenv("OPENLANE_HOST_WEBHOOK_URL", f"http://{host}/s3cret")
    address = load_settings().webhook_url
    assert address is not None
    assert address.get_secret_value() == f"http://{host}/s3cret"


@pytest.mark.parametrize("text", ["listen_prot = 1\n", "api_token = s3cret\n", "\xff"])
def test_a_wrong_file_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown key, and text that is no TOML, name the file's variable and quote none of its values."""
    file = tmp_path / "host.toml"
    file.write_text(text, "latin-1")
    monkeypatch.setenv("OPENLANE_HOST_CONFIG", str(file))
    with pytest.raises(HostSettingError, match="OPENLANE_HOST_CONFIG") as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of no file is an error, not the defaults."""
    monkeypatch.setenv("OPENLANE_HOST_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(HostSettingError, match="names no file"):
        load_settings()


def test_no_secret_is_in_the_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, API token, webhook and the database's password do not show."""
    monkeypatch.setenv("OPENLANE_HOST_KEY", "s3cret-1")
    monkeypatch.setenv("OPENLANE_HOST_API_TOKEN", "s3cret-2")
    monkeypatch.setenv("OPENLANE_HOST_WEBHOOK_URL", "https://hooks.example.test/s3cret-3")
    monkeypatch.setenv("OPENLANE_HOST_DATABASE_URL", "postgresql://host:s3cret-4@db.example.test/host")
    settings = load_settings()
    assert settings.database_address.endswith("/host")
    assert "s3cret" not in f"{settings!r}{settings}"
