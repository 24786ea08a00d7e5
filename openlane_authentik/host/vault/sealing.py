"""The vault: credentials are stored sealed, each for one installation, and open only with the key of this database.

Whether a key is the right one is told by the proof, a constant that was sealed at the first start and lies beside
what it proves. Who seals or opens while keys may be changed holds the proof meanwhile: see ``Vault.hold``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.host.database.connections import connection, insert, transaction
from openlane_authentik.host.database.tables import host_fact
from openlane_authentik.host.errors import ForeignCredentialError, KeyMissingError, WrongKeyError
from openlane_authentik.host.vault.keys import GivenKeys, KeyFile, Keys, new_key

PROOF: Final = "vault_proof"
_SHORTEST_SECRET: Final = 4


class _Sealed(msgspec.Struct, frozen=True):
    """What is inside: Fernet has no place for it outside that a copied row could not bring along."""

    installation: str
    credential: dict[str, Any]


class _SealedContent(msgspec.Struct, frozen=True):
    """What is inside of anything but a credential."""

    installation: str
    name: str
    content: bytes


class Vault:
    """Seals and opens with the keys as they are at that moment; its text shows none of them.

    Attributes:
        keys: Where they come from.
        opened: Every text of a credential that was sealed or opened here, for whoever must keep it out of the log.
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.opened: set[str] = set()

    def seal(self, installation_id: str, credential: Mapping[str, Any]) -> str:
        """Seal a credential for an installation, with the newest key.

        Raises:
            KeyMissingError: There is no key any more.
        """
        inside = _Sealed(installation=installation_id, credential=dict(credential))
        self.opened.update(_texts(inside.credential))
        return self._fernet().encrypt(msgspec.json.encode(inside)).decode()

    def unseal(self, installation_id: str, sealed: str) -> dict[str, Any]:
        """Open what was sealed for this installation.

        Raises:
            KeyMissingError: There is no key any more.
            WrongKeyError: It was sealed with another key, or is damaged.
            ForeignCredentialError: It was sealed for another installation.
        """
        inside = msgspec.json.decode(self._opened(sealed), type=_Sealed)
        if inside.installation != installation_id:
            raise ForeignCredentialError("the stored credential was sealed for another installation")
        self.opened.update(_texts(inside.credential))
        return inside.credential

    def reseal(self, installation_id: str, sealed: str) -> str:
        """Seal anew with the newest key.

        Raises:
            VaultError: See ``unseal``.
        """
        return self.seal(installation_id, self.unseal(installation_id, sealed))

    def seal_content(self, installation_id: str, name: str, content: bytes) -> bytes:
        """Seal something of an installation that is no credential, under a name.

        Raises:
            KeyMissingError: There is no key any more.
        """
        inside = _SealedContent(installation=installation_id, name=name, content=content)
        return self._fernet().encrypt(msgspec.msgpack.encode(inside))

    def unseal_content(self, installation_id: str, name: str, sealed: bytes) -> bytes:
        """Open what was sealed for this installation under this name.

        Raises:
            VaultError: See ``unseal``.
        """
        inside = msgspec.msgpack.decode(self._opened(sealed), type=_SealedContent)
        if (inside.installation, inside.name) != (installation_id, name):
            raise ForeignCredentialError("what is stored was sealed for another installation")
        return inside.content

    def check(self, held: sa.Connection) -> None:
        """Check that the keys are the right ones, now.

        Raises:
            VaultError: See ``unseal``.
            HostSettingError: They cannot be read.
        """
        self.unseal(PROOF, held.scalar(_PROOF) or "")

    def hold(self, held: sa.Connection, *, alone: bool = False) -> None:
        """Keep the keys from being changed until the transaction ends, and see that they are the right ones.

        Args:
            held: The transaction.
            alone: Keep others from sealing too.

        Raises:
            VaultError: See ``unseal``.
        """
        proof = held.scalar(_PROOF.with_for_update(read=not alone))
        self.unseal(PROOF, proof or "")

    def _opened(self, sealed: str | bytes) -> bytes:
        try:
            return self._fernet().decrypt(sealed)
        except InvalidToken:
            raise WrongKeyError("the key does not open what is stored in this database") from None

    def _fernet(self) -> MultiFernet:
        keys = self.keys.read()
        if not keys:
            raise KeyMissingError("there is no key for what is stored in this database")
        return MultiFernet([Fernet(key) for key in keys])


_PROOF: Final = sa.select(host_fact.c.value).where(host_fact.c.name == PROOF)


def open_vault(settings: HostSettings, engine: sa.Engine) -> Vault:
    """Open the vault of a database; at its first start, make its key.

    Raises:
        KeyMissingError: Something was sealed here, and there is no key; nothing was changed.
        WrongKeyError: The key is not that of this database; nothing was changed.
        HostSettingError: What is given as a key is none, or the key file cannot be written.
        DatabaseUnreachableError: See ``transaction``.
    """
    keys = GivenKeys(settings.key.get_secret_value()) if settings.key else KeyFile(settings.key_file)
    vault = Vault(keys)
    with connection(engine) as held:
        proof = held.scalar(_PROOF)
    if proof is None:
        with transaction(engine) as held:
            _found(held, keys)
            proof = held.scalar(_PROOF)
    vault.unseal(PROOF, proof or "")
    return vault


def _texts(value: Any) -> Iterator[str]:
    """Return the texts within a credential, but for those too short to be a secret, which are in every line."""
    if isinstance(value, str):
        if len(value.strip()) >= _SHORTEST_SECRET:
            yield value.strip()
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _found(held: sa.Connection, keys: GivenKeys | KeyFile) -> None:
    """Store the proof unless another process is first; make the key if there is none."""
    there = keys.read()
    first = there or [new_key()]
    proof = Vault(GivenKeys(first[0])).seal(PROOF, {})
    stored = held.execute(
        insert(held, host_fact).values(name=PROOF, value=proof).on_conflict_do_nothing().returning(host_fact.c.name)
    )
    # Within the transaction: no proof is ever stored whose key is not on the disk.
    if stored.first() and not there and isinstance(keys, KeyFile):
        keys.write(first)
