"""The commands of the host: ``openlane-authentik host``."""
