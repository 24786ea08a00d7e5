"""The addresses authentik answers at, and what it answers."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from openlane_authentik.testing.answers import (
    READ_ONLY,
    READ_WRITE,
    Answer,
    html_answer,
    json_answer,
    not_found,
    refusal,
)
from openlane_authentik.testing.calls import API, GROUPS, USERS, Call
from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.grants import Access
from openlane_authentik.testing.messages import INVALID_PAGE, NO_PERMISSION, NOT_PROVIDED, Language
from openlane_authentik.testing.other_lists import ALL_DEVICES, all_devices, other_lists
from openlane_authentik.testing.pages import InvalidPageError, asked_page, written_page
from openlane_authentik.testing.permissions import PERMISSION_ROWS, VIEW_SYSTEM_INFO
from openlane_authentik.testing.raw import instant_text
from openlane_authentik.testing.reading import Parameters, read_uuid
from openlane_authentik.testing.records import Records
from openlane_authentik.testing.releases import Release
from openlane_authentik.testing.snapshots import Snapshot
from openlane_authentik.testing.tokens import RefusedTokenError, Tokens, token_row

# Measured on authentik 2026.2: `role` is a choice among the roles there are.
_NO_SUCH_CHOICE: Final = "Select a valid choice. That choice is not one of the available choices."
_SYSTEM: Final = f"{API}admin/system/"


class Endpoints:
    """Answers calls from a directory as one release of authentik does."""

    def __init__(
        self, directory: Directory, release: Release, tokens: Tokens, brand_title: str, language: Language
    ) -> None:
        self._directory = directory
        self._release = release
        self._tokens = tokens
        self._brand_title = brand_title
        self._language = language
        self._primary = Records(directory, release, tokens, language)
        self._replica: tuple[Snapshot, Records] | None = None
        self._open: dict[str, Callable[[], Answer]] = {
            f"{API}core/brands/current/": self._brand,
            f"{API}root/config/": self._config,
            f"{API}schema/": self._schema,
        }
        self._guarded: dict[str, Callable[[Call, Access], Answer]] = {
            f"{API}core/tokens/": self._token_list,
            f"{API}rbac/permissions/": self._permissions,
            f"{API}admin/version/": self._version,
            _SYSTEM: self._system,
            ALL_DEVICES: lambda call, _access: all_devices(call, directory),
        }
        self._others = other_lists(directory)
        self._guarded |= dict.fromkeys(self._others, self._other_list)
        self._writable = {USERS, GROUPS, _SYSTEM, f"{API}core/tokens/", *self._others}

    def answer(self, call: Call, replica: Snapshot | None = None) -> Answer:
        """What authentik answers to a GET, users and groups read from a replica if one is given.

        An address without its trailing slash is none.
        """
        if call.path == "/-/health/live/":
            return Answer(200, content_type="text/html; charset=utf-8")
        if call.path == API:
            return html_answer(200, "API Browser - authentik")
        handler = self._handler(call.path, self._primary if replica is None else self._records_of(replica))
        if handler is None:
            return not_found()
        allow = READ_WRITE if call.path in self._writable else READ_ONLY
        try:
            access = self._tokens.authenticate(call.authorization)
        except RefusedTokenError as error:
            return refusal(403, str(error), allow)
        if call.path in self._open:
            return self._open[call.path]()
        return handler(call, access) if access else self._refused(NOT_PROVIDED, allow)

    def _handler(self, path: str, records: Records) -> Callable[[Call, Access], Answer] | None:
        if path in self._guarded:
            return self._guarded[path]
        if path in self._open:
            return lambda _call, _access: self._open[path]()
        return records.handler(path)

    def _records_of(self, snapshot: Snapshot) -> Records:
        if self._replica is None or self._replica[0] is not snapshot:
            directory = Directory.from_snapshot(snapshot)
            self._replica = (snapshot, Records(directory, self._release, self._tokens, self._language))
        return self._replica[1]

    def _token_list(self, call: Call, access: Access) -> Answer:
        rows: list[dict[str, Any]] = []
        for token in self._tokens.visible_to(access):
            row = token_row(token)
            if all(_is_asked(call.parameters, name, row[name]) for name in ("identifier", "intent")):
                row["user_obj"] = msgspec.Raw(self._primary.renderer.user(token.user))
                rows.append(row)
        return self._page(call, rows, READ_WRITE)

    def _permissions(self, call: Call, _access: Access) -> Answer:
        # Without `role` this lists what exists, not what the caller holds; no account holds any by itself (`user`).
        rows = list(PERMISSION_ROWS)
        asked = call.parameters.get("role", ("",))[-1]
        if asked:
            role = read_uuid(asked)
            if role is None:
                return json_answer({"role": [f"“{asked}” is not a valid UUID."]}, 400)
            if role not in self._directory.role_names:
                return json_answer({"role": [_NO_SUCH_CHOICE]}, 400)
            held = self._tokens.grants.of_role(role)
            rows = [row for row in rows if row["codename"] in held]
        if "user" in call.parameters:
            rows = []
        return self._page(call, [row for row in rows if _is_asked(call.parameters, "codename", row["codename"])])

    def _other_list(self, call: Call, access: Access) -> Answer:
        listed = self._others[call.path]
        if access.may(listed.permission):
            return self._page(call, listed.rows(), READ_WRITE)
        # As for users and groups: from authentik's source, which has one rule for all its lists.
        return self._page(call, [], READ_WRITE) if access.internal else self._refused(NO_PERMISSION, READ_WRITE)

    def _refused(self, message: str, allow: str) -> Answer:
        return self._language.refusal(403, message, allow)

    def _page(self, call: Call, rows: list[dict[str, Any]], allow: str = READ_ONLY) -> Answer:
        try:
            page = asked_page(call.parameters, len(rows), self._release)
        except InvalidPageError:
            return self._language.refusal(404, INVALID_PAGE, allow)
        shown = [msgspec.json.encode(row) for row in rows[page.first : page.first + page.size]]
        return Answer(200, written_page(page, shown, self._release), allow=allow, rows=len(shown))

    def _version(self, _call: Call, _access: Access) -> Answer:
        version = self._release.version
        return json_answer(
            {
                "version_current": version,
                "version_latest": version,
                "version_latest_valid": True,
                "build_hash": "",
                "outdated": False,
                "outpost_outdated": False,
            }
        )

    def _system(self, call: Call, access: Access) -> Answer:
        if not access.may(VIEW_SYSTEM_INFO):
            return self._refused(NO_PERMISSION, READ_WRITE)
        # As the real one: every header of the request comes back, the token with them.
        echoed = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in call.headers.items()}
        system = {
            "http_headers": {"REQUEST_METHOD": "GET", "PATH_INFO": call.path, **echoed},
            "http_host": call.headers.get("host", ""),
            "http_is_secure": False,
            "runtime": {
                "architecture": "x86_64",
                "authentik_version": self._release.version,
                "environment": "custom",
                "openssl_fips_enabled": None,
                "openssl_version": "OpenSSL 3.0.19 27 Jan 2026",
                "platform": "Linux",
                "python_version": "3.13.0",
                "uname": "Linux",
            },
            "brand": "Default brand",
            "server_time": instant_text(self._directory.clock()),
            "embedded_outpost_disabled": False,
            "embedded_outpost_host": "",
        }
        return json_answer(system, allow=READ_WRITE)

    def _brand(self) -> Answer:
        return json_answer(
            {
                "matched_domain": "authentik-default",
                "branding_title": self._brand_title,
                "branding_logo": "/static/dist/assets/icons/icon_left_brand.svg",
                "branding_logo_themed_urls": None,
                "branding_favicon": "/static/dist/assets/icons/icon.png",
                "branding_favicon_themed_urls": None,
                "branding_custom_css": "",
                "ui_footer_links": [],
                "ui_theme": "automatic",
                "flow_authentication": "default-authentication-flow",
                "flow_invalidation": "default-invalidation-flow",
                "flow_user_settings": "default-user-settings-flow",
                "default_locale": "" if self._language.locale == "en" else self._language.locale,
                "flags": {"policies_buffered_access_view": False, "flows_refresh_others": False},
            }
        )

    def _schema(self) -> Answer:
        # The real one is 2 MB; nobody who talks to a fake reads it.
        info = {"title": "authentik", "version": self._release.version}
        return json_answer({"openapi": "3.0.3", "info": info, "paths": {}})

    def _config(self) -> Answer:
        return json_answer(
            {
                "error_reporting": {
                    "enabled": False,
                    "sentry_dsn": "https://errors.example.test/1",
                    "environment": "customer",
                    "send_pii": False,
                    "traces_sample_rate": 0.1,
                },
                "capabilities": ["can_impersonate", "is_enterprise"],
                "cache_timeout": 300,
                "cache_timeout_flows": 300,
                "cache_timeout_policies": 300,
            }
        )


def _is_asked(parameters: Parameters, name: str, held: str) -> bool:
    return parameters.get(name, ("",))[-1] in {"", held}
