"""The least that any such program does: fetch the same bytes, decode them, encode the same envelopes, nothing else.

It asks for what a full sync asks for: users by page with default parameters, 4 pages at a time, two passes over the
lean groups, and as many counts as the sync before it sent requests beyond those. It maps, hashes, filters, remembers
and proves nothing: beside each payload goes a record prepared beforehand, of the size of a mapped one, and each
membership is a prepared envelope as a whole. HTTP client, decoder and encoder are those that the package uses.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx
import msgspec

from benchmarks.job import PAGE_SIZE, Job
from benchmarks.subjects import Work

_WIDTH: Final = 4
_NOW: Final = "2026-01-01T12:00:00.000000Z"
_UID: Final = "0" * 64
_PK: Final = "00000000-0000-4000-8000-000000000000"
_INSTANCE: Final = "127.0.0.1:50000"
_TIMES: Final = {"last_seen_at": _NOW, "observed_at": _NOW}
_ATTRIBUTES: Final[dict[str, Any]] = {
    "phones": ["+1-555-0000"],
    "address": {"geo": {"lat": 12.3456, "lon": 123.4567}, "country": "DE"},
    "manager": {"since": "2024-01-01", "username": "u00001"},
    "department": "Engineering",
    "employeeNumber": "E000001",
}
_IDENTITY: Final[dict[str, Any]] = {
    "pk": 10_000,
    "uid": _UID,
    "username": "u00001",
    "name": "Katarzyna García-López",
    "email": "u00001@example.test",
    "is_active": True,
    "type": "internal",
}


class _Envelope(msgspec.Struct, frozen=True, tag="envelope", tag_field="type", gc=False):
    schema: str
    resource: str
    action: str
    payload: Any
    record: Any


def _account(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "external_id": _UID,
        "canonical_email": "u00001@example.test",
        "display_name": "Katarzyna García-López",
        "status": "ACTIVE",
        "account_type": "USER",
        "directory_instance_id": _INSTANCE,
        "primary_source": False,
        "metadata": attributes,
        "added_at": _NOW,
        "organization_unit": "users/eu",
        "profile_hash": _UID,
        **_TIMES,
    }


_ACCOUNTS: Final = {False: _account({}), True: _account(_ATTRIBUTES)}
_GROUP: Final = {
    "external_id": _PK,
    "display_name": "Engineering team 001",
    "status": "ACTIVE",
    "classification": "TEAM",
    "member_count": 100,
    "directory_instance_id": _INSTANCE,
    "metadata": {"gid": 10_001, "mail": "g1@example.test", "owners": [{"u": "u00001"}]},
    "profile_hash": _UID,
    **_TIMES,
}
_MEMBERSHIP_RECORD: Final = {
    "directory_account_id": _UID,
    "directory_group_id": _PK,
    "role": "MEMBER",
    "directory_instance_id": _INSTANCE,
    **_TIMES,
}
_MEMBERSHIP: Final = _Envelope("DirectoryMembership", _PK, "upsert", _IDENTITY, _MEMBERSHIP_RECORD)


def prepare(job: Job) -> Work:
    """Make one small request, so that all that is loaded on first use has been."""
    asyncio.run(_warm_up(job))

    def work() -> None:
        with Path(job.output).open("wb") as file:
            asyncio.run(_Floor(file).run(job))

    return work


def _client(job: Job) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {job.token}", "Accept-Encoding": "gzip, deflate"}
    return httpx.AsyncClient(base_url=f"{job.url}/api/v3/", headers=headers, timeout=60)


async def _warm_up(job: Job) -> None:
    async with _client(job) as client:
        (await client.get("core/brands/current/")).raise_for_status()


class _Floor:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pages = 0
        self._decode = msgspec.json.Decoder().decode
        self._encode_lines = msgspec.json.Encoder().encode_lines

    async def run(self, job: Job) -> None:
        async with _client(job) as client:
            await _all_pages(client, "core/users/", {}, self._write_users)
            lean = {"include_users": "false"}
            await _all_pages(client, "core/groups/", lean, self._write_groups)
            await _all_pages(client, "core/groups/", lean, self._drop)
            for _ in range(job.requests - self._pages):
                self._drop((await client.get("core/users/", params={"page_size": 1})).raise_for_status().content)

    def _write_users(self, body: bytes) -> int:
        self._pages += 1
        page = self._decode(body)
        rows = page["results"]
        accounts = [
            _Envelope("DirectoryAccount", row["uid"], "upsert", row, _ACCOUNTS[bool(row["attributes"])]) for row in rows
        ]
        self._file.write(self._encode_lines(accounts))
        self._file.write(self._encode_lines([_MEMBERSHIP] * sum(len(row["groups"]) for row in rows)))
        return int(page["pagination"]["total_pages"])

    def _write_groups(self, body: bytes) -> int:
        self._pages += 1
        page = self._decode(body)
        groups = [_Envelope("DirectoryGroup", row["pk"], "upsert", row, _GROUP) for row in page["results"]]
        self._file.write(self._encode_lines(groups))
        return int(page["pagination"]["total_pages"])

    def _drop(self, body: bytes) -> int:
        self._pages += 1
        return int(self._decode(body)["pagination"]["total_pages"])


async def _all_pages(
    client: httpx.AsyncClient, path: str, params: dict[str, str], take: Callable[[bytes], int]
) -> None:
    async def read(number: int) -> int:
        response = await client.get(path, params={**params, "page": number, "page_size": PAGE_SIZE})
        return take(response.raise_for_status().content)

    numbers = iter(range(2, await read(1) + 1))

    async def worker() -> None:
        for number in numbers:
            await read(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(_WIDTH):
            group.create_task(worker())
