"""Errors of what answers: not the authentik that is meant, or one that does not let the token in."""

from openlane_authentik.errors.base import IntegrationError, Repeat
from openlane_authentik.labels import NEW_SERVICE_ACCOUNT, how_to_grant
from openlane_authentik.remedies import remedy as told


class EndpointError(IntegrationError):
    """Something answers at the base URL, but not the authentik that is meant."""

    code = "endpoint_wrong"
    exit_code = 78
    remedy = "Check the base URL."


class TlsError(EndpointError):
    """The server's certificate is not trusted, has expired or is for another name."""

    code = "tls_failed"
    remedy = told(
        "If authentik uses a certificate of a private authority, {trust_authority}; otherwise renew the certificate or "
        "use the host name it was issued for."
    )


class RedirectError(EndpointError):
    """The server redirects; the token is never sent along to another address."""

    code = "redirected"
    remedy = "Set the base URL to the address it redirects to, if that is your authentik."


class NotAuthentikError(EndpointError):
    """What answers is no authentik API: HTML, another JSON, or a wrong path."""

    code = "not_authentik"
    remedy = (
        "Check the base URL: it is the address of authentik itself, with its path if it has one (for example "
        "https://example.com/auth), and no login page or other application may stand in front of /api/v3/."
    )


class ProxyLoginError(EndpointError):
    """A proxy in front of authentik asks for a login of its own (401); authentik itself never answers 401."""

    code = "proxy_login"
    remedy = "Let the path /api/v3/ pass through the proxy in front of authentik without a login."


class NotFoundError(EndpointError):
    """The one user or group asked for does not exist, or may not be seen."""

    code = "not_found"
    repeat = Repeat.NEVER
    remedy = "It was probably deleted a moment ago; the next run will know."


class ReleaseTooOldError(EndpointError):
    """The authentik release lacks what a directory sync needs."""

    code = "release_too_old"
    remedy = "Upgrade authentik to 2023.10 or later."


class ParameterRefusedError(EndpointError):
    """Authentik refuses the value of a parameter (400).

    Attributes:
        refused: The parameters whose values it refused.
    """

    code = "parameter_refused"
    remedy = "Check whether the package supports this release of authentik, and report it with the log of the run."

    def __init__(self, message: str, refused: frozenset[str]) -> None:
        super().__init__(message)
        self.refused = refused


class UnexpectedAnswerError(EndpointError):
    """A status that no authentik gives to a request of this package."""

    code = "unexpected_answer"
    remedy = "Check for a proxy or firewall in front of authentik, and its log for this request."


class CredentialError(IntegrationError):
    """The token is not let in, or not far enough."""

    code = "credential_refused"
    exit_code = 77
    remedy = "Check the token in authentik under Directory > Tokens and App passwords."


class TokenMissingError(CredentialError):
    """The request reached authentik without a usable Authorization header."""

    code = "token_missing"
    remedy = (
        "Give the API token of a service account, made in authentik under Directory > Users by "
        f"{NEW_SERVICE_ACCOUNT.both}; if one is set, a proxy in front of authentik removes the Authorization header, "
        "and must let it pass."
    )


class TokenRejectedError(CredentialError):
    """Authentik refused the token; it does not say which of four reasons it is."""

    code = "token_rejected"
    remedy = (
        "In authentik under Directory > Tokens and App passwords check that the token (1) was copied whole, "
        "(2) has not expired - the default life is 30 minutes -, (3) has the intent API Token, not App password, "
        "and (4) belongs to an account that is active."
    )


class PermissionDeniedError(CredentialError):
    """The token's account may not list users or groups."""

    code = "no_permission"
    remedy = how_to_grant("the global permissions 'Can view User' and 'Can view Group'")


class NoPermissionUsersError(PermissionDeniedError):
    """The token's account may not list users."""

    code = "no_permission_users"
    remedy = how_to_grant("the global permission 'Can view User' (authentik_core.view_user)")


class NoPermissionGroupsError(PermissionDeniedError):
    """The token's account may not list groups."""

    code = "no_permission_groups"
    remedy = told(
        how_to_grant("the global permission 'Can view Group' (authentik_core.view_group)")
        + " To sync accounts without groups, {groups_off}."
    )
