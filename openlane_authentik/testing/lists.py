"""The lists and details of users and groups, permissions applied."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from openlane_authentik.testing.answers import (
    READ_WRITE,
    Answer,
    html_answer,
    json_answer,
)
from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.grants import Access
from openlane_authentik.testing.messages import INVALID_PAGE, NO_PERMISSION, NOT_FOUND, Language
from openlane_authentik.testing.pages import InvalidPageError, asked_page, written_page
from openlane_authentik.testing.permissions import VIEW_GROUP, VIEW_USER
from openlane_authentik.testing.query import GroupQueries, OrderingCrashError, UserQueries
from openlane_authentik.testing.reading import BadFilterError, Parameters, read_uuid
from openlane_authentik.testing.releases import Release
from openlane_authentik.testing.rendering import Renderer
from openlane_authentik.testing.suggestions import GROUP_SUGGESTIONS, USER_SUGGESTIONS
from openlane_authentik.testing.views import Predicate, Query, Table


class _Queries(Protocol):
    def read(self, parameters: Parameters) -> Query: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """One kind of record: how it is found, written and guarded.

    Attributes:
        model: The name authentik gives the model in its 404.
        permission: What an account must hold to see all of them.
        table: The rows.
        queries: Reads what a list request asks for.
        write: A row as JSON, given its key and the query's flags.
        visible: The keys an account may see by object-level permissions.
        key: A key from the path of a detail, None when it is none.
        release: The release that answers.
        language: What refusals are said in.
        suggestions: What ``autocomplete`` carries, in the releases that have anything in it.
    """

    model: str
    permission: str
    table: Table
    queries: _Queries
    write: Callable[[Any, Parameters], bytes]
    visible: Callable[[Access], frozenset[Hashable]]
    key: Callable[[str], Hashable | None]
    release: Release
    language: Language
    suggestions: bytes

    def page(self, access: Access, parameters: Parameters) -> Answer:
        """A page of the rows the account may see; what it may not see is left out without a word."""
        if not self._is_let_in(access):
            return self.language.refusal(403, NO_PERMISSION, READ_WRITE)
        try:
            query = self._limited(self.queries.read(parameters), access)
            selection = self.table.select(query)
            page = asked_page(parameters, selection.count, self.release)
        except BadFilterError as error:
            return json_answer(error.told, 400, READ_WRITE)
        except OrderingCrashError:
            return html_answer(500, "Server Error - authentik")
        except InvalidPageError:
            return self.language.refusal(404, INVALID_PAGE, READ_WRITE)
        results = [self.write(key, parameters) for key in selection.page(page.first, page.size)]
        return Answer(
            200, written_page(page, results, self.release, self.suggestions), allow=READ_WRITE, rows=len(results)
        )

    def detail(self, access: Access, text: str, parameters: Parameters) -> Answer:
        """One row; one that may not be seen is as good as missing."""
        if not self._is_let_in(access):
            return self.language.refusal(403, NO_PERMISSION, READ_WRITE)
        key = self.key(text)
        if key is None:
            return self.language.refusal(404, NOT_FOUND, READ_WRITE)
        seen = access.may(self.permission) or key in self.visible(access)
        if key not in self.table.rows or not seen:
            return self.language.refusal(404, f"No {self.model} matches the given query.", READ_WRITE)
        return Answer(200, self.write(key, parameters), allow=READ_WRITE, rows=1)

    def _is_let_in(self, access: Access) -> bool:
        # An internal service account without permission is let in and sees nothing: measured.
        return access.may(self.permission) or access.internal or bool(self.visible(access))

    def _limited(self, query: Query, access: Access) -> Query:
        if access.may(self.permission):
            return query
        visible, rows = self.visible(access), self.table.rows
        limit = Predicate(
            ("visible", visible),
            lambda row: row["pk"] in visible,
            lambda: [key for key in visible if key in rows],
        )
        return Query(query.ordering, (*query.predicates, limit), query.ranges)


def user_listing(directory: Directory, release: Release, renderer: Renderer, language: Language) -> Listing:
    """``core/users/``."""

    def write(pk: int, parameters: Parameters) -> bytes:
        flags = {
            "with_groups": not release.include_flags or _flag(parameters, "include_groups", "true"),
            "with_roles": _flag(parameters, "include_roles", "true"),
        }
        return renderer.user(pk, **flags)

    return Listing(
        "User",
        VIEW_USER,
        Table(directory.users, directory.user_changes),
        UserQueries(directory, release),
        write,
        lambda access: access.visible_users,
        lambda text: int(text) if text.isdecimal() else None,
        release,
        language,
        USER_SUGGESTIONS if release.suggestions else b"{}",
    )


def group_listing(directory: Directory, release: Release, renderer: Renderer, language: Language) -> Listing:
    """``core/groups/``."""

    def write(pk: str, parameters: Parameters) -> bytes:
        flags = {
            "with_users": not release.include_flags or _flag(parameters, "include_users", "true"),
            "with_parents": _flag(parameters, "include_parents", "false"),
            "with_children": _flag(parameters, "include_children", "false"),
            "with_inherited_roles": _flag(parameters, "include_inherited_roles", "false"),
        }
        return renderer.group(pk, **flags)

    return Listing(
        "Group",
        VIEW_GROUP,
        Table(directory.groups, directory.group_changes),
        GroupQueries(directory),
        write,
        lambda access: access.visible_groups,
        read_uuid,
        release,
        language,
        GROUP_SUGGESTIONS if release.suggestions else b"{}",
    )


def _flag(parameters: Parameters, name: str, default: str) -> bool:
    # Anything but "true" is false to authentik: "1", "yes" and "" too.
    return parameters.get(name, (default,))[-1].lower() == "true"
