"""A payments worker in a process of its own, which a test kills.

`runner.py DSN STRIPE_BASE [POINT]`: run once; at the recovery point say so on standard output and wait there
for the end. Without one, say `done`. It knows no room, so an outcome reaches its room by the test's own
worker, as it would by the next worker after a crash.
"""

import asyncio
import sys
import time

from billing.payment import Operation, Outcome
from billing.stripe_gateway import StripeGateway
from hub.workers.outcomes import Outcomes
from hub.workers.payments import Payments, Point
from rooms.errors import NotFound
from rooms.ids import SessionId
from store.postgres.pool import connect
from tests.integration.payments.desk import ENVIRONMENT, KEY


def now_ms() -> int:
    return int(time.time() * 1000)


async def apply(operation: Operation, outcome: Outcome) -> None:
    raise NotFound


async def settled(session_id: SessionId) -> None:
    return


async def main(dsn: str, base: str, stop_at: str | None) -> None:
    async def reached(point: Point, operation: Operation) -> None:
        if point == stop_at:
            print(point, flush=True)
            await asyncio.Event().wait()

    pool = await connect(dsn, size=4)
    gateway = StripeGateway(KEY, api_base=f"{base}/stripe", timeout_s=30)
    outcomes = Outcomes(pool, apply=apply, settled=settled, now_ms=now_ms, environment=ENVIRONMENT)
    print("started", flush=True)
    await Payments(pool, gateway, outcomes, now_ms=now_ms, reached=reached).run_once()
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
