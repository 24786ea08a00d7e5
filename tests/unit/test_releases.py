"""Releases of authentik: which texts are one, how they compare, and what they can do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.authentik.releases import OLDEST_SUPPORTED, Release


@pytest.mark.parametrize(
    ("text", "year", "month"),
    [
        ("2025.12.4", 2025, 12),
        ("2025.12", 2025, 12),
        ("2025.2.0-rc1", 2025, 2),
        ("2023.10.7", 2023, 10),
        ("2025.8.0+build.5", 2025, 8),
        ("2024.02.1", 2024, 2),
    ],
)
def test_a_release_is_read_by_year_and_month(text: str, year: int, month: int) -> None:
    """The year and the month are read, whatever follows, and the text is kept as the server gave it."""
    release = Release.parse(text)
    assert release is not None
    assert (release.year, release.month, release.text) == (year, month, text)


@pytest.mark.parametrize(
    "text", ["", "2025", "v2025.12", "2025.", "2025.123", "25.12", "main", "2025-12", "\u0662\u0660\u0662\u0665x.12"]
)
def test_another_form_is_no_release(text: str) -> None:
    """What is not YEAR.MONTH is None, never a guess."""
    assert Release.parse(text) is None


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=20))
def test_any_text_is_a_release_or_none(text: str) -> None:
    """Reading a release never fails, whatever the server calls itself."""
    release = Release.parse(text)
    assert release is None or release.text == text


@settings(deadline=None, derandomize=True)
@given(*[st.tuples(st.integers(2019, 2030), st.integers(1, 12), st.integers(0, 20))] * 2)
def test_releases_compare_by_year_and_month_alone(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    """2025.2 is before 2025.12, and patch levels are equal."""
    first, second = (Release.parse("{}.{}.{}".format(*parts)) for parts in (one, other))
    assert first is not None
    assert second is not None
    assert (first < second) == (one[:2] < other[:2])
    assert (first == second) == (one[:2] == other[:2])
    assert first != second or hash(first) == hash(second)


@pytest.mark.parametrize(
    ("text", "dates", "roles", "supported"),
    [
        ("2023.8.3", False, False, False),
        ("2023.10.0", False, False, True),
        ("2025.6.4", False, False, True),
        ("2025.8.0", True, False, True),
        ("2025.10.2", True, False, True),
        ("2025.12.0-rc1", True, True, True),
        ("2026.2.1", True, True, True),
    ],
)
def test_what_a_release_can_do(text: str, *, dates: bool, roles: bool, supported: bool) -> None:
    """Date filters came with 2025.8, roles of one's own with 2025.12, and before 2023.10 nothing can be told."""
    release = Release.parse(text)
    assert release is not None
    assert (release.has_date_filters, release.names_own_roles) == (dates, roles)
    assert (release >= OLDEST_SUPPORTED) == supported
