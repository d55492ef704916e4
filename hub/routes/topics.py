"""Every route for people, by topic: what the application serves and the documents describe."""

from typing import Final

from hub.routes import (
    access,
    admin,
    analytics,
    appeals,
    applications,
    audit,
    avatars,
    blocks,
    consents,
    evidence,
    fraud,
    moderation,
    money,
    payouts,
    people,
    policies,
    practice,
    profile,
    roles,
    sessions,
    sign_in,
)
from hub.routes.answer import Route

ROUTES: Final[tuple[Route, ...]] = (
    *access.ROUTES,
    *admin.ROUTES,
    *analytics.ROUTES,
    *appeals.ROUTES,
    *applications.ROUTES,
    *audit.ROUTES,
    *avatars.ROUTES,
    *blocks.ROUTES,
    *consents.ROUTES,
    *evidence.ROUTES,
    *fraud.ROUTES,
    *moderation.ROUTES,
    *money.ROUTES,
    *payouts.ROUTES,
    *people.ROUTES,
    *policies.ROUTES,
    *practice.ROUTES,
    *profile.ROUTES,
    *roles.ROUTES,
    *sessions.ROUTES,
    *sign_in.ROUTES,
)
