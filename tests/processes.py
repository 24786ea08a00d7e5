"""Processes that tests start, and that must not outlive them."""

import ctypes
import shutil
import signal
from collections.abc import Sequence
from typing import Final

# Of util-linux. Where it is not to be had, what a killed test run leaves behind must be ended by hand.
SETPRIV: Final = shutil.which("setpriv")


_PR_SET_PDEATHSIG: Final = 1


def bound(command: Sequence[str], signal_name: str = "KILL") -> list[str]:
    """Return a command that is ended by a signal when the thread that starts it is gone, however that ended.

    The process gets the id of the start, and the command takes its place. Linux forgets the bond when the command
    changes its user (prctl(2), PR_SET_PDEATHSIG), and hands it to no child.
    """
    return [*([SETPRIV, "--pdeathsig", signal_name] if SETPRIV else []), *command]


def bind() -> None:
    """Let this process, which was forked, be killed when the thread that forked it is gone; see ``bound``."""
    if SETPRIV:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
