"""What a worker does about decisions of staff and about removal, put together: heads, kicks, roles, who is
erased, what is too old.
"""

from collections.abc import Callable
from typing import Final

import aiohttp

from billing.stripe_gateway import StripeGateway
from config import retention
from config.settings import Settings
from hub import wall_clock
from hub.lifespan import Stores
from hub.tasks import Job
from hub.vendors import configured
from hub.workers.erasure_steps import Vendors
from hub.workers.erasures import Erasures
from hub.workers.forgetting import Forgetting
from hub.workers.heads import Heads
from hub.workers.kicks import Kicks
from hub.workers.legal_holds import LegalHolds
from hub.workers.retention import Retention
from hub.workers.roles import Roles
from hub.workers.tombstones import Tombstones
from store.privacy.signing import HeadKey
from store.redis.revocations import Revocations

HEADS_S: Final = 1.0
KICKS_S: Final = 0.5
ROLES_S: Final = 2.0
ERASURES_S: Final = 5.0
TOMBSTONES_S: Final = 60.0
FORGET_S: Final = 2.0
RETENTION_S: Final = 600.0
LEGAL_HOLDS_S: Final = 60.0

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
        HeadKey(stores.keyring.root),
        stores.keyring,
        every_ms=settings.audit_head_s * 1000,
        most=settings.audit_head_entries,
        now_ms=wall_clock.now_ms,
    )
    kicks = Kicks(stores.pool, configured.agora(settings, http), now_ms=wall_clock.now_ms)
    vendors = Vendors(
        gateway,
        configured.supabase(settings, http),
        configured.twilio(settings, http),
        configured.agora(settings, http),
    )
    erasures = Erasures(stores.pool, stores.redis, vendors, stores.keyring, now_ms=wall_clock.now_ms)
    buried = Tombstones(stores.pool, stores.redis, stores.keyring, now_ms=wall_clock.now_ms)
    every(HEADS_S, "audit.heads", heads.run_once)
    every(KICKS_S, "kicks", kicks.run_once)
    every(ERASURES_S, "erasures", erasures.run_once)
    every(TOMBSTONES_S, "tombstones", buried.run_once)
    every(FORGET_S, "keys.forget", forgetting(stores).run_once)
    too_old = Retention(stores.pool, retention.chosen(settings.retention_file), now_ms=wall_clock.now_ms)
    every(RETENTION_S, "retention", too_old.run_once)
    every(LEGAL_HOLDS_S, "legal_holds", LegalHolds(stores.pool, now_ms=wall_clock.now_ms).run_once)
    changes = roles(settings, stores, http)
    if changes is not None:
        every(ROLES_S, "roles", changes.run_once)
