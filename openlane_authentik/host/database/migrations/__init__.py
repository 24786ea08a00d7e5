"""The history of the tables, a step a file; run by ``openlane-authentik host migrate``."""
