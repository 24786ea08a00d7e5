"""Where a sink writes: a file appears whole or not at all, and what was there before stays."""

import errno
import io
import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openlane_authentik.emit.output import open_output
from openlane_authentik.errors import OutputError


def _raise_disk_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _raise_value_error() -> None:
    raise ValueError("not of the file")


def _raise_interrupt() -> None:
    raise KeyboardInterrupt


def test_a_file_appears_whole(tmp_path: Path) -> None:
    """The file takes its name only at the end, is readable by its owner alone, and leaves nothing beside it."""
    path = tmp_path / "out.ndjson"
    with open_output(path) as file:
        file.write(b"one\n")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"one\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.ndjson"]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    """A second run takes the place of the first, whole."""
    path = tmp_path / "out.ndjson"
    path.write_bytes(b"a much longer older content")
    with open_output(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"a much longer older content"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("fail", "error"),
    [(_raise_disk_full, OutputError), (_raise_value_error, ValueError), (_raise_interrupt, KeyboardInterrupt)],
)
def test_an_error_leaves_everything_as_it_was(
    tmp_path: Path, fail: Callable[[], None], error: type[BaseException]
) -> None:
    """A full disk, a failed run or an interrupt leaves the older file untouched and no temporary file behind."""
    path = tmp_path / "out.ndjson"
    path.write_bytes(b"older")
    with pytest.raises(error), open_output(path) as file:  # noqa: PT012 - what is written before the failure
        file.write(b"half")
        fail()
    assert path.read_bytes() == b"older"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.ndjson"]


def test_a_full_disk_is_told_in_words(tmp_path: Path) -> None:
    """The error names the output and the reason, carries the code ``output_unwritable`` and its cause."""
    with pytest.raises(OutputError, match="No space left on device") as caught, open_output(tmp_path / "out.ndjson"):
        _raise_disk_full()
    assert "out.ndjson" in str(caught.value)
    assert caught.value.code == "output_unwritable"
    assert isinstance(caught.value.__cause__, OSError)


def test_a_folder_that_is_not_there_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """A folder that does not exist is an error before the block begins."""
    began = False
    with pytest.raises(OutputError), open_output(tmp_path / "nowhere" / "out.ndjson"):
        began = True
    assert not began


def test_a_file_for_a_folder_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """A path below a file is an error before the block begins."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), open_output(tmp_path / "file" / "out.ndjson"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """A folder without permission is an error before the block begins."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError), open_output(tmp_path / "out.ndjson"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_directory_for_an_output_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """A path that is a directory is an error before the directory is read for it, not after minutes of reading."""
    began = False
    with pytest.raises(OutputError), open_output(tmp_path):
        began = True
    assert not began
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.*"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path) -> None:
    """A pipe or a device (``/dev/null``, ``/dev/stdout``) is written to or refused, never replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    try:
        with open_output(pipe) as file:
            file.write(b"through")
    except OutputError:
        pass
    else:
        assert stat.S_ISFIFO(pipe.lstat().st_mode)
    finally:
        if stat.S_ISFIFO(pipe.lstat().st_mode):
            # Lets a reader go that nobody wrote to.
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A symbolic link is written through: the file it names is replaced, not the link."""
    (tmp_path / "data").mkdir()
    target = tmp_path / "data" / "real.ndjson"
    target.write_bytes(b"older")
    link = tmp_path / "latest.ndjson"
    link.symlink_to(target)
    with open_output(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_the_longest_name_a_folder_takes_is_taken(tmp_path: Path) -> None:
    """The temporary file's name must not be longer than the file system allows when the file's own is not."""
    path = tmp_path / ("n" * 255)
    with open_output(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_standard_output_is_flushed_and_left_open(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a path the records go to standard output, which stays open."""
    with open_output(None) as file:
        file.write(b"line\n")
    assert not sys.stdout.closed
    assert capfdbinary.readouterr().out == b"line\n"


def test_a_broken_standard_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that went away is an output error, not a traceback."""

    class _Gone(io.BytesIO):
        def write(self, _: object, /) -> int:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(_Gone()))
    with pytest.raises(OutputError, match="standard output"), open_output(None) as file:
        file.write(b"x")
