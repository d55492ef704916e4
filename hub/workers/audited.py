"""What a worker does about decisions of staff, put together: heads, kicks, roles, purges."""

from collections.abc import Callable
from typing import Final

import aiohttp

from billing.stripe_gateway import StripeGateway
from config.settings import Settings
from hub import wall_clock
from hub.lifespan import Stores
from hub.tasks import Job
from hub.vendors import configured
from hub.workers.forgetting import Forgetting
from hub.workers.heads import Heads
from hub.workers.kicks import Kicks
from hub.workers.purge import Purges
from hub.workers.roles import Roles
from store.privacy.signing import HeadKey
from store.redis.revocations import Revocations

HEADS_S: Final = 1.0
KICKS_S: Final = 0.5
ROLES_S: Final = 2.0
PURGES_S: Final = 5.0
FORGET_S: Final = 2.0

Every = Callable[[float, str, Job], None]


def roles(settings: Settings, stores: Stores, http: aiohttp.ClientSession) -> Roles | None:
    """Changes of roles; None without the identity provider's service key."""
    supabase = configured.supabase(settings, http)
    if supabase is None:
        return None
    return Roles(stores.pool, Revocations(stores.redis), supabase, now_ms=wall_clock.now_ms)


def forgetting(stores: Stores) -> Forgetting:
    """For every process with a keyring."""
    return Forgetting(stores.pool, stores.keyring, now_ms=wall_clock.now_ms)


def begin(
    every: Every, settings: Settings, stores: Stores, gateway: StripeGateway, http: aiohttp.ClientSession
) -> None:
    """Begin all of them in a worker."""
    heads = Heads(
        stores.pool,
        stores.redis,
        HeadKey(settings.data_key.get_secret_value()),
        every_ms=settings.audit_head_s * 1000,
        most=settings.audit_head_entries,
        now_ms=wall_clock.now_ms,
    )
    kicks = Kicks(stores.pool, configured.agora(settings, http), now_ms=wall_clock.now_ms)
    purges = Purges(
        stores.pool,
        stores.redis,
        gateway,
        configured.supabase(settings, http),
        stores.keyring,
        now_ms=wall_clock.now_ms,
    )
    every(HEADS_S, "audit.heads", heads.run_once)
    every(KICKS_S, "kicks", kicks.run_once)
    every(PURGES_S, "purges", purges.run_once)
    every(FORGET_S, "keys.forget", forgetting(stores).run_once)
    changes = roles(settings, stores, http)
    if changes is not None:
        every(ROLES_S, "roles", changes.run_once)
