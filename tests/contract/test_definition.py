"""The card a host loads: ids, names and JSON shape as hosts persist them."""

import json
from importlib.metadata import entry_points
from typing import Any

import pytest

from openlane_authentik import AuthentikIntegration, IntegrationError
from openlane_authentik.definition import Definition, definition

_CARD: dict[str, Any] = json.loads(definition.to_json())


def test_a_host_finds_it_by_its_entry_point() -> None:
    """The group ``openlane.integrations`` has one entry ``authentik``, and it loads the definition."""
    (entry,) = entry_points(group="openlane.integrations", name="authentik")
    loaded = entry.load()
    assert loaded is definition
    assert isinstance(loaded, Definition)


def test_the_card_has_the_hosts_shape() -> None:
    """The JSON has the host's keys, in the host's spelling, at every level."""
    assert set(_CARD) == {"spec", "userInput", "credentialRegistrations", "connections", "operations", "mappings"}
    assert set(_CARD["spec"]) == {
        "id",
        "family",
        "displayName",
        "description",
        "category",
        "docsUrl",
        "logoUrl",
        "tags",
        "active",
        "visible",
    }
    assert set(_CARD["userInput"]) == {"schema"}
    (slot,) = _CARD["credentialRegistrations"]
    assert set(slot) == {"ref", "name", "description", "schema"}
    (connection,) = _CARD["connections"]
    assert set(connection) == {
        "credentialRef",
        "name",
        "description",
        "credentialRefs",
        "validationOperation",
        "installation",
        "disconnect",
    }
    assert set(connection["disconnect"]) == {"credentialRef", "description"}
    for operation in _CARD["operations"]:
        assert set(operation) == {
            *("name", "description", "topic", "configSchema", "policy", "ingest"),
            *("requiredPermissions", "disabledForAll"),
        }
        assert operation["disabledForAll"] is False
        assert operation["configSchema"]["additionalProperties"] is False
    for mapping in _CARD["mappings"]:
        assert set(mapping) == {"schema", "spec"}
        assert set(mapping["spec"]) == {"filterExpr", "mapExpr"}


def test_the_persisted_names_are_the_hosts() -> None:
    """Id, family, category, slot, operation and schema names are persisted by hosts: renaming one is a migration."""
    spec = _CARD["spec"]
    assert spec["id"] == "def_01K0AUTHENTIK000000000000001"
    assert (spec["family"], spec["displayName"]) == ("Authentik", "Authentik")
    assert (spec["category"], spec["tags"]) == ("identity", ["directory"])
    assert (spec["active"], spec["visible"]) == (True, True)
    assert spec["docsUrl"] == "https://docs.theopenlane.io/docs/platform/integrations/authentik"
    (slot,) = _CARD["credentialRegistrations"]
    assert (slot["ref"], slot["name"]) == ("CredentialSchema", "Authentik Credential")
    (connection,) = _CARD["connections"]
    assert connection["name"] == "Authentik API Token"
    assert connection["credentialRef"] == "CredentialSchema"
    assert connection["credentialRefs"] == ["CredentialSchema"]
    assert connection["validationOperation"] == "HealthCheck"
    assert [operation["name"] for operation in _CARD["operations"]] == ["HealthCheck", "DirectorySync"]
    assert [mapping["schema"] for mapping in _CARD["mappings"]] == [
        "DirectoryAccount",
        "DirectoryGroup",
        "DirectoryMembership",
    ]


def test_the_credential_form_is_the_hosts() -> None:
    """The slot asks for ``baseUrl`` and ``token``, both required, the token as a secret, and for whom to trust."""
    schema = _CARD["credentialRegistrations"][0]["schema"]
    assert {key: field["title"] for key, field in schema["properties"].items()} == {
        "baseUrl": "Base URL",
        "token": "API Token",
        "caCertificates": "Certificate Authorities",
        "allowHttp": "Allow HTTP",
    }
    assert schema["required"] == ["baseUrl", "token"]
    assert schema["properties"]["token"]["writeOnly"] is True
    assert schema["properties"]["token"]["format"] == "password"
    assert "default" not in schema["properties"]["token"]
    assert schema["additionalProperties"] is False


def test_the_user_input_form_is_the_hosts() -> None:
    """The form asks for the host's keys under the host's titles; nothing is required and nothing else allowed."""
    schema = _CARD["userInput"]["schema"]
    assert {key: field["title"] for key, field in schema["properties"].items()} == {
        "name": "Name",
        "primaryDirectory": "Primary Directory",
        "disableGroupSync": "Disable Group Sync",
        "filterExpr": "Filter Expression",
    }
    assert not schema.get("required")
    assert schema["additionalProperties"] is False


def test_the_operations_have_the_hosts_policies() -> None:
    """HealthCheck runs inline and needs nothing; DirectorySync reconciles and names what its token may have to do."""
    health, sync = _CARD["operations"]
    assert health["policy"] == {"inline": True}
    assert health["ingest"] == []
    assert sync["policy"] == {"reconcile": True}
    assert health["requiredPermissions"] == []
    assert sync["requiredPermissions"] == ["authentik_core.view_user", "authentik_core.view_group"]
    assert [contract["schema"] for contract in sync["ingest"]] == [
        "DirectoryAccount",
        "DirectoryGroup",
        "DirectoryMembership",
    ]


def test_an_installation_is_named_by_brand_and_keyed_by_host() -> None:
    """The name is the brand, the id the host; the card leaves it to hosts to put that in."""
    (connection,) = definition.connections
    installation = connection.installation
    assert {"brand", "host", "baseUrl"} <= set(installation.fields)
    assert (installation.external_name, installation.external_id) == ("brand", "host")
    assert _CARD["connections"][0]["installation"] == {}


def test_disconnecting_tells_that_the_token_lives_on() -> None:
    """The disconnect text tells the admin to delete the token in authentik, and where."""
    (connection,) = _CARD["connections"]
    assert "Directory > Tokens" in connection["disconnect"]["description"]
    assert "delete it" in connection["disconnect"]["description"]


def test_the_definition_builds_an_integration() -> None:
    """A host builds the integration of an installation from its filled-in credential form."""
    integration = definition.build({"baseUrl": "https://auth.example.com/if/admin/", "token": "t"})
    assert isinstance(integration, AuthentikIntegration)
    assert "https://auth.example.com'" in repr(integration)


@pytest.mark.parametrize("form", [{}, {"baseUrl": "https://h"}, {"baseUrl": "x", "token": "t"}, {"a": 1}])
def test_a_bad_form_builds_nothing(form: dict[str, Any]) -> None:
    """A form that is not filled in, or wrongly, is an integration error with code and remedy."""
    with pytest.raises(IntegrationError) as caught:
        definition.build(form)
    assert caught.value.exit_code in (77, 78)
