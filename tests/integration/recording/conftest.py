"""The vendors, a migrated database and a live store as elsewhere, and a session that may be recorded."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.recording.stage import Stage, set_stage
from tests.integration.vendors.conftest import counter, migrated_template
from tests.integration.vendors.counter import Counter

__all__ = ["counter", "migrated_template"]


@pytest.fixture
async def stage(counter: Counter) -> AsyncIterator[Stage]:
    yield await set_stage(counter)
    over = (
        "update recordings set state = 'stopped', stopped_at_ms = 0, shown = true where stopped_at_ms is null"
    )
    await counter.pool.execute(over)
