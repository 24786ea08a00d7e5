"""Connections that never finish what they begin, opened anew as they are closed; run as a process of its own.

Arguments: the port, how many, and the seconds after which it ends by itself. Writes one line when all have been opened
once, and at the end how often one was opened.
"""

import errno
import resource
import select
import socket
import sys
import time
from typing import Final

_HALF: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half: "
_GOING_ON: Final = (errno.EINPROGRESS, errno.EAGAIN)


class _Flood:
    def __init__(self, port: int, many: int) -> None:
        self._port = port
        self._many = many
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        self.opened = 0

    def fill(self) -> None:
        while len(self._open) < self._many:
            one = socket.socket()
            one.setblocking(False)  # noqa: FBT003 - the library's own
            if one.connect_ex(("127.0.0.1", self._port)) not in (0, *_GOING_ON):
                one.close()
                return
            self._open[one.fileno()] = one
            self._poll.register(one, select.EPOLLOUT | select.EPOLLIN)
            self.opened += 1

    def turn(self) -> None:
        for descriptor, event in self._poll.poll(0.05):
            one = self._open[descriptor]
            try:
                if event & ~select.EPOLLOUT:
                    raise ConnectionResetError
                one.send(_HALF)
                self._poll.modify(descriptor, select.EPOLLIN)
            except OSError:
                self._poll.unregister(descriptor)
                del self._open[descriptor]
                one.close()


def main(port: int, many: int, seconds: float) -> None:
    """Flood a port of this machine for a while."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, many + 100), most))
    flood = _Flood(port, many)
    end = time.monotonic() + seconds
    told = False
    while time.monotonic() < end:
        flood.fill()
        flood.turn()
        if not told and flood.opened >= many:
            told = True
            print("flooding", flush=True)  # noqa: T201 - the answer
    print(flood.opened, flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
