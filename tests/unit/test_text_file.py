"""Files that people make: a token reads whatever editor wrote it."""

import codecs
from pathlib import Path

import pytest

from openlane_authentik.cli.settings import find_credential
from openlane_authentik.errors import SettingMissingError
from openlane_authentik.text_file import read_text_file

TOKEN = "a-token-" + "0" * 32


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_token_file_reads_by_its_byte_order_mark(tmp_path: Path, mark: bytes, encoding: str) -> None:
    """With the line break of any system at its end, the token is the same."""
    file = tmp_path / "token.txt"
    file.write_bytes(mark + f"{TOKEN}\r\n".encode(encoding))
    assert read_text_file(file).strip() == TOKEN
    credential = find_credential("https://authentik.example.com", file, allow_http=False)
    assert credential.token.get_secret_value() == TOKEN


@pytest.mark.parametrize("content", [b"\xff", b"caf\xe9", "é".encode("latin-1"), codecs.BOM_UTF16_LE + b"a"])
def test_any_other_encoding_is_told_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    """The error names the file and what it should be, and nothing of what is in it."""
    file = tmp_path / "token.txt"
    file.write_bytes(content)
    with pytest.raises(SettingMissingError, match="neither UTF-8 nor UTF-16") as raised:
        find_credential("https://authentik.example.com", file, allow_http=False)
    assert raised.value.__cause__ is None
