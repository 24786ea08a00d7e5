"""The command line with every library at its most talkative, for tests of what is in no log."""

import logging

from openlane_authentik.cli import main

_set_level = logging.Logger.setLevel


def _always_debug(logger: logging.Logger, _level: int | str) -> None:
    _set_level(logger, logging.DEBUG)


if __name__ == "__main__":
    logging.Logger.setLevel = _always_debug  # type: ignore[method-assign,assignment]
    logging.getLogger().setLevel(logging.DEBUG)
    main()
