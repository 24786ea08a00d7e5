"""Integrations are found by their entry points; one that is broken takes nothing from the others."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openlane_authentik.definition import definition as authentik
from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.errors import UnhealthyError, UnknownProviderError
from openlane_authentik.host.host import open_host
from openlane_authentik.host.installations import InstallationStatus, SaveRequest, disconnect, save
from openlane_authentik.host.providers import Providers
from tests.host import tiny_integration
from tests.support import SimulatedClock

if TYPE_CHECKING:
    from openlane_authentik.host.contract import Definition


def offer(folder: Path, name: str, value: str) -> None:
    """Install a package that offers an integration: its metadata is all that is looked at."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[openlane.integrations]\n{name} = {value}\n")


def test_both_integrations_satisfy_the_contract() -> None:
    """What the host knows of an integration is checked by the type checker, here."""
    definitions: dict[str, Definition] = {"authentik": authentik, "tiny": tiny_integration.definition}
    assert Providers(definitions).all() == [authentik, tiny_integration.definition]


def test_installed_integrations_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Authentik, and whatever another package offers, are there by their ids."""
    offer(tmp_path, "tiny", "tests.host.tiny_integration:definition")
    monkeypatch.syspath_prepend(tmp_path)
    providers = Providers.load()
    assert [definition.spec.id for definition in providers.all()] == [authentik.spec.id, tiny_integration.ID]
    assert providers.get(tiny_integration.ID) is tiny_integration.definition
    assert not providers.broken


@pytest.mark.parametrize(
    "value", ["no_such_module:definition", "tests.host.tiny_integration:nothing", "tests.host.tiny_integration:ID"]
)
def test_a_broken_integration_is_left_out_with_its_reason(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot be imported, or is no definition, is told by name; the others work."""
    offer(tmp_path, "broken", value)
    monkeypatch.syspath_prepend(tmp_path)
    providers = Providers.load()
    assert [definition.spec.id for definition in providers.all()] == [authentik.spec.id]
    assert list(providers.broken) == ["broken"]


def test_a_second_integration_of_the_same_id_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cannot share an id: stored installations would change hands."""
    offer(tmp_path / "a", "first", "tests.host.tiny_integration:definition")
    offer(tmp_path / "b", "second", "tests.host.tiny_integration:TinyDefinition")
    monkeypatch.syspath_prepend(tmp_path / "a")
    monkeypatch.syspath_prepend(tmp_path / "b")
    providers = Providers.load()
    assert providers.get(tiny_integration.ID) is tiny_integration.definition
    assert list(providers.broken) == ["second"]


def test_an_unknown_provider_is_named() -> None:
    """None of that id is an error of its own."""
    with pytest.raises(UnknownProviderError, match="def_none"):
        Providers({}).get("def_none")


def test_the_host_connects_an_integration_it_has_never_seen(settings: HostSettings, clock: SimulatedClock) -> None:
    """Another credential form, no instance id, no primary: saved, changed, ended and revived like any."""
    tiny = tiny_integration.definition
    host = open_host(settings, clock=clock, providers=Providers({tiny.spec.id: tiny}))
    good = SaveRequest(organisation="org", credential={"pass": "open sesame"})
    with pytest.raises(UnhealthyError) as caught:
        asyncio.run(save(host, tiny.spec.id, SaveRequest(organisation="org", credential={"pass": "let me in"})))
    assert (caught.value.exit_code, caught.value.report["checks"][0]["code"]) == (77, "pass_refused")
    saved = asyncio.run(save(host, tiny.spec.id, good))
    assert (saved.name, saved.instance_id) == ("North Gate", saved.id)
    renamed = SaveRequest(organisation="org", name="South Gate")
    assert asyncio.run(save(host, tiny.spec.id, renamed, saved.id)).name == "South Gate"
    ended = disconnect(host, saved.id)
    assert ended.reason is not None
    assert ended.reason["remedy"] == "Hand the pass back to the porter."
    revived = asyncio.run(save(host, tiny.spec.id, good, saved.id))
    assert (revived.id, revived.status) == (saved.id, InstallationStatus.PENDING)
    # Two lodges of one organisation are two installations: nothing tells them to be the same.
    assert asyncio.run(save(host, tiny.spec.id, good)).id != saved.id
    host.close()
