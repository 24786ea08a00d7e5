"""The card a host loads: who this integration is, what it asks for, what it offers, and how records are mapped.

Its JSON shape, ids and names are the host's contract; hosts persist them, so that renaming one is a migration. A host
finds it by the entry point ``authentik`` in the group ``openlane.integrations``, shows its schemas as forms, and
builds an integration from the credential that was filled in.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.integration import AuthentikIntegration
from openlane_authentik.operations.scope import Scope
from openlane_authentik.records import account, group, membership
from openlane_authentik.settings import (
    AuthentikCredential,
    DirectorySyncConfig,
    HealthCheckConfig,
    UserInput,
    parse_credential,
    parse_directory_sync_config,
    parse_user_input,
)

JsonSchema = dict[str, Any]
ID: Final = "def_01K0AUTHENTIK000000000000001"
CREDENTIAL_SLOT: Final = "CredentialSchema"
HEALTH_CHECK: Final = "HealthCheck"
DIRECTORY_SYNC: Final = "DirectorySync"


class Spec(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Who the integration is."""

    id: str
    family: str
    display_name: str
    description: str
    category: str
    docs_url: str
    logo_url: str
    tags: list[str]
    active: bool
    visible: bool


class UserInputForm(msgspec.Struct, frozen=True):
    """What an installation asks for besides secrets."""

    schema: JsonSchema


class CredentialRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """A slot for a secret."""

    ref: str
    name: str
    description: str
    schema: JsonSchema


class InstallationRegistration(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which keys of the installation metadata name and identify an installation."""

    fields: list[str]
    external_name: str
    external_id: str


class DisconnectRegistration(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What disconnecting does, in words for the admin."""

    credential_ref: str
    description: str


class Connection(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A way to connect."""

    credential_ref: str
    name: str
    description: str
    credential_refs: list[str]
    validation_operation: str
    installation: InstallationRegistration
    disconnect: DisconnectRegistration


class Policy(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a host runs an operation: ``inline`` while somebody waits, ``reconcile`` on a schedule."""

    inline: bool = False
    reconcile: bool = False


class IngestContract(msgspec.Struct, frozen=True):
    """A kind of record that an operation gives."""

    schema: str


class Operation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What an installation can do, and what the token needs for it, by authentik's names of permissions."""

    name: str
    description: str
    topic: str
    config_schema: JsonSchema
    policy: Policy
    required_permissions: list[str]
    disabled_for_all: bool = False
    ingest: list[IngestContract]


class MappingSpec(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """CEL over one envelope: which to keep ("" keeps all), and the mapped record."""

    filter_expr: str
    map_expr: str


class RecordMapping(msgspec.Struct, frozen=True):
    """How the envelopes of one schema become records."""

    schema: str
    spec: MappingSpec


class Definition(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The card; ``to_json`` gives it in the shape hosts serialise."""

    spec: Spec
    user_input: UserInputForm
    credential_registrations: list[CredentialRegistration]
    connections: list[Connection]
    operations: list[Operation]
    mappings: list[RecordMapping]

    def to_json(self) -> bytes:
        """Return the card as indented UTF-8 JSON, where a host puts the installation of a connection in by itself."""
        card = msgspec.to_builtins(self)
        for connection in card["connections"]:
            connection["installation"] = {}
        return msgspec.json.format(msgspec.json.encode(card), indent=2)

    def build(self, credential: Mapping[str, Any]) -> AuthentikIntegration:
        """Build the integration of one installation from its filled-in credential form.

        Raises:
            IntegrationError: See ``parse_credential``.
        """
        return AuthentikIntegration(parse_credential(credential))

    def parse_user_input(self, user_input: Mapping[str, Any]) -> UserInput:
        """Read the filled-in user input form of an installation, its filter compiled once to see that it can be.

        Raises:
            UserInputError: An unknown key or a value of another type.
            FilterError: The filter is not one this package runs.
        """
        parsed = parse_user_input(user_input)
        Scope(parsed)
        return parsed

    def parse_config(self, config: Mapping[str, Any]) -> DirectorySyncConfig:
        """Read the filled-in options of ``DirectorySync``, the one operation that has any.

        Raises:
            UserInputError: An unknown key or a value of another type.
        """
        return parse_directory_sync_config(config)


def _operation(
    name: str, description: str, config: JsonSchema, policy: Policy, permissions: list[str], ingest: list[Schema]
) -> Operation:
    return Operation(
        name=name,
        description=description,
        topic=f"integration.run.{ID}.{name}",
        config_schema=config,
        policy=policy,
        required_permissions=permissions,
        ingest=[IngestContract(schema=schema) for schema in ingest],
    )


definition: Final = Definition(
    spec=Spec(
        id=ID,
        family="Authentik",
        display_name="Authentik",
        description="Collect the users, groups and memberships of an authentik, provably complete, for access reviews.",
        category="identity",
        docs_url="https://docs.theopenlane.io/docs/platform/integrations/authentik",
        logo_url="",
        tags=["directory"],
        active=True,
        visible=True,
    ),
    user_input=UserInputForm(schema=UserInput.model_json_schema()),
    credential_registrations=[
        CredentialRegistration(
            ref=CREDENTIAL_SLOT,
            name="Authentik Credential",
            description="Where authentik is, and an API token of a service account that may view users and groups.",
            schema=AuthentikCredential.model_json_schema(),
        )
    ],
    connections=[
        Connection(
            credential_ref=CREDENTIAL_SLOT,
            name="Authentik API Token",
            description="Read authentik with an API token of a service account.",
            credential_refs=[CREDENTIAL_SLOT],
            validation_operation=HEALTH_CHECK,
            installation=InstallationRegistration(
                fields=["brand", "host", "baseUrl", "version", "directoryInstanceId"],
                external_name="brand",
                external_id="host",
            ),
            disconnect=DisconnectRegistration(
                credential_ref=CREDENTIAL_SLOT,
                description="Deletes the stored token and the installation, and stops collecting. The token itself "
                "stays valid in authentik: delete it there under Directory > Tokens and App passwords.",
            ),
        )
    ],
    operations=[
        _operation(
            HEALTH_CHECK,
            "Find out what is wrong between here and a sync that can prove its records complete.",
            HealthCheckConfig.model_json_schema(),
            Policy(inline=True),
            [],
            [],
        ),
        _operation(
            DIRECTORY_SYNC,
            "Collect users, groups and memberships, and say what of them is proven complete.",
            DirectorySyncConfig.model_json_schema(),
            Policy(reconcile=True),
            ["authentik_core.view_user", "authentik_core.view_group"],
            [Schema.ACCOUNT, Schema.GROUP, Schema.MEMBERSHIP],
        ),
    ],
    mappings=[
        RecordMapping(schema=schema, spec=MappingSpec(filter_expr="", map_expr=expression))
        for schema, expression in (
            (Schema.ACCOUNT, account.MAP_EXPR),
            (Schema.GROUP, group.MAP_EXPR),
            (Schema.MEMBERSHIP, membership.MAP_EXPR),
        )
    ],
)
