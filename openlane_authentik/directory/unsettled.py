"""Why everything is read, instead of only what changed."""


class UnsettledError(Exception):
    """A sync of changes cannot begin or cannot be proven.

    ``reason`` is a stable code, listed in ``docs/explanation/proof.md``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
