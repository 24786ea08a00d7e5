"""What holds for all tests."""

import gc


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what was imported and collected: all of it stays to the end."""
    gc.freeze()
