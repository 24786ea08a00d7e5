"""One connected authentik: what a host builds from a credential, and runs operations on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.refusals import BRAND
from openlane_authentik.authentik.retry import ATTEMPTS
from openlane_authentik.authentik.server_time import ServerTime
from openlane_authentik.authentik.transport import open_http
from openlane_authentik.base_url import directory_instance_id
from openlane_authentik.clock import Clock, SystemClock, rfc3339
from openlane_authentik.emit.envelope import RunWarning, Schema
from openlane_authentik.emit.filter_copy import FilterCopy, LeftOutSink
from openlane_authentik.emit.sink import Sink
from openlane_authentik.errors import NotAuthentikError
from openlane_authentik.operations.collection import Progress
from openlane_authentik.operations.directory_sync import DirectorySync, SyncResult
from openlane_authentik.operations.filter_preview import LeftOutOnly, judges_by_copy, preview_by_copy
from openlane_authentik.operations.health_check import HealthCheck
from openlane_authentik.operations.health_report import HealthReport
from openlane_authentik.operations.scope import Scope
from openlane_authentik.operations.version import read_release
from openlane_authentik.records.context import MappingContext
from openlane_authentik.settings import AuthentikCredential, DirectorySyncConfig, UserInput

# A health check answers an admin who is looking on: a second try for what was a hiccup, and no more.
_HEALTH_ATTEMPTS = 2
_HEALTH_SECONDS = 120.0


class InstallationMetadata(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a host shows and keys an installation by: its external name is ``brand``, its external id ``host``.

    Records carry the ``directory_instance_id``, which tells two authentiks apart that share a host.
    """

    brand: str
    host: str
    base_url: str
    version: str | None
    directory_instance_id: str


class AuthentikIntegration:
    """An authentik and the token to read it with.

    Args:
        credential: See ``parse_credential``.
        ca_file: Certificate authorities trusted beside the public ones, in PEM.
        clock: What runs wait and stamp by.
        transport: Takes the place of the network.
    """

    def __init__(
        self,
        credential: AuthentikCredential,
        *,
        ca_file: Path | None = None,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._credential = credential
        self._ca_file = ca_file
        self._clock = clock or SystemClock()
        self._transport = transport

    def __repr__(self) -> str:
        return f"AuthentikIntegration({self._credential.base_url!r})"

    async def health_check(self, user_input: UserInput | None = None) -> HealthReport:
        """Find out what is wrong between here and a sync that can prove its sets.

        Args:
            user_input: With its ``disableGroupSync`` the permission on groups does not matter.

        Raises:
            CaFileError: See ``ca_file``; everything else is a finding of the report.
        """
        with_groups = not (user_input and user_input.disable_group_sync)
        server_time = ServerTime(self._clock)
        async with self._client(1, _HEALTH_SECONDS, _HEALTH_ATTEMPTS, server_time) as client:
            return await HealthCheck(client, server_time, with_groups=with_groups).run()

    async def directory_sync(
        self,
        sink: Sink,
        user_input: UserInput | None = None,
        config: DirectorySyncConfig | None = None,
        *,
        checkpoint: bytes | None = None,
        remember: bool = True,
        filter_copy: bool = False,
        progress: Progress = lambda _read, _expected: None,
    ) -> SyncResult:
        """Read the directory and hand it to the sink, record by record, while it is being read.

        Args:
            sink: Takes envelopes and closings.
            user_input: Filter and switches.
            config: Page size, concurrency and time limit.
            checkpoint: Of the last result, see ``SyncResult``; only what changed since is then read, if that can be
                proven. If not, the full sync asks for everybody it knows, and recognises whose ``uid`` changed.
            remember: Whether to give a checkpoint for the next run; it takes some time and memory.
            filter_copy: Whether to give a copy for ``preview_filter``.
            progress: Told after every page how many users were read, and how many there are about.

        Returns:
            The line that closed the run, whose ``exit_code`` tells whether every set was proven, and the checkpoint
            for the next.

        Raises:
            FilterError: The filter is not one this package runs; nothing was sent or handed over.
            IntegrationError: The run failed, and the sink was told so.
        """
        user_input = user_input or UserInput()
        config = config or DirectorySyncConfig()
        scope = Scope(user_input)
        context = MappingContext(
            directory_instance_id(self._credential.base_url),
            user_input.primary_directory,
            rfc3339(self._clock.now()),
        )
        async with self._client(config.concurrency, config.timeout_seconds, ATTEMPTS) as client:
            sync = DirectorySync(client, sink, scope, context, config, progress)
            return await sync.run(checkpoint, remember=remember, copy=filter_copy)

    async def preview_filter(
        self,
        sink: LeftOutSink,
        user_input: UserInput | None = None,
        config: DirectorySyncConfig | None = None,
        *,
        copies: Sequence[FilterCopy] = (),
    ) -> list[Schema]:
        """Return what the filter and the switches would keep out of a sync.

        Args:
            sink: Takes the keys of the records that the filter would leave out.
            user_input: Filter and switches to try.
            config: For reading authentik.
            copies: Of the syncs so far: the last whole one, and all since then. Without them, or for a filter that
                names what they do not hold, everything is read from authentik.

        Returns:
            The kinds of record that such a sync hands over.

        Raises:
            FilterError: The filter is not one this package runs.
            IntegrationError: See ``directory_sync``, where authentik is read.
        """
        user_input = user_input or UserInput()
        scope = Scope(user_input)
        if judges_by_copy(scope, copies):
            await preview_by_copy(scope, copies, sink)
        else:
            await self.directory_sync(LeftOutOnly(sink), user_input, config, remember=False)
        return scope.schemas

    def filter_warnings(self, user_input: UserInput) -> list[RunWarning]:
        """Return what is worth telling who wrote a filter; nothing is read.

        Raises:
            FilterError: See ``preview_filter``.
        """
        return [RunWarning(code=one.code, message=one.message) for one in Scope(user_input).filter.warnings]

    async def installation_metadata(self) -> InstallationMetadata:
        """Read what a host shows of this installation.

        Raises:
            IntegrationError: See ``AuthentikClient.get``.
        """
        async with self._client(1, _HEALTH_SECONDS, ATTEMPTS) as client:
            brand = (await client.get(BRAND, shape=_brand_title)).data
            release = await read_release(client)
        base_url = self._credential.base_url
        return InstallationMetadata(
            brand=brand,
            host=urlsplit(base_url).netloc,
            base_url=base_url,
            version=release.text if release else None,
            directory_instance_id=directory_instance_id(base_url),
        )

    def _client(
        self, concurrency: int, timeout_seconds: float, attempts: int, server_time: ServerTime | None = None
    ) -> AuthentikClient:
        http = open_http(
            self._credential.base_url,
            self._credential.token.get_secret_value(),
            connections=concurrency,
            ca_file=self._ca_file,
            ca_certificates=self._credential.ca_certificates,
            transport=self._transport,
        )
        if server_time is not None:
            http.event_hooks["response"].append(server_time)
        return AuthentikClient(
            http, clock=self._clock, concurrency=concurrency, timeout_seconds=timeout_seconds, attempts=attempts
        )


def _brand_title(data: Any) -> str:
    match data:
        case {"branding_title": str(title)}:
            return title
        case _:
            raise NotAuthentikError(f"{BRAND} answered JSON that is no brand")
