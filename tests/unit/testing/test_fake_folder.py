"""Loading raw records from a folder: what is taken, and what is said of what is not."""

import gzip
import json
from pathlib import Path

import pytest

from openlane_authentik.testing import Directory

SOURCE = Directory.generate(6, 4, seed=4)
USERS = [SOURCE.raw_user(pk) for pk in SOURCE.users]
GROUPS = [SOURCE.raw_group(pk) for pk in SOURCE.groups]


def lines(records: list[dict[str, object]]) -> bytes:
    """One record a line."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def written(folder: Path, users: bytes, groups: bytes | None = None, *, packed: bool = False) -> Path:
    """A folder with both files."""
    pack, end = (gzip.compress, ".ndjson.gz") if packed else (bytes, ".ndjson")
    (folder / f"users{end}").write_bytes(pack(users))
    (folder / f"groups{end}").write_bytes(pack(lines(GROUPS) if groups is None else groups))
    return folder


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_folder_of_raw_records_is_loaded_whole(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001
    """Plain and packed files give the directory they were written from, memberships included."""
    directory = Directory.from_folder(written(tmp_path, lines(USERS), packed=packed))
    assert [directory.raw_user(pk)["groups"] for pk in directory.users] == [user["groups"] for user in USERS]
    assert [directory.raw_group(pk)["users"] for pk in directory.groups] == [group["users"] for group in GROUPS]


def test_a_membership_told_by_one_side_counts_and_ends_that_are_missing_do_not(tmp_path: Path) -> None:
    """Exports are cut short: what one side names is a membership if both ends are there."""
    user = {**USERS[0], "groups": [GROUPS[2]["pk"], "00000000-0000-4000-8000-000000000000"]}
    groups = [{**GROUPS[2], "users": [], "parents": []}, {**GROUPS[3], "users": [user["pk"], 999_999]}]
    directory = Directory.from_folder(written(tmp_path, lines([user]), lines(groups)))
    assert set(directory.raw_user(user["pk"])["groups"]) == {GROUPS[2]["pk"], GROUPS[3]["pk"]}


@pytest.mark.parametrize("missing", ["users", "groups"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    """Without one of the files loading ends in a FileNotFoundError that names it."""
    (written(tmp_path, lines(USERS)) / f"{missing}.ndjson").unlink()
    with pytest.raises(FileNotFoundError, match=f"{missing}.ndjson.gz"):
        Directory.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (b"{oops", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"pk": 1}', "lacks username"),
        (lines([{**USERS[1], "pk": "one"}]), "is no int"),
        (lines([{**USERS[1], "pk": True}]), "is no int"),
        (lines([USERS[0]]), "was there before"),
    ],
    ids=["syntax", "array", "fields", "key of another type", "boolean key", "repeated key"],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, second: bytes, reason: str) -> None:
    """A line that is no raw record is a ValueError that says where and why."""
    with pytest.raises(ValueError, match=rf"users\.ndjson, line 2: .*{reason}"):
        Directory.from_folder(written(tmp_path, lines(USERS[:1]) + second))


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    """A cut gzip stream is a ValueError that names the file."""
    folder = written(tmp_path, lines(USERS), packed=True)
    whole = (folder / "users.ndjson.gz").read_bytes()
    (folder / "users.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"users\.ndjson\.gz: the gzip stream is damaged"):
        Directory.from_folder(folder)
