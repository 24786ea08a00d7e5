"""What does not open with the keys that there are."""

from openlane_authentik.errors import Recovery
from openlane_authentik.host.errors.base import HostError
from openlane_authentik.remedies import remedy as told


class VaultError(HostError):
    """A credential cannot be opened."""

    code = "vault_failed"
    exit_code = 78
    remedy = "Give the key that the credentials were sealed with."


class KeyMissingError(VaultError):
    """There are sealed credentials, and no key."""

    code = "key_missing"
    # The host's own trouble, which must not stop installations for good.
    recovery = Recovery.RETRY
    remedy = told("{restore_key}.")


class WrongKeyError(VaultError):
    """The key is not the one that this database was sealed with; nothing was changed."""

    code = "key_wrong"
    # As above: this worker may be the only one with an old key.
    recovery = Recovery.RETRY
    remedy = told("{restore_key}; without it every installation must be saved anew with its token.")


class ForeignCredentialError(VaultError):
    """A credential was sealed for another installation."""

    code = "credential_foreign"
    remedy = "Save this installation anew with its own token, and find out who copied the row."
