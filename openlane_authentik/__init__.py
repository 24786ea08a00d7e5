"""The directory integration between authentik and an Openlane-style governance host.

authentik/     one GET: authorisation, time limits, retries; pages; releases
directory/     users drift-proof, groups lean, what the token may see, both sides of every membership
filter/        the installation's CEL expression, compiled once
records/       raw records to the host's
emit/          envelopes, closings, and the sinks that take them
operations/    HealthCheck and DirectorySync, which walk the whole path
integration    a credential in, operations out
definition     the card a host loads
testing/       a fake authentik, for your tests as for ours

integration = AuthentikIntegration(parse_credential({"baseUrl": "https://auth.example.com", "token": token}))
report = await integration.health_check()
run = await integration.directory_sync(NdjsonSink(file), parse_user_input({"disableGroupSync": True}))
"""

from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, Schema, SyncRun
from openlane_authentik.emit.ndjson import NdjsonSink
from openlane_authentik.emit.payload_sets import PayloadSetsSink
from openlane_authentik.emit.sink import Sink
from openlane_authentik.errors import IntegrationError
from openlane_authentik.integration import AuthentikIntegration, InstallationMetadata
from openlane_authentik.operations.directory_sync import SyncResult
from openlane_authentik.operations.health_report import HealthReport
from openlane_authentik.settings import (
    AuthentikCredential,
    DirectorySyncConfig,
    UserInput,
    parse_credential,
    parse_directory_sync_config,
    parse_user_input,
)

__all__ = [
    "AuthentikCredential",
    "AuthentikIntegration",
    "DirectorySyncConfig",
    "Envelope",
    "HealthReport",
    "InstallationMetadata",
    "IntegrationError",
    "NdjsonSink",
    "PayloadSetClosing",
    "PayloadSetsSink",
    "Schema",
    "Sink",
    "SyncResult",
    "SyncRun",
    "UserInput",
    "parse_credential",
    "parse_directory_sync_config",
    "parse_user_input",
]
