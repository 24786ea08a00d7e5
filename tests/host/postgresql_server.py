"""A PostgreSQL server of the tests' own: it ends with them, however they end, and is replaced when it has died."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import psycopg
import sqlalchemy as sa

_ROOT: Final = Path(__file__).parents[2]
_ANSWER_SECONDS: Final = 60
_LOG_CHARACTERS: Final = 4000


class PostgreSQL:
    """A server, from its first use until the block ends; see ``postgresql_keeper``, which outlives a killed test run.

    Args:
        prepare: Called with the address of the first database of each server that is started.
    """

    def __init__(self, prepare: Callable[[sa.URL], None]) -> None:
        self._prepare = prepare
        self._folder: Path | None = None
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def use(self) -> sa.URL:
        """Return the address of the first database of a server that answers; one that died is replaced.

        Raises:
            AssertionError: No server can be started; has the log.
        """
        if self._folder is not None and not self.answers():
            sys.stderr.write(f"a PostgreSQL server died and is replaced; it said:\n{self.log()}\n")
            self._end()
        if self._folder is None:
            try:
                self._start()
            except BaseException:
                self._end()
                raise
        return self._url()

    def answers(self) -> bool:
        """Return whether it takes connections."""
        try:
            psycopg.connect(self._url().render_as_string(hide_password=False), connect_timeout=_ANSWER_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True

    def log(self) -> str:
        """Return the last of what it said."""
        file = self._made() / "log"
        return file.read_text(errors="replace")[-_LOG_CHARACTERS:] if file.exists() else "nothing"

    def process_id(self) -> int:
        """Return the id of its first process."""
        return int((self._made() / "data" / "postmaster.pid").read_text().split("\n", 1)[0])

    def _url(self) -> sa.URL:
        return sa.URL.create("postgresql", "postgres", database="postgres", query={"host": str(self._made() / "data")})

    def _made(self) -> Path:
        assert self._folder is not None, "the server was never used"
        return self._folder

    def _start(self) -> None:
        # Near the root, as the path of a socket may be no longer than 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="openlane-"))
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.host.postgresql_keeper", str(self._folder)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._keeper.stdout is not None
        answer = self._keeper.stdout.readline()
        assert answer == "ready\n", f"no PostgreSQL server can be started; it said:\n{self.log()}"
        self._prepare(self._url())

    def _end(self) -> None:
        if self._keeper is not None:
            # Its input ends here, and with it the server and the folder.
            self._keeper.communicate()
        self._folder = self._keeper = None
