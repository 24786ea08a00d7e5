"""What the host knows of an integration: its definition, and what that builds.

An integration is found by its entry point in the group ``openlane.integrations``, which names an object that is a
``Definition``. Envelopes and closings are those of ``openlane_authentik.emit``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

from openlane_authentik.emit.envelope import RunWarning, Schema, SyncRun
from openlane_authentik.emit.filter_copy import FilterCopy, LeftOutSink
from openlane_authentik.emit.sink import Sink

ENTRY_POINTS: Final = "openlane.integrations"
HEALTH_CHECK: Final = "HealthCheck"
DIRECTORY_SYNC: Final = "DirectorySync"


class Check(Protocol):
    """One check of a health report."""

    @property
    def check(self) -> str:
        """What was checked."""
        ...

    @property
    def status(self) -> str:
        """``pass``, ``warn``, ``fail`` or ``skipped``."""
        ...

    @property
    def code(self) -> str:
        """Stable; ``ok`` when nothing is wrong."""
        ...

    @property
    def seen(self) -> str:
        """What was found."""
        ...

    @property
    def remedy(self) -> str:
        """What to do; empty when nothing."""
        ...


class HealthReport(Protocol):
    """What a HealthCheck found."""

    @property
    def status(self) -> str:
        """The whole in words."""
        ...

    @property
    def checks(self) -> Sequence[Check]:
        """One by one."""
        ...

    @property
    def exit_code(self) -> int:
        """0 when nothing stands in the way of a sync."""
        ...


class SyncResult(Protocol):
    """What a DirectorySync gives."""

    @property
    def run(self) -> SyncRun:
        """The line that closed the run."""
        ...

    @property
    def checkpoint(self) -> bytes | None:
        """Where the next sync can begin; None when it must read everything."""
        ...


class Integration(Protocol):
    """One connected directory."""

    async def health_check(self, user_input: Any = None) -> HealthReport:
        """Find out what is wrong between here and a sync."""
        ...

    async def directory_sync(
        self, sink: Sink, user_input: Any = None, config: Any = None, *, checkpoint: bytes | None = None
    ) -> SyncResult:
        """Read the directory and hand it to the sink.

        Raises:
            IntegrationError: The run failed; its ``recovery`` tells whether time or a person mends it.
        """
        ...

    async def installation_metadata(self) -> Any:
        """Return what to show of the installation: an object that encodes to JSON."""
        ...


class PreviewedSyncResult(SyncResult, Protocol):
    """What a DirectorySync gives that was asked for a copy."""

    @property
    def filter_copy(self) -> FilterCopy | None:
        """What the next preview is told from."""
        ...


@runtime_checkable
class PreviewingIntegration(Integration, Protocol):
    """An integration that tells beforehand what its user input would keep out of a sync; not every one does."""

    async def directory_sync(
        self,
        sink: Sink,
        user_input: Any = None,
        config: Any = None,
        *,
        checkpoint: bytes | None = None,
        filter_copy: bool = False,
    ) -> PreviewedSyncResult:
        """Read the directory as ``Integration`` says, and if it is asked for, give a copy for previews."""
        ...

    def filter_warnings(self, user_input: Any) -> Sequence[RunWarning]:
        """Return what is worth knowing of a filter, without reading anything."""
        ...

    async def preview_filter(
        self, sink: LeftOutSink, user_input: Any = None, config: Any = None, *, copies: Sequence[FilterCopy] = ()
    ) -> Sequence[Schema]:
        """Name what a sync would leave out, told from copies or else by reading; return the kinds that it would sync.

        Raises:
            IntegrationError: What had to be read could not be.
        """
        ...


class InstallationRegistration(Protocol):
    """Which keys of the metadata name and identify an installation."""

    @property
    def external_name(self) -> str:
        """The key of its name."""
        ...

    @property
    def external_id(self) -> str:
        """The key of its identity."""
        ...


class Disconnect(Protocol):
    """What disconnecting does."""

    @property
    def description(self) -> str:
        """In words for the admin, with what is left to do at the provider."""
        ...


class Connection(Protocol):
    """A way to connect."""

    @property
    def installation(self) -> InstallationRegistration:
        """What names and identifies it."""
        ...

    @property
    def disconnect(self) -> Disconnect:
        """How it ends."""
        ...


class CredentialRegistration(Protocol):
    """A slot for a secret."""

    @property
    def schema(self) -> dict[str, Any]:
        """The form, as JSON Schema."""
        ...


class UserInputForm(Protocol):
    """What an installation asks for besides secrets."""

    @property
    def schema(self) -> dict[str, Any]:
        """The form, as JSON Schema."""
        ...


class Spec(Protocol):
    """Who the integration is."""

    @property
    def id(self) -> str:
        """Stored with every installation."""
        ...

    @property
    def display_name(self) -> str:
        """For people."""
        ...

    @property
    def description(self) -> str:
        """For people."""
        ...


class Definition(Protocol):
    """The card of an integration."""

    @property
    def spec(self) -> Spec:
        """Who it is."""
        ...

    @property
    def credential_registrations(self) -> Sequence[CredentialRegistration]:
        """What secrets it needs."""
        ...

    @property
    def user_input(self) -> UserInputForm:
        """What else it asks for."""
        ...

    @property
    def connections(self) -> Sequence[Connection]:
        """How it is connected."""
        ...

    def to_json(self) -> bytes:
        """Return the card as JSON."""
        ...

    def build(self, credential: Mapping[str, Any]) -> Integration:
        """Build the integration of one installation.

        Raises:
            IntegrationError: The credential is not one it can use.
        """
        ...

    def parse_user_input(self, user_input: Mapping[str, Any]) -> Any:
        """Read the filled-in form; what it gives is handed to the operations as it is.

        Raises:
            IntegrationError: It is not one it can use.
        """
        ...

    def parse_config(self, config: Mapping[str, Any]) -> Any:
        """Read the options of ``DirectorySync``; what it gives is handed to it as it is.

        Raises:
            IntegrationError: They are not ones it can use.
        """
        ...
