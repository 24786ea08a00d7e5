"""The host over HTTP: a JSON API, pages for a browser, metrics and a health probe."""

from openlane_authentik.host.web.app import create_app
from openlane_authentik.host.web.auth import load_api_token

__all__ = ["create_app", "load_api_token"]
