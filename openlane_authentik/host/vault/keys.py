"""Where the keys of the vault come from: given by the operator, or in a file of the host's own."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from cryptography.fernet import Fernet

from openlane_authentik.host.errors import HostSettingError
from openlane_authentik.text_file import read_text_file


class Keys(Protocol):
    """Gives the keys, the newest first."""

    def read(self) -> list[str]:
        """Return the keys as they are now; empty when there are none.

        Raises:
            HostSettingError: What is there is no key.
        """
        ...


class GivenKeys:
    """Keys that the operator gives and changes.

    Args:
        text: Keys separated by commas.
    """

    def __init__(self, text: str) -> None:
        self._keys = _checked("OPENLANE_HOST_KEY", text.split(","))
        if not self._keys:
            raise HostSettingError("OPENLANE_HOST_KEY holds no key")

    def read(self) -> list[str]:
        """Return the keys."""
        return list(self._keys)


class KeyFile:
    """Keys in a file, one a line; it is read anew each time, so that every process sees a rotation at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[str]:
        """Return the keys that are in the file now; empty when there is no file.

        Raises:
            HostSettingError: It cannot be read, or a line is no key.
        """
        try:
            text = read_text_file(self.path)
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise HostSettingError(f"the key file {self.path} cannot be read: {type(error).__name__}") from None
        return _checked(f"the key file {self.path}", text.splitlines())

    def write(self, keys: Iterable[str]) -> None:
        """Put these keys in the place of those in the file; at any moment it holds the old ones or the new.

        Raises:
            HostSettingError: It cannot be written.
        """
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            beside.unlink(missing_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - of a descriptor, not of a path
                file.write("".join(f"{key}\n" for key in keys))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
            _settle(self.path.parent)
        except OSError as error:
            raise HostSettingError(f"the key file {self.path} cannot be written: {type(error).__name__}") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other rotations of this file out until the block ends."""
        with self.path.with_name(f"{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def new_key() -> str:
    """Make a key."""
    return Fernet.generate_key().decode()


def _settle(folder: Path) -> None:
    """Check that a renamed file has its name after a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(place: str, lines: Iterable[str]) -> list[str]:
    keys = [line.strip() for line in lines if line.strip()]
    for number, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise HostSettingError(f"key {number} of {place} is no Fernet key (32 bytes, URL-safe base64)") from None
    return keys
