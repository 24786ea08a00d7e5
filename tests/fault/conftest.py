"""What makes thousands of small runs quick."""

from functools import cache

import httpx
import pytest


@pytest.fixture(autouse=True)
def _one_trust_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the machine's certificate authorities once instead of for every run; no test here adds any."""
    monkeypatch.setattr(httpx, "create_ssl_context", cache(httpx.create_ssl_context))
