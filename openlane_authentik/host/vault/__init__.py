"""The vault: sealed credentials, and the keys that open them."""

from openlane_authentik.host.vault.sealing import PROOF, Vault, open_vault

__all__ = ["PROOF", "Vault", "open_vault"]
