"""The root of the host's errors, and what keeps a host from starting."""

from openlane_authentik.errors import IntegrationError, Recovery


class HostError(IntegrationError):
    """The root of what goes wrong in the host itself."""

    code = "host_failed"


class HostSettingError(HostError):
    """A setting of the host itself cannot be used."""

    code = "host_setting_invalid"
    exit_code = 78
    remedy = "Correct the setting that the message names; see docs/how-to/run-a-host.md."


class HostNotInstalledError(HostError):
    """What the host needs beside the plugin is not installed."""

    code = "host_not_installed"
    exit_code = 78
    remedy = "pip install 'openlane-authentik[host]'"


class HostBusyError(HostError):
    """A host runs on this SQLite database already."""

    code = "host_running"
    recovery = Recovery.RETRY
    exit_code = 75
    remedy = "Stop the other one, or use PostgreSQL for more than one process."
