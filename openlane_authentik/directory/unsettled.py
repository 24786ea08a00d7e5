"""Why a sync of changes cannot be proven, so that everything is read instead."""


class UnsettledError(Exception):
    """What changed cannot be told with proof from what is known; ``reason`` is a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
