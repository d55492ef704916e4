"""Clients of vendors over HTTP: each bound to the one host that is configured for it."""
