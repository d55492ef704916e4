"""The desk of the payments suite, for processes that are killed."""

from tests.integration.payments.conftest import desk, hub, pool, sandbox

__all__ = ["desk", "hub", "pool", "sandbox"]
