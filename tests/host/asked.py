"""What a test reads of the questions to an operator."""

from typing import Any

from openlane_authentik import Schema
from openlane_authentik.host.attention import Attention, list_attention, list_candidates
from openlane_authentik.host.host import Host
from tests.host.in_process import changes_of, kinds_of, stored
from tests.host.scripted import Script

Names = set[tuple[str, str, str]]


def listed(host: Host, installation_id: str, attention_id: str) -> Names:
    """Return the whole list of a question, read some at a time."""
    found: list[tuple[str, str, str]] = []
    while some := list_candidates(host, installation_id, attention_id, offset=len(found), limit=7):
        found += [(one.schema, one.external_id, one.group_id or "") for one in some]
    assert len(found) == len(set(found))
    return set(found)


def missing(host: Host, installation_id: str, script: Script) -> Names:
    """Return what the directory has and the script has not."""
    there = stored(host, installation_id)
    true: dict[Schema, set[tuple[str, str]]] = {
        Schema.ACCOUNT: {(key, "") for key in script.accounts},
        Schema.GROUP: {(key, "") for key in script.groups},
        Schema.MEMBERSHIP: set(script.memberships),
    }
    return {(schema.value, *key) for schema in Schema for key in there[schema].keys() - true[schema]}


def one_question(host: Host, installation_id: str) -> Attention:
    """Return the one question that is open."""
    (question,) = list_attention(host, installation_id)
    return question


def removed(host: Host, installation_id: str, run: Any) -> Names:
    """Return what a run removed."""
    return {
        key for key, kind in kinds_of(changes_of(host, installation_id, run_id=run.id)).items() if kind == "removed"
    }
