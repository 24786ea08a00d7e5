"""Raw records of authentik to the host's records: pure functions, and the same mapping as CEL for a host to run."""
