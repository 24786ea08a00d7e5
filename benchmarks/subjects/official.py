"""The official ``authentik-client`` doing what the original integration does.

Pages of 100 one after another, users with default parameters, groups with ``include_users=true``; everything is held
in memory, then each object becomes JSON in an envelope, a member's in one for each of its memberships.

The generated ``to_json`` cannot be used: it raises on every user and group (it hands UUIDs and dates to ``json``) and
would leave out ``pk`` and ``uid``. The models' own ``model_dump_json`` gives the whole object, and faster.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import authentik_client

from benchmarks.job import PAGE_SIZE, Job
from benchmarks.subjects import Work

_MOST_PAGES: Final = 1_000_000


def prepare(job: Job) -> Work:
    """Make one small request, so that all that is loaded on first use has been."""
    configuration = authentik_client.Configuration(host=f"{job.url}/api/v3", access_token=job.token)
    api = authentik_client.CoreApi(authentik_client.ApiClient(configuration))
    api.core_brands_current_retrieve()

    def work() -> None:
        users, groups = _users(api), _groups(api)
        envelopes = [*_envelopes(users, groups)]
        with Path(job.output).open("w", encoding="utf-8") as file:
            file.writelines(envelopes)

    return work


def _users(api: authentik_client.CoreApi) -> list[authentik_client.User]:
    users: list[authentik_client.User] = []
    for number in range(1, _MOST_PAGES):
        page = api.core_users_list(page=number, page_size=PAGE_SIZE)
        users.extend(page.results)
        if not page.pagination.next:
            break
    return users


def _groups(api: authentik_client.CoreApi) -> list[authentik_client.Group]:
    groups: list[authentik_client.Group] = []
    for number in range(1, _MOST_PAGES):
        page = api.core_groups_list(page=number, page_size=PAGE_SIZE, include_users=True)
        groups.extend(page.results)
        if not page.pagination.next:
            break
    return groups


def _envelopes(users: list[authentik_client.User], groups: list[authentik_client.Group]) -> Iterator[str]:
    for user in users:
        yield _envelope("DirectoryAccount", user.uid, user.model_dump_json())
    for group in groups:
        yield _envelope("DirectoryGroup", str(group.pk), group.model_dump_json())
    for group in groups:
        for member in group.users_obj or ():
            yield _envelope("DirectoryMembership", str(group.pk), member.model_dump_json())


def _envelope(schema: str, resource: str, payload: str) -> str:
    return f'{{"schema":"{schema}","resource":"{resource}","payload":{payload}}}\n'
