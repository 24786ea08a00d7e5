"""What a host receives: envelopes of records, and the lines that close a payload set and a run.

The JSON keys and schema names are the host's contract and a public interface.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

UPSERT: Final = "upsert"


class Schema(StrEnum):
    """The three record kinds, by the names a host stores; in the order they are emitted."""

    ACCOUNT = "DirectoryAccount"
    GROUP = "DirectoryGroup"
    MEMBERSHIP = "DirectoryMembership"

    @property
    def plural(self) -> str:
        """Return what a sentence calls several of them, as ``accounts``."""
        return f"{self.removeprefix('Directory').lower()}s"


class Line(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """One line of the NDJSON output; ``type`` tells which."""


class Envelope(Line, frozen=True, tag="envelope", kw_only=True, gc=False):
    """One record on its way to a host.

    Attributes:
        schema: Its kind.
        resource: The user's ``uid`` for accounts, the group's ``pk`` for groups and for memberships.
        action: Always ``upsert``: the closing of the set tells what is gone.
        payload: The raw record as authentik gave it; for a membership, the member's identity.
        record: The mapped record, without ``profile``, which is the payload.
    """

    schema: Schema
    resource: str
    action: str = UPSERT
    payload: Mapping[str, Any]
    record: Mapping[str, Any]


class Counts(msgspec.Struct, rename="camel", kw_only=True):
    """What became of the records of one kind; ``read`` is the sum of the other three."""

    read: int = 0
    emitted: int = 0
    filtered: int = 0
    failed: int = 0


class Removed(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """An account that a consumer has to end, after it has taken the envelopes of the set.

    Attributes:
        resource: Its ``uid``.
        evidence: ``absent``: no longer in authentik; ``replaced``: the same person now has another ``uid``, as after an
            upgrade or a restore; ``out_of_scope``: still there, but the filter no longer keeps it.
        successor: Of ``replaced``, the person's ``uid`` now; that account may be out of scope or held back.
    """

    resource: str
    evidence: str
    successor: str | None = None


class LeftOut(Line, frozen=True, tag="leftOut", kw_only=True, gc=False):
    """A record that is there, and that the filter keeps out of the set; see ``Sink.leave_out``.

    Attributes:
        schema: Its kind.
        key: An account's ``uid``, a group's ``pk``; for a membership the account's and the group's.
    """

    schema: Schema
    key: tuple[str, ...]


class HeldBack(Line, frozen=True, tag="heldBack", kw_only=True, gc=False):
    """A record that is there, and on which the filter failed: what is had of it stays; see ``Sink.hold_back``.

    Attributes:
        schema: Its kind.
        key: An account's ``uid``, a group's ``pk``; for a membership the account's and the group's.
    """

    schema: Schema
    key: tuple[str, ...]


class PayloadSetClosing(Line, frozen=True, tag="payloadSet", kw_only=True, omit_defaults=True):
    """The end of one kind of record, and what was proven of it.

    Attributes:
        schema: The kind.
        read_complete: Proven: every record of this kind that there is was read, and is an envelope, or was left out or
            held back by name (see ``Sink``). Who is none of these is gone. Of a delta: everything that it does not name
            is there unchanged.
        snapshot_complete: The envelopes alone are proven to be all records in scope, so that a host which goes by them
            alone may infer removals. Never without ``read_complete``, never of a delta, never when a record is held
            back, and never when there are records and the filter kept none.
        reasons: What stands against either, as stable codes. ``records_held_back`` and ``filter_kept_nothing`` lie in
            the filter and leave ``read_complete`` as it is.
        counts: What became of the records.
        filtered_by, failed_by: How many were left out or failed, by cause.
        scope: Fingerprint of filter and switches: two sets of different scope must not be compared.
        evidence: What the verdict rests on.
        delta: Only what changed since the last run was sent, so the set is never complete by itself.
        removed: Accounts to be ended after the envelopes are taken; None unless ``read_complete``. Of a delta: every
            account known before, left out and held back ones too, that is gone, and every one not left out before that
            is now. Of a full set: those emitted, left out or held back in it that were gone when the reading ended, and
            those that a checkpoint knew by another ``uid``; None when there are none.
    """

    schema: Schema
    read_complete: bool
    snapshot_complete: bool
    reasons: list[str]
    counts: Counts
    filtered_by: dict[str, int]
    failed_by: dict[str, int]
    scope: str
    evidence: dict[str, Any]
    delta: bool = False
    removed: list[Removed] | None = None


class RunStatus(StrEnum):
    """How a run ended, in the host's words."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class RunWarning(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Something an operator should know of a run that did not fail."""

    code: str
    message: str


class RunFailure(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Why a run failed."""

    code: str
    message: str
    remedy: str
    recovery: str


class SyncRun(Line, frozen=True, tag="syncRun", kw_only=True):
    """The end of a run; without this line the output was cut off and proves nothing.

    Attributes:
        status: ``FAILED`` when the reading did not come to its end; no set of it counts then.
        started_at, completed_at: RFC 3339.
        directory_instance_id: Which authentik: its base URL without the scheme.
        release: Of the authentik, if it said.
        mode: ``full``, or ``delta`` when only what changed since a checkpoint was read.
        full_reason: Why everything was read, a stable code listed in ``docs/explanation/proof.md``; None for a delta.
        scope: As in the sets.
        full_count: Records emitted.
        stats: Seconds and requests.
        warnings: What an operator should know.
        error: Why it failed.
        exit_code: 0 when every set was read completely, 75 when something could not be proven this time, 77 for
            partial visibility; for a failed run its error's.
    """

    status: RunStatus
    started_at: str
    completed_at: str
    directory_instance_id: str
    release: str | None
    mode: str
    full_reason: str | None
    scope: str
    full_count: int
    stats: dict[str, float]
    warnings: list[RunWarning]
    error: RunFailure | None
    exit_code: int
