"""Small files of text that people make: with or without a byte order mark, as editors on any system write them."""

import codecs
from pathlib import Path
from typing import Final

# The mark of UTF-32 begins as that of UTF-16 does.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text_file(path: Path) -> str:
    """Read a file in UTF-8, or in what its byte order mark says.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is in neither.
    """
    content = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding)
