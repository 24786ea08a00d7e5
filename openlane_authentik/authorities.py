"""Certificate authorities that are given as text, in PEM format."""

import re
import ssl
from typing import Final

from openlane_authentik.errors import CaFileError

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def read_authorities(text: str) -> str:
    """Return the certificates of a text alone, without what stands around them.

    Raises:
        CaFileError: There is no certificate in it, or one that cannot be read.
    """
    certificates = "\n".join(_CERTIFICATE.findall(text))
    try:
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(cadata=certificates)
    except (TypeError, ValueError, ssl.SSLError) as error:
        raise CaFileError("no certificates can be read from the text that was given for them") from error
    return certificates
