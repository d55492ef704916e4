"""Puts the vendors together into one application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from sandbox.agora import AgoraServer
from sandbox.auth.people import People
from sandbox.auth.routes import AuthServer
from sandbox.auth.tokens import signing_key
from sandbox.clock import Clock
from sandbox.control import Control, sweep
from sandbox.courier import Courier
from sandbox.faults import Faults
from sandbox.people import Makers
from sandbox.seed import seed
from sandbox.settings import SandboxConfig, SandboxRefused, refusals
from sandbox.state import Store
from sandbox.stripe.events import signer
from sandbox.stripe.server import StripeServer
from sandbox.stripe.world import World
from sandbox.twilio import TwilioServer

SWEEP_EVERY_S = 5.0
BODY_MAX = 1024 * 1024


def create_app(config: SandboxConfig) -> web.Application:
    """The sandbox as an aiohttp application; its state lies in `config.data_dir / "sandbox.sqlite"`.

    Raises `SandboxRefused` when it is given an address outside this machine.
    """
    given = [("PUBLIC_URL", config.public_url), ("DATABASE_URL", config.database_url or "unix:")]
    if reasons := refusals(given, None):
        raise SandboxRefused("the sandbox refuses to start: " + "; ".join(reasons))
    store = Store(config.data_dir / "sandbox.sqlite")
    clock, faults = Clock(store), Faults()
    courier = Courier(store, clock, faults)
    world = World(config, store, clock, courier, faults)
    courier.sign_with("stripe", signer(world, config.stripe_webhook_secret))
    courier.sign_with("stripe-connect", signer(world, config.stripe_connect_webhook_secret))
    people = People(store, clock, signing_key(store, f"sandbox-{clock.now_ms()}"), config.issuer)
    makers = Makers(store, people, world, config.database_url)
    agora = AgoraServer(config, store, clock, courier, faults)
    app = web.Application(client_max_size=BODY_MAX)
    app.add_routes(AuthServer(people, store, faults, config.service_key).routes())
    app.add_routes(StripeServer(world).routes())
    app.add_routes(TwilioServer(config, store, clock, courier, faults).routes())
    app.add_routes(agora.routes())
    app.add_routes(Control(makers, faults, agora).routes())
    _add_life(app, makers)
    return app


def _add_life(app: web.Application, makers: Makers) -> None:
    seeding: list[asyncio.Task[bool]] = []

    async def healthz(request: web.Request) -> web.Response:
        """200 once the seeded people are there (or cannot be), 503 before."""
        ready = bool(seeding) and seeding[0].done()
        rows = ready and not seeding[0].cancelled() and seeding[0].exception() is None and seeding[0].result()
        return web.json_response({"ready": ready, "rows": rows}, status=200 if ready else 503)

    async def running(_: web.Application) -> AsyncIterator[None]:
        seeding.append(asyncio.create_task(seed(makers)))
        tasks = [
            seeding[0],
            asyncio.create_task(makers.world.courier.run()),
            asyncio.create_task(_sweep_forever(makers.world)),
        ]
        yield
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        makers.store.close()

    app.router.add_get("/healthz", healthz)
    app.cleanup_ctx.append(running)


async def _sweep_forever(world: World) -> None:
    while True:
        sweep(world)
        world.store.commit()
        await asyncio.sleep(SWEEP_EVERY_S)
