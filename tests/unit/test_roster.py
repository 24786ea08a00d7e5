"""The roster of users read: held against a model in plain dicts, spilling to disk included."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.authentik.pages import RawRecord
from openlane_authentik.directory.identities import IDENTITY_FIELDS
from openlane_authentik.directory.roster import Fate, Member, Roster

_GROUPS = ("g1", "g2", "g3", "g4")


@dataclass
class _Model:
    """What a roster must remember, said plainly."""

    noted: dict[int, tuple[int, RawRecord, Fate, list[tuple[str, Fate]]]] = field(default_factory=dict)
    notes: int = 0

    def note(self, pk: int, raw: RawRecord, account: Fate, fates: list[tuple[str, Fate]]) -> None:
        self.notes += 1
        self.noted[pk] = (self.notes, raw, account, fates)

    def members(self) -> list[Member]:
        latest = sorted(self.noted.values(), key=lambda entry: entry[0])
        return [
            Member(
                account,
                _identity(raw),
                [group for group, fate in fates if fate is Fate.KEPT],
                [(group, fate) for group, fate in fates if fate is not Fate.KEPT],
            )
            for _, raw, account, fates in latest
            if fates
        ]

    def members_by_group(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for pk, (_, _, _, fates) in self.noted.items():
            for group, _ in fates:
                found.setdefault(group, set()).add(pk)
        return found


def _identity(raw: RawRecord) -> RawRecord:
    return {key: raw[key] for key in IDENTITY_FIELDS if key in raw}


def _user(pk: int, name: str) -> RawRecord:
    return {"pk": pk, "uid": f"uid-{pk}", "name": name, "is_active": True, "avatar": "left out", "attributes": {}}


_FATE = st.sampled_from(list(Fate))
_NOTE = st.tuples(
    st.integers(1, 6),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    _FATE,
    st.dictionaries(st.sampled_from(_GROUPS), _FATE).map(lambda fates: list(fates.items())),
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(_NOTE, max_size=12))
def test_a_roster_remembers_the_last_that_was_noted(notes: list[tuple[int, str, Fate, list[tuple[str, Fate]]]]) -> None:
    """Users, fates, identities and memberships are as last noted; noting a user again replaces all of it."""
    model = _Model()
    with Roster() as roster:
        for pk, name, account, fates in notes:
            roster.note(pk, _user(pk, name), account, [group for group, _ in fates], [fate for _, fate in fates])
            model.note(pk, _user(pk, name), account, fates)
        assert len(roster) == len(model.noted)
        assert all(pk in roster for pk in model.noted)
        assert 99 not in roster
        assert {pk: roster.fate_of(pk) for pk in model.noted} == {pk: entry[2] for pk, entry in model.noted.items()}
        by_group = {group: set(members) for group, members in roster.members_by_group().items() if len(members)}
        assert by_group == model.members_by_group()
        assert all(len(members) == len(set(members)) for members in roster.members_by_group().values())
        assert list(roster.members()) == model.members()
        assert list(roster.members()) == model.members()


def test_a_roster_larger_than_memory_is_the_same() -> None:
    """Identities that no longer fit in memory come back from the temporary file unchanged, replaced ones too."""
    with Roster() as roster:
        for pk in range(1200):
            roster.note(pk, _user(pk, f"{pk}-" + "x" * 5000), Fate.KEPT, ["g1"], [Fate.KEPT])
        roster.note(3, _user(3, "again"), Fate.KEPT, ["g2"], [Fate.KEPT])
        members = list(roster.members())
    assert [member.identity["pk"] for member in members if member.identity] == [*range(3), *range(4, 1200), 3]
    assert members[-1] == Member(Fate.KEPT, _identity(_user(3, "again")), ["g2"], [])
    assert members[700].identity == _identity(_user(701, "701-" + "x" * 5000))


def test_only_identifying_fields_are_kept() -> None:
    """Of a person nothing is kept but what a membership repeats: no avatar, no attributes."""
    with Roster() as roster:
        roster.note(1, {**_user(1, "Ada"), "type": "internal", "email": "a@b.example"}, Fate.KEPT, ["g1"], [Fate.KEPT])
        (member,) = roster.members()
    assert member.identity
    assert set(member.identity) <= set(IDENTITY_FIELDS)


def test_the_temporary_file_is_gone_with_the_roster() -> None:
    """After the block nothing more can be read: the file of people's fields is closed."""
    with Roster() as roster:
        roster.note(1, _user(1, "Ada"), Fate.KEPT, ["g1"], [Fate.KEPT])
    with pytest.raises(ValueError, match="closed"):
        list(roster.members())
