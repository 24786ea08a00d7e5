"""The index of users read: held against a model in plain dicts, spilling to disk included."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.identities import IDENTITY_FIELDS
from openlane_authentik.directory.index import DirectoryIndex, Member, Outcome

_GROUPS = ("g1", "g2", "g3", "g4")


@dataclass
class _Model:
    """What an index must remember, said plainly."""

    noted: dict[int, tuple[int, RawRecord, Outcome, list[tuple[str, Outcome]]]] = field(default_factory=dict)
    notes: int = 0

    def note(self, pk: int, raw: RawRecord, account: Outcome, outcomes: list[tuple[str, Outcome]]) -> None:
        self.notes += 1
        self.noted[pk] = (self.notes, raw, account, outcomes)

    def members(self) -> list[Member]:
        latest = sorted(self.noted.values(), key=lambda entry: entry[0])
        return [
            Member(
                account,
                _identity(raw),
                [group for group, outcome in outcomes if outcome is Outcome.KEPT],
                [(group, outcome) for group, outcome in outcomes if outcome is not Outcome.KEPT],
            )
            for _, raw, account, outcomes in latest
            if outcomes
        ]

    def members_by_group(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for pk, (_, _, _, outcomes) in self.noted.items():
            for group, _ in outcomes:
                found.setdefault(group, set()).add(pk)
        return found


def _identity(raw: RawRecord) -> RawRecord:
    return {key: raw[key] for key in IDENTITY_FIELDS if key in raw}


def _user(pk: int, name: str) -> RawRecord:
    return {"pk": pk, "uid": f"uid-{pk}", "name": name, "is_active": True, "avatar": "left out", "attributes": {}}


_OUTCOME = st.sampled_from(list(Outcome))
_NOTE = st.tuples(
    st.integers(1, 6),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    _OUTCOME,
    st.dictionaries(st.sampled_from(_GROUPS), _OUTCOME).map(lambda outcomes: list(outcomes.items())),
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(_NOTE, max_size=12))
def test_an_index_remembers_the_last_that_was_noted(
    notes: list[tuple[int, str, Outcome, list[tuple[str, Outcome]]]],
) -> None:
    """Users, outcomes, identities and memberships are as last noted; noting a user again replaces all of it."""
    model = _Model()
    with DirectoryIndex() as index:
        for pk, name, account, outcomes in notes:
            index.note(
                pk, _user(pk, name), account, [group for group, _ in outcomes], [outcome for _, outcome in outcomes]
            )
            model.note(pk, _user(pk, name), account, outcomes)
        assert len(index) == len(model.noted)
        assert all(pk in index for pk in model.noted)
        assert 99 not in index
        assert {pk: index.outcome_of(pk) for pk in model.noted} == {pk: entry[2] for pk, entry in model.noted.items()}
        by_group = {group: set(members) for group, members in index.members_by_group().items() if len(members)}
        assert by_group == model.members_by_group()
        assert all(len(members) == len(set(members)) for members in index.members_by_group().values())
        assert list(index.members()) == model.members()
        assert list(index.members()) == model.members()


def test_an_index_larger_than_memory_is_the_same() -> None:
    """Identities that no longer fit in memory come back from the temporary file unchanged, replaced ones too."""
    with DirectoryIndex() as index:
        for pk in range(1200):
            index.note(pk, _user(pk, f"{pk}-" + "x" * 5000), Outcome.KEPT, ["g1"], [Outcome.KEPT])
        index.note(3, _user(3, "again"), Outcome.KEPT, ["g2"], [Outcome.KEPT])
        members = list(index.members())
    assert [member.identity["pk"] for member in members if member.identity] == [*range(3), *range(4, 1200), 3]
    assert members[-1] == Member(Outcome.KEPT, _identity(_user(3, "again")), ["g2"], [])
    assert members[700].identity == _identity(_user(701, "701-" + "x" * 5000))


def test_only_identifying_fields_are_kept() -> None:
    """Of a person nothing is kept but what a membership repeats: no avatar, no attributes."""
    with DirectoryIndex() as index:
        index.note(
            1, {**_user(1, "Ada"), "type": "internal", "email": "a@b.example"}, Outcome.KEPT, ["g1"], [Outcome.KEPT]
        )
        (member,) = index.members()
    assert member.identity
    assert set(member.identity) <= set(IDENTITY_FIELDS)


def test_the_temporary_file_is_gone_with_the_index() -> None:
    """After the block nothing more can be read: the file of people's fields is closed."""
    with DirectoryIndex() as index:
        index.note(1, _user(1, "Ada"), Outcome.KEPT, ["g1"], [Outcome.KEPT])
    with pytest.raises(ValueError, match="closed"):
        list(index.members())
