"""What a membership repeats of its person, kept of everybody read."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import msgspec

from openlane_authentik.authentik.pages import RawRecord


class Identity(msgspec.Struct, gc=False):
    """What a membership tells of its person, as authentik gave it; a membership has nothing of its own there."""

    pk: Any
    uid: Any
    username: Any
    name: Any
    email: Any
    is_active: Any
    type: Any


IDENTITY_FIELDS: Final = Identity.__struct_fields__

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_values = itemgetter(*IDENTITY_FIELDS)


def pack_identity(raw: Mapping[str, Any]) -> bytes:
    """Encode the identity of a raw user."""
    try:
        return _encoder.encode(Identity(*_values(raw)))
    except KeyError:
        return _encoder.encode({key: raw[key] for key in IDENTITY_FIELDS if key in raw})


def unpack_identity(packed: bytes) -> RawRecord:
    """Decode what ``pack_identity`` gave."""
    identity: RawRecord = _decoder.decode(packed)
    return identity
