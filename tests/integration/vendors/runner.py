"""One duty in a process of its own: at the recovery point it says so and waits for its end."""

import asyncio
import sys

import aiohttp

from billing.payment import Operation
from billing.stripe_gateway import StripeGateway
from hub.vendors.supabase import SupabaseAdmin
from hub.workers.erasures import Erasures
from hub.workers.kicks import Kicks
from hub.workers.payments import Payments
from hub.workers.restitution import Restitutions
from hub.workers.roles import Roles
from sandbox.settings import SERVICE_KEY
from store.postgres.pool import connect
from store.privacy.keys import Keyring
from store.redis.connect import connect as connect_redis
from store.redis.revocations import Revocations
from tests.integration.vendors.counter import ENVIRONMENT, KEY, MASTER, agora_of, payments_of, vendors_of


async def main(dsn: str, redis_url: str, base: str, duty: str, stop_at: str, time_ms: int) -> None:
    def now_ms() -> int:
        return time_ms

    async def reached(point: str) -> None:
        if point == stop_at:
            print(point, flush=True)
            await asyncio.Event().wait()

    async def sending(point: str, operation: Operation) -> None:
        await reached(f"{operation.kind.value}-{point}")

    pool, redis = await connect(dsn, size=4), connect_redis(redis_url)
    gateway = StripeGateway(KEY, api_base=f"{base}/stripe", timeout_s=5)
    async with aiohttp.ClientSession() as http:
        supabase = SupabaseAdmin(http, url=base, service_key=SERVICE_KEY)
        keyring = Keyring(MASTER, pool, now_ms=now_ms)
        await keyring.check()
        duties: dict[str, Kicks | Roles | Erasures | Restitutions | Payments] = {
            "kicks": Kicks(pool, agora_of(http, base), now_ms=now_ms, reached=reached),
            "roles": Roles(pool, Revocations(redis), supabase, now_ms=now_ms, reached=reached),
            "erasures": Erasures(
                pool,
                redis,
                vendors_of(gateway, supabase, http, base),
                keyring,
                now_ms=now_ms,
                reached=reached,
            ),
            "restitution": Restitutions(pool, keyring, environment=ENVIRONMENT, now_ms=now_ms),
            "payments": payments_of(pool, gateway, now_ms, reached=sending),
        }
        await duties[duty].run_once()
        await reached("over")
    print("done", flush=True)


if __name__ == "__main__":
    dsn, redis_url, base, duty, stop_at, time_ms = sys.argv[1:]
    asyncio.run(main(dsn, redis_url, base, duty, stop_at, int(time_ms)))
