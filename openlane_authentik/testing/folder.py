"""Reads a folder of raw records, one JSON object a line, as exported from a real authentik."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from openlane_authentik.testing.raw import GROUP_FIELDS, USER_FIELDS, RawRecord

_GZIP_MAGIC: Final = b"\x1f\x8b"


def read_folder(folder: Path) -> tuple[list[RawRecord], list[RawRecord]]:
    """The raw users and groups of ``users.ndjson[.gz]`` and ``groups.ndjson[.gz]``.

    Raises:
        FileNotFoundError: one of the two files is missing; the message names it.
        ValueError: a line is no raw record, or repeats a key; the message names file and line.
    """
    users = _read(_found(folder, "users"), USER_FIELDS, int)
    groups = _read(_found(folder, "groups"), GROUP_FIELDS, str)
    return users, groups


def _found(folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.ndjson.gz", folder / f"{name}.ndjson"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"{folder} has neither {name}.ndjson.gz nor {name}.ndjson")


def _read(path: Path, required: tuple[str, ...], key_type: type) -> list[RawRecord]:
    seen: set[Any] = set()
    records: list[RawRecord] = []
    for number, line in _lines(path):
        record = _record(line, f"{path}, line {number}", required, key_type)
        if record["pk"] in seen:
            raise ValueError(f"{path}, line {number}: the key {record['pk']} was there before")
        seen.add(record["pk"])
        records.append(record)
    return records


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    content = path.read_bytes()
    if content.startswith(_GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: the gzip stream is damaged: {error}") from error
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _record(line: bytes, where: str, required: tuple[str, ...], key_type: type) -> RawRecord:
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{where}: not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{where}: not a JSON object")  # noqa: TRY004 - the content is wrong, not a caller's type
    missing = [name for name in required if name not in record]
    if missing:
        raise ValueError(f"{where}: the record lacks {', '.join(missing)}")
    if type(record["pk"]) is not key_type:
        raise ValueError(f"{where}: the key {record['pk']!r} is no {key_type.__name__}")
    return cast("RawRecord", record)
