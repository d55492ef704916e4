"""Every route for people, by topic: what the application serves and the documents describe."""

from typing import Final

from hub.routes import (
    access,
    admin,
    appeals,
    audit,
    blocks,
    evidence,
    fraud,
    moderation,
    money,
    payouts,
    people,
    roles,
    sessions,
    sign_in,
)
from hub.routes.answer import Route

ROUTES: Final[tuple[Route, ...]] = (
    *access.ROUTES,
    *admin.ROUTES,
    *appeals.ROUTES,
    *audit.ROUTES,
    *blocks.ROUTES,
    *evidence.ROUTES,
    *fraud.ROUTES,
    *moderation.ROUTES,
    *money.ROUTES,
    *payouts.ROUTES,
    *people.ROUTES,
    *roles.ROUTES,
    *sessions.ROUTES,
    *sign_in.ROUTES,
)
