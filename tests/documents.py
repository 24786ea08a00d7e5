"""The README and the pages under ``docs/``, as tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def read(page: str) -> str:
    """Return the text of a page by its place in the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(language: str, *pages: str) -> list[str]:
    """Return the blocks of code in a language, in the order of the pages."""
    return [block for page in pages for block in re.findall(rf"```{language}\n(.*?)```", read(page), flags=re.DOTALL)]
