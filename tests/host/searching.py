"""Looks for texts in all that a host has stored, said and sent, in whatever form they may lie there."""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

_ZLIB: Final = b"\x78\x01"
# By where it was found.
Places = Mapping[str, bytes]


def forms_of(text: str) -> set[bytes]:
    """Return all forms of a text: as it is, encoded for an address, a page, JSON or hexadecimal, and in Base64."""
    plain = text.encode()
    written = {text, quote(text, safe=""), quote(text), quote_plus(text), escape(text), json.dumps(text)[1:-1]}
    return {form.encode() for form in written} | {plain.hex().encode()} | set(_in_base64(plain))


def found_in(places: Places, texts: Iterable[str]) -> dict[str, list[str]]:
    """Return by text in which places it is, in any form; texts that are nowhere are left out."""
    found = {}
    for text in texts:
        forms = forms_of(text)
        if where := [name for name, content in places.items() if any(form in content for form in forms)]:
            found[text] = where
    return found


def every_column(url: str, *, schema: str | None = None) -> dict[str, bytes]:
    """Return all that a database holds, by table and column; of one schema, if it is given."""
    engine = sa.create_engine(sa.make_url(url).set(drivername=_driver(url)))
    try:
        with engine.connect() as held:
            inspector = sa.inspect(held)
            places: dict[str, bytes] = {}
            for table in inspector.get_table_names(schema=schema):
                name = f'"{schema}"."{table}"' if schema else f'"{table}"'
                rows = held.exec_driver_sql(f"SELECT * FROM {name}")  # noqa: S608 - names out of the catalogue
                columns = list(zip(*rows.all(), strict=True)) or [()] * len(rows.keys())
                places |= {
                    f"{name}.{column}": b"\n".join(map(_as_bytes, values))
                    for column, values in zip(rows.keys(), columns, strict=True)
                }
            return places
    finally:
        engine.dispose()


def every_file(folder: Path, *, but: Iterable[str] = ()) -> dict[str, bytes]:
    """Return all files of a folder, by name."""
    left_out = set(but)
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name not in left_out
    }


def _driver(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql+psycopg"


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        content = bytes(value)
        return content + b"".join(_unpacked(content))
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False).encode()
    return str(value).encode()


def _unpacked(content: bytes) -> Iterator[bytes]:
    """Return what is packed within: a checkpoint is."""
    begin = content.find(_ZLIB)
    while begin >= 0:
        with suppress(zlib.error):
            yield zlib.decompressobj().decompress(content[begin:])
        begin = content.find(_ZLIB, begin + 1)


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """Return the part of a text's Base64 that is the same whatever is before and behind it."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + plain)
        begin, end = (4 if before else 0), len(whole) - (4 if whole.endswith(b"=") else 0)
        yield whole[begin:end]
        yield whole[begin:end].translate(bytes.maketrans(b"+/", b"-_"))
