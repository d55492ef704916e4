"""Holds, captures, transfers, tips, refunds, disputes, deaths, lost answers and webhooks in any order.

After every step the hub's record, the ledger and Stripe are compared by a naive auditor; in the end all has
to come to rest, and to agree to the last unit. `MONEY_EXAMPLES` and `MONEY_STEPS` size the campaign, and
`MONEY_SHRINK=1` has what failed made smaller.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from sandbox.postgres import PostgresAddress
from tests.model.money_machine import Money
from tests.model.money_stage import world


def play(
    database: PostgresAddress, directory: Path, *, examples: int, steps: int, record: Any, derandomize: bool
) -> None:
    began_s = time.monotonic()
    Money.steps = 0
    Money.reached.clear()
    with asyncio.Runner() as runner:
        opened = world(database, directory)
        at = runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                cast(type[RuleBasedStateMachine], lambda: Money(runner, at)),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    deadline=None,
                    derandomize=derandomize,
                    # Shrinking takes minutes, and what is shrunk by time is seldom clearer.
                    phases=[Phase.generate, *([Phase.shrink] if os.environ.get("MONEY_SHRINK") else [])],
                    suppress_health_check=list(HealthCheck),
                    database=None,
                ),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
            record("steps", Money.steps)
            record("seconds", round(time.monotonic() - began_s, 1))
            record("reached", dict(Money.reached))


def test_money(database: PostgresAddress, tmp_path: Path, record_property: Any) -> None:
    play(database, tmp_path, examples=40, steps=30, record=record_property, derandomize=True)


@pytest.mark.campaign
def test_money_for_long(database: PostgresAddress, tmp_path: Path, record_property: Any) -> None:
    examples = int(os.environ.get("MONEY_EXAMPLES", "300"))
    steps = int(os.environ.get("MONEY_STEPS", "50"))
    play(database, tmp_path, examples=examples, steps=steps, record=record_property, derandomize=False)
