"""The host's own settings: from the environment, else from a TOML file, else the defaults."""

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from openlane_authentik.addresses import PORTS, host_of, normalise_host
from openlane_authentik.host.errors import HostSettingError

PREFIX: Final = "OPENLANE_HOST_"
# Names the TOML file.
CONFIG: Final = f"{PREFIX}CONFIG"


# Where earlier versions kept everything: in the folder that they were started in.
_IN_WORKING_FOLDER: Final = "openlane-data"


def usual_data_folder() -> Path:
    """Return the folder of this user's data, wherever a command is typed.

    A folder ``openlane-data`` that lies where the command is typed is used instead, so that a host which was begun
    there is found.
    """
    here = Path(_IN_WORKING_FOLDER).absolute()
    return here if here.is_dir() else user_data_path("openlane", appauthor=False)


class HostSettings(BaseSettings):
    """What the host runs with; every field is a variable ``OPENLANE_HOST_<NAME>`` and a key of the TOML file.

    Attributes:
        data_dir: Where the key, the API token and the SQLite files lie. ``~/.local/share/openlane`` or what this system
            uses instead, if not given; but a folder ``openlane-data`` where a command is typed is used before that.
        database_url: ``sqlite:///path`` or ``postgresql://user:password@host/name``; SQLite in ``data_dir`` if not
            given.
        key: Fernet keys, the newest first, separated by commas; without it the key is in a file of ``data_dir``.
        listen_host, listen_port: Where the API answers.
        api_token: The API's bearer token; without it one is made at the first start.
        allowed_hosts: Names by which the host is asked beside ``localhost``, ``listen_host`` and any address in
            numbers, separated by commas.
        trusted_proxies: Addresses and networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed,
            separated by commas.
        webhook_url: Is told when an installation needs a person.
        retention_days: How long details of runs are kept; the change log is kept for ever.
        runs_at_once: Runs that one worker works on side by side.
        tick_seconds: How often is looked for what is due.
        worker_lost_seconds: How long a worker may be silent before its runs are given to another.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(default_factory=usual_data_folder)
    database_url: str | None = Field(default=None, repr=False)
    key: SecretStr | None = None
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8790, ge=0, le=65535)
    api_token: SecretStr | None = None
    allowed_hosts: str = ""
    trusted_proxies: str = ""
    webhook_url: SecretStr | None = None
    retention_days: int = Field(default=90, ge=1)
    runs_at_once: int = Field(default=4, ge=1, le=64)
    tick_seconds: float = Field(default=5.0, gt=0)
    worker_lost_seconds: float = Field(default=15.0, gt=2)

    @field_validator("data_dir")
    @classmethod
    def _at_home(cls, folder: Path) -> Path:
        return folder.expanduser()

    @field_validator("webhook_url")
    @classmethod
    def _is_web_address(cls, address: SecretStr | None) -> SecretStr | None:
        if address is not None:
            text = address.get_secret_value()
            try:
                url = httpx.URL(text)
                host = host_of(urlsplit(text).netloc)
                if not host.isascii():
                    normalise_host(host)
            except (httpx.InvalidURL, ValueError):
                raise ValueError("is not an address, or not one for certain") from None
            if url.scheme not in {"http", "https"} or not url.host:
                raise ValueError("is not an http:// or https:// address")
            if url.port is not None and url.port not in PORTS:
                raise ValueError("has a port that is not a number from 1 to 65535")
        return address

    @property
    def database_address(self) -> str:
        """Where the database is; may hold a password."""
        return self.database_url or f"sqlite:///{self.data_dir / 'host.sqlite'}"

    @property
    def key_file(self) -> Path:
        """Where the key is when it is not given."""
        return self.data_dir / "host.key"

    @property
    def engine_file(self) -> Path:
        """Where the queue is kept with SQLite."""
        return self.data_dir / "engine.sqlite"

    @property
    def api_token_file(self) -> Path:
        """Where the API's token is when it is not given."""
        return self.data_dir / "api-token"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library names its parameters
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say where settings come from, the strongest first."""
        sources = (init_settings, env_settings)
        if named := os.environ.get(CONFIG):
            return (*sources, TomlConfigSettingsSource(settings_cls, toml_file=Path(named).expanduser()))
        return sources


def load_settings() -> HostSettings:
    """Read the settings.

    Raises:
        HostSettingError: One of them cannot be used, or the TOML file cannot be read; names it, never its value.
    """
    if (named := os.environ.get(CONFIG)) and not Path(named).expanduser().is_file():
        raise HostSettingError(f"{CONFIG} names no file")
    try:
        return HostSettings()
    except ValidationError as error:
        problems = (_problem(detail["loc"], detail["type"], detail["msg"]) for detail in error.errors())
        raise HostSettingError("; ".join(problems)) from None
    except (OSError, ValueError) as error:
        # A ValueError of the TOML reader, whose text may quote the file.
        raise HostSettingError(f"the file that {CONFIG} names cannot be read: {type(error).__name__}") from None


def _problem(place: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(map(str, place))
    if kind == "extra_forbidden":
        return f"unknown setting {name!r} in the file that {CONFIG} names"
    message = message.removeprefix("Value error, ")
    return f"{PREFIX}{name.upper()} ({name} in the file): {message[0].lower()}{message[1:]}"
