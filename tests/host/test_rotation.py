"""A key rotation seals everything with a new key, and a crash anywhere leaves everything openable."""

from typing import Any

import pytest

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.errors import (
    HostSettingError,
    WrongKeyError,
)
from openlane_authentik.host.host import Host, open_host
from openlane_authentik.host.installations import read_credential, rotation
from openlane_authentik.host.installations.rotation import rotate
from openlane_authentik.host.vault import Vault
from openlane_authentik.host.vault.keys import KeyFile
from openlane_authentik.testing import Server
from tests.host.support import (
    connect_demo,
    dump,
    keyed,
    new_key,
    opens,
)


class CrashError(Exception):
    """The process ends here."""


def test_after_a_rotation_only_the_new_key_opens(host: Host, settings: HostSettings, server: Server) -> None:
    """The old key opens nothing any more, the file holds one new key, and a host that runs on goes on."""
    saved = connect_demo(host, server.url, server.fake.token("viewer"))
    old = settings.key_file.read_text().strip()
    assert rotate(host) == 1
    assert read_credential(host, saved.id)["token"] == server.fake.token("viewer")
    assert opens(settings, saved.id)["token"] == server.fake.token("viewer")
    assert old not in settings.key_file.read_text()
    assert len(settings.key_file.read_text().split()) == 1
    with pytest.raises(WrongKeyError):
        open_host(keyed(settings, old))


def test_keys_that_are_given_rotate_by_their_order(settings: HostSettings, server: Server) -> None:
    """With the new key in front of the old, a rotation seals everything with the new, which then suffices."""
    old, new = new_key(), new_key()
    host = open_host(keyed(settings, old))
    saved = connect_demo(host, server.url, server.fake.token("viewer"))
    host.close()
    both = open_host(keyed(settings, new, old))
    rotate(both)
    both.close()
    assert opens(keyed(settings, new), saved.id)["token"] == server.fake.token("viewer")
    with pytest.raises(WrongKeyError):
        open_host(keyed(settings, old))
    assert not settings.key_file.exists()


def test_a_host_with_the_old_key_cannot_seal_after_a_rotation(settings: HostSettings, server: Server) -> None:
    """A process that was not restarted would store what nobody opens: its save is refused and stores nothing."""
    old, new = new_key(), new_key()
    late = open_host(keyed(settings, old))
    both = open_host(keyed(settings, new, old))
    rotate(both)
    before = dump(both.database)
    with pytest.raises(WrongKeyError):
        connect_demo(late, server.url, server.fake.token("viewer"))
    assert dump(both.database) == before
    both.close()
    late.close()


@pytest.mark.parametrize("step", range(1, 7))
def test_a_rotation_that_crashes_anywhere_leaves_everything_openable(
    step: int, host: Host, settings: HostSettings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Around each write of the file, within the transaction and after it: the next start opens, and rotates."""
    saved = connect_demo(host, server.url, server.fake.token("viewer"))
    passed = 0

    def crash_here() -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            raise CrashError

    write, reseal, resealed = KeyFile.write, rotation._reseal, Vault.reseal  # noqa: SLF001 - the steps

    def writes(self: KeyFile, keys: Any) -> None:
        crash_here()
        write(self, keys)
        crash_here()

    def reseals(given: Host) -> int:
        count = reseal(given)
        crash_here()
        return count

    def reseals_one(self: Vault, installation_id: str, sealed: str) -> str:
        if installation_id == saved.id:
            crash_here()
        return resealed(self, installation_id, sealed)

    with monkeypatch.context() as patched:
        patched.setattr(KeyFile, "write", writes)
        patched.setattr(rotation, "_reseal", reseals)
        patched.setattr(Vault, "reseal", reseals_one)
        with pytest.raises(CrashError):
            rotate(host)
    assert opens(settings, saved.id)["token"] == server.fake.token("viewer")
    rotate(host)
    assert opens(settings, saved.id)["token"] == server.fake.token("viewer")
    assert len(settings.key_file.read_text().split()) == 1


def test_a_key_file_that_is_cut_off_while_it_is_written_is_the_old_one(
    host: Host, settings: HostSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk while the new file is written leaves the old one in its place."""
    before = settings.key_file.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr("openlane_authentik.host.vault.keys.os.fsync", full)
        with pytest.raises(HostSettingError, match="cannot be written"):
            rotate(host)
    assert settings.key_file.read_bytes() == before
    assert rotate(host) == 0
