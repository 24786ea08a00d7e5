"""Talking to an authentik server: one GET with its authorisation, time limits and retries, pages, and releases."""
