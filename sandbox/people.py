"""People ready to hold sessions: an account to sign in with, a card or payouts, and the hub's own rows."""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from sandbox.auth.people import People
from sandbox.names import headline_of, name_of
from sandbox.state import Json, Store
from sandbox.stripe import accounts, cards, customers, payment_methods
from sandbox.stripe.world import World, new_id

PASSWORD = "sandbox"  # noqa: S105  (documented: every person of the sandbox has it)
ROLES = ("guest", "practitioner", "moderator", "admin")
COUNT_MAX = 20_000
BATCH = 500
RATE_MINOR_PER_MINUTE, CURRENCY = 300, "usd"
log = logging.getLogger("sandbox.people")

_INSERT_PERSON = """
insert into people (id, role, name, email, country, adult, policy_accepted_ms, created_at_ms)
values ($1, $2, $3, $4, 'US', true, $5, $5) on conflict do nothing
"""
_INSERT_CARD = """
insert into cards (person_id, stripe_customer, stripe_payment_method, brand, last4, fingerprint, saved_at_ms)
values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
"""
_INSERT_PRACTICE = """
insert into practices (practitioner_id, headline, topics, rate_minor_per_minute, currency, free_s,
                       accepts_instant, stripe_account, transfers_active, verified_at_ms)
values ($1, $2, $3, $4, $5, 0, true, $6, true, $7) on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Makers:
    """What it takes to make a person."""

    store: Store
    auth: People
    world: World
    database_url: str | None


def make_person(makers: Makers, role: str, number: int, email: str, ident: str | None = None) -> Json:
    """Sign-in and vendor objects for one person; returns the record from which the hub's rows are written."""
    name = name_of(number)
    user = makers.auth.create(
        email, PASSWORD, app_metadata={"role": role}, user_metadata={"name": name}, ident=ident
    )
    person: Json = {
        "id": user["id"],
        "role": role,
        "name": name,
        "email": email,
        "number": number,
        "at_ms": makers.world.clock.now_ms(),
    }
    # Webhooks about thousands of customers made at once would tell the hub nothing it acts upon.
    makers.world.silent = True
    try:
        if role == "guest":
            person |= _with_card(makers.world, person)
        elif role == "practitioner":
            person |= _with_payouts(makers.world, person)
    finally:
        makers.world.silent = False
    return makers.store.put("person", person["id"], person)


def _with_card(world: World, person: Json) -> Json:
    visa = cards.VISA
    metadata = {"person_id": person["id"]}
    customer = customers.create(
        world, {"email": person["email"], "name": person["name"], "metadata": metadata}
    )
    method = payment_methods.new_method(world, visa, {"email": person["email"], "name": person["name"]})
    method["_set_up"] = True
    # Two people have two cards, though one number stands for all that work.
    method["card"]["fingerprint"] = new_id("fp")[3:]
    payment_methods.attach(world, {"id": method["id"], "customer": customer["id"]})
    customer["invoice_settings"]["default_payment_method"] = method["id"]
    world.save(customer)
    return {
        "customer": customer["id"],
        "payment_method": method["id"],
        "brand": method["card"]["brand"],
        "last4": method["card"]["last4"],
        "fingerprint": method["card"]["fingerprint"],
    }


def _with_payouts(world: World, person: Json) -> Json:
    account = accounts.create(
        world,
        {
            "type": "express",
            "email": person["email"],
            "metadata": {"person_id": person["id"]},
            "capabilities": {"transfers": {"requested": True}},
        },
    )
    accounts.onboard(world, account)
    return {"account": account["id"]}


async def make_people(makers: Makers, role: str, count: int) -> list[Json]:
    """`[{id, email, password, access_token, refresh_token}]`: new people, signed in once each.

    Raises `asyncpg.PostgresError` or `OSError` when the hub's rows cannot be written.
    """
    made: list[Json] = []
    for start in range(0, count, BATCH):
        batch = [_next_person(makers, role) for _ in range(min(BATCH, count - start))]
        await write_rows(makers.database_url, batch)
        made += [_signed_in(makers, person) for person in batch]
        makers.store.commit()
        await asyncio.sleep(0)
    return made


def _next_person(makers: Makers, role: str) -> Json:
    saved = makers.store.get("counter", "people")
    number = saved["last"] + 1 if saved else 1
    makers.store.put("counter", "people", {"last": number})
    first = name_of(number).partition(" ")[0].lower()
    return make_person(makers, role, number, f"{first}-{number}@example.com")


def _signed_in(makers: Makers, person: Json) -> Json:
    grant = makers.auth.sign_in(makers.auth.get(person["id"]))
    return {
        "id": person["id"],
        "email": person["email"],
        "password": PASSWORD,
        "name": person["name"],
        "access_token": grant["access_token"],
        "refresh_token": grant["refresh_token"],
        **{key: person[key] for key in ("customer", "payment_method", "account") if key in person},
    }


async def write_rows(database_url: str | None, people: Sequence[Json]) -> None:
    """Insert the hub's rows for these people; rows that are there already stay as they are."""
    if not people:
        return
    if database_url is None:
        log.warning(
            "DATABASE_URL is not set: %d people can sign in, but the hub has no rows of them", len(people)
        )
        return
    connection = await asyncpg.connect(database_url, statement_cache_size=0, timeout=10)
    try:
        async with connection.transaction():
            await connection.executemany(_INSERT_PERSON, [_person_row(p) for p in people])
            await connection.executemany(_INSERT_CARD, [_card_row(p) for p in people if "customer" in p])
            await connection.executemany(
                _INSERT_PRACTICE, [_practice_row(p) for p in people if "account" in p]
            )
    finally:
        await connection.close()


def _person_row(person: Json) -> tuple[object, ...]:
    return uuid.UUID(person["id"]), person["role"], person["name"], person["email"], person["at_ms"]


def _card_row(person: Json) -> tuple[object, ...]:
    return (
        uuid.UUID(person["id"]),
        person["customer"],
        person["payment_method"],
        person["brand"],
        person["last4"],
        person["fingerprint"],
        person["at_ms"],
    )


def _practice_row(person: Json) -> tuple[object, ...]:
    headline, topics = headline_of(person["number"])
    return (
        uuid.UUID(person["id"]),
        headline,
        list(topics),
        RATE_MINOR_PER_MINUTE,
        CURRENCY,
        person["account"],
        person["at_ms"],
    )
