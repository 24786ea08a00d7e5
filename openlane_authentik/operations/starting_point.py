"""Decide whether a sync can begin at a checkpoint, or must read everything, and why."""

from datetime import datetime, timedelta
from typing import Final

from openlane_authentik.authentik.releases import Release
from openlane_authentik.directory.checkpoint import Bounds, Checkpoint, CheckpointError
from openlane_authentik.directory.unsettled import UnsettledError
from openlane_authentik.operations.scope import Scope

# What changes without leaving a stamp at the user: inherited through groups, or kept at the roles.
_UNTRACED: Final = frozenset({"*", "groups_obj", "is_superuser", "roles", "roles_obj"})


def starting_point(
    checkpoint: bytes | None,
    bounds: Bounds,
    release: Release | None,
    scope: Scope,
    now: datetime,
    full_interval: timedelta,
) -> Checkpoint:
    """Return the checkpoint to begin at.

    Args:
        checkpoint: As the last run gave it, if there is one.
        bounds: What it has to hold for.
        release: Of the server.
        scope: Its filter must not name what changes without leaving a trace.
        now: This machine's time.
        full_interval: After which everything is read again all the same, by this machine's clock at both ends.

    Raises:
        UnsettledError: Everything must be read.
    """
    if checkpoint is None:
        raise UnsettledError("no_checkpoint")
    if release is None or not release.has_date_filters:
        raise UnsettledError("release_without_date_filters")
    untraced = _UNTRACED
    untraced |= frozenset() if release.has_login_filter else {"last_login"}
    # Given from a group's side a group leaves no trace at the user; it is the list of groups that tells.
    untraced |= frozenset() if scope.groups else {"groups"}
    if scope.filter.payload_fields & untraced:
        raise UnsettledError("filter_needs_full")
    try:
        known = Checkpoint.from_bytes(checkpoint)
    except CheckpointError as error:
        raise UnsettledError(error.reason) from error
    # If the last full sync lies in the future, this machine's clock was wrong then, or is wrong now.
    due = not timedelta() <= now - known.full_at < full_interval
    if reason := known.holds_for(bounds) or ("full_interval" if due else None):
        known.index.close()
        raise UnsettledError(reason)
    return known


def known_before(checkpoint: bytes | None, instance: str) -> Checkpoint | None:
    """Return what a checkpoint knows, even one that no sync can begin at; None if it is of another address.

    A full sync asks for each user known there whom it did not read, and recognises who is known by another ``uid``.
    """
    if checkpoint is None:
        return None
    try:
        known = Checkpoint.from_bytes(checkpoint)
    except CheckpointError:
        return None
    if known.bounds.instance == instance:
        return known
    known.index.close()
    return None
