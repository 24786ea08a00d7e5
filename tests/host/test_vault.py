"""Credentials lie sealed: for one installation, with the key of one database, and nowhere else."""

import asyncio
import io
import json
import logging
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import transaction
from openlane_authentik.host.database.tables import installation
from openlane_authentik.host.errors import (
    ForeignCredentialError,
    HostSettingError,
    KeyMissingError,
    WrongKeyError,
)
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import check_health, read_credential
from openlane_authentik.host.installations.rotation import rotate
from openlane_authentik.host.vault.keys import KeyFile
from openlane_authentik.log import configure_logging
from openlane_authentik.testing import Server
from tests.host.support import (
    connect_demo,
    demo_request,
    dump,
    keyed,
    new_key,
    opens,
)


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Keep everything that is logged from DEBUG on, with nothing redacted."""
    root, package = logging.getLogger(), logging.getLogger("openlane_authentik")
    handlers, level, package_level = root.handlers, root.level, package.level
    stream = io.StringIO()
    configure_logging(secrets=(), as_json=True, level=logging.DEBUG, stream=stream)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.handlers = handlers
        root.setLevel(level)
        package.setLevel(package_level)


def test_the_key_is_made_once_and_for_its_owner_alone(settings: HostSettings) -> None:
    """The first start makes the key file, readable by nobody else; the second leaves it."""
    open_host(settings).close()
    made = settings.key_file.read_text()
    assert stat.S_IMODE(settings.key_file.stat().st_mode) == 0o600
    open_host(settings).close()
    assert settings.key_file.read_text() == made


def test_the_wrong_key_touches_nothing(host: Host, settings: HostSettings, server: Server) -> None:
    """Another key, by file or by setting, is a clear error, and every row of the database is as it was."""
    connect_demo(host, server.url, server.fake.token("viewer"))
    host.close()
    before = dump(host.database)
    right = settings.key_file.read_bytes()
    with pytest.raises(WrongKeyError):
        open_host(keyed(settings, new_key()))
    wrong = new_key()
    settings.key_file.write_text(wrong)
    with pytest.raises(WrongKeyError):
        open_host(settings)
    assert settings.key_file.read_text() == wrong
    settings.key_file.write_bytes(right)
    open_host(settings).close()
    assert dump(host.database) == before


def test_a_missing_key_is_not_made_anew(host: Host, settings: HostSettings, server: Server) -> None:
    """Where something was sealed, no key is ever made: it could open nothing."""
    connect_demo(host, server.url, server.fake.token("viewer"))
    host.close()
    before = dump(host.database)
    settings.key_file.unlink()
    with pytest.raises(KeyMissingError):
        open_host(settings)
    assert not settings.key_file.exists()
    assert dump(host.database) == before


def test_a_backup_of_database_and_key_opens(host: Host, settings: HostSettings, server: Server, tmp_path: Path) -> None:
    """The key file's content, given as a setting on another machine, opens the same database."""
    saved = connect_demo(host, server.url, server.fake.token("viewer"))
    elsewhere = settings.model_copy(
        update={"data_dir": tmp_path / "elsewhere", "key": SecretStr(settings.key_file.read_text())}
    )
    assert opens(elsewhere, saved.id)["token"] == server.fake.token("viewer")
    assert not elsewhere.key_file.exists()


def test_text_that_is_no_key_is_refused_without_being_told(settings: HostSettings) -> None:
    """The message says which key of which place, not what it was."""
    with pytest.raises(HostSettingError, match="key 2 of OPENLANE_HOST_KEY") as caught:
        open_host(keyed(settings, new_key(), "s3cret"))
    assert "s3cret" not in str(caught.value)


def test_a_copied_credential_does_not_open(host: Host, server: Server) -> None:
    """The row of one installation, copied to another, is found out wherever it would be used."""
    first = connect_demo(host, server.url, server.fake.token("viewer"))
    second = connect_demo(host, server.url, server.fake.token("viewer"), organisation="org-2")
    with transaction(host.database) as held:
        sealed = held.scalar(sa.select(installation.c.credential).where(installation.c.id == first.id))
        held.execute(installation.update().where(installation.c.id == second.id).values(credential=sealed))
    with pytest.raises(ForeignCredentialError):
        read_credential(host, second.id)
    with pytest.raises(ForeignCredentialError):
        asyncio.run(check_health(host, second.id))
    with pytest.raises(ForeignCredentialError, match=second.id):
        rotate(host)
    assert read_credential(host, first.id)["token"] == server.fake.token("viewer")
    # What mends it is what the remedy says: a save with the whole credential.
    connect_demo(host, server.url, server.fake.token("viewer"), organisation="org-2", installation_id=second.id)
    assert read_credential(host, second.id)["token"] == server.fake.token("viewer")


def test_the_key_is_on_the_disk_before_anything_needs_it(
    settings: HostSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first start that cannot write its key stores no proof either, so that the next start begins anew."""

    def refused(_self: KeyFile, _keys: Any) -> None:
        raise HostSettingError("the key file cannot be written")

    with monkeypatch.context() as patched:
        patched.setattr(KeyFile, "write", refused)
        with pytest.raises(HostSettingError):
            open_host(settings)
    open_host(settings).close()
    assert settings.key_file.exists()


def test_the_token_is_nowhere_but_sealed(host: Host, server: Server) -> None:
    """No column of no table, no log line of any library, no text of any object holds it; saves that fail included."""
    viewer, refused = server.fake.token("viewer"), "this-token-was-never-made"
    with logged() as stream:
        saved = connect_demo(host, server.url, viewer)
        with pytest.raises(Exception, match="health check") as caught:
            connect_demo(host, server.url, refused, organisation="org-2")
        asyncio.run(check_health(host, saved.id))
        rotate(host)
    everything = json.dumps(dump(host.database), default=lambda value: bytes(value).decode("latin-1"))
    assert saved.id in everything
    request = demo_request(server.url, viewer)
    texts = [everything, stream.getvalue(), repr(saved), repr(host), repr(request), repr(host.vault), str(caught.value)]
    assert stream.getvalue()
    for text in texts:
        assert viewer not in text
        assert refused not in text
    assert refused not in json.dumps(caught.value.report)  # type: ignore[attr-defined]
