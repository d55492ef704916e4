"""Generated facts as they lie on record: people, sessions, settlements, declines, disputes, sightings."""

from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import asyncpg

from billing.fraud import Facts, Sighting
from billing.payment import Outcome, Request
from store.postgres.fraud import DAY_MS

SESSION = (
    "insert into sessions (id, kind, state, practitioner_id, seats, price_kind, currency,"
    " rate_minor_per_minute, free_ms, fee_bps, minimum_minor, cap_minor, requested_at_ms, settled_at_ms)"
    " values ($1, 'instant', $2, $3, 1, 'per_minute', 'usd', $4, 0, 2000, 50, $5, $6, 0)"
)
PART = "insert into participants (session_id, no, user_id, role) values ($1, $2, $3, $4)"
SETTLEMENT = (
    "insert into settlements (session_id, participant_no, billed_ms, free_ms, rate_minor_per_minute,"
    " subtotal_minor, fee_minor, practitioner_minor, total_minor, currency, created_at_ms,"
    " promotion_minor) values ($1, 1, $2, $2, 300, $3, 0, 0, $3, $4, $5, $6)"
)
INTERVAL = (
    "insert into intervals (session_id, participant_no, kind, ordinal, from_ms, to_ms)"
    " values ($1, 1, 'billed', $2, $3, $4)"
)
CHECK = (
    "insert into media_checks (session_id, participant_no, channel, seen, unseen_ms, checked_at_ms)"
    " values ($1, 1, 'c', $2, 1, $3)"
)
MESSAGE = (
    "insert into messages (session_id, seq, id, participant_no, at_ms, client_id, body_sha256)"
    " values ($1, $2::integer + 1, gen_random_uuid(), $2::integer, $3, 'c', sha256('x'))"
)
HOLD = (
    "insert into payment_ops (session_id, participant_no, kind, ordinal, currency, params, idem_key, state,"
    " outcome, first_sent_at_ms, next_at_ms, applied_at_ms, created_at_ms)"
    " values ($1::uuid, 1, 'hold', 1, 'usd', $2, $1::uuid::text, 'failed', $3, $4, 0, 0, $4)"
)
DISPUTE = (
    "insert into disputes (id, session_id, participant_no, ordinal, charge, intent, amount_minor, currency,"
    " reason, status, opened_at_ms) values ($1::uuid::text, $1::uuid, 1, 1, 'ch', 'pi', 1, 'usd',"
    " 'fraudulent', 'lost', $2)"
)
CARD = (
    "insert into cards (person_id, stripe_customer, stripe_payment_method, brand, last4, fingerprint,"
    " saved_at_ms) values ($1, 'cus', $2, 'visa', '4242', $3, $4)"
    " on conflict (person_id) do update set stripe_payment_method = $2, fingerprint = $3, saved_at_ms = $4"
)
SEEN = (
    "insert into fraud_sightings (person_id, kind, mark, before, day, at_ms) values ($1, $2, $3, $4, $5, $6)"
)


def uid(name: str) -> str:
    """The id on record of somebody or something that the generator named."""
    return str(uuid5(NAMESPACE_OID, name))


def once_a_day(sightings: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """As they are kept: the first of a day."""
    first: dict[tuple[str, str, str, int], Sighting] = {}
    for one in sorted(sightings, key=lambda one: one.at_ms):
        first.setdefault((one.person_id, one.kind, one.mark, one.at_ms // DAY_MS), one)
    return tuple(first.values())


async def write(owner: asyncpg.Pool, facts: Facts) -> None:
    """Put facts on record. A decline stands in a session of its own that was asked for long ago."""
    since = {one.guest_id: one.since_ms for one in facts.asked}
    bound: Iterable[Any] = (*facts.asked, *facts.declined)
    alone: Iterable[Any] = (*facts.saved, *facts.sightings)
    people = {
        *(one.person_id for one in alone),
        *(person for one in bound for person in (one.guest_id, one.practitioner_id)),
    }
    hosts = {one.practitioner_id for one in (*bound, *facts.moved)}
    async with owner.acquire() as db, db.transaction():
        await db.executemany(
            "insert into people (id, role, created_at_ms) values ($1, $2, $3)",
            [
                (uid(person), "practitioner" if person in hosts else "guest", since.get(person, 0))
                for person in people
            ],
        )
        asked = [(one, one.at_ms, "ended", one.rate_minor_per_minute, one.cap_minor) for one in facts.asked]
        declined = [(one, 0, "cancelled", 300, 36_000) for one in facts.declined]
        rows: list[tuple[Any, ...]] = [*asked, *declined]
        await db.executemany(
            SESSION,
            [
                (uid(one.session_id), state, uid(one.practitioner_id), rate, cap, at_ms)
                for one, at_ms, state, rate, cap in rows
            ],
        )
        await db.executemany(
            PART, [(uid(o.session_id), 0, uid(o.practitioner_id), "practitioner") for o, *_ in rows]
        )
        await db.executemany(PART, [(uid(o.session_id), 1, uid(o.guest_id), "guest") for o, *_ in rows])
        await db.executemany(
            SETTLEMENT,
            [
                (uid(o.session_id), o.billed_ms, o.charged_minor, o.currency, o.at_ms, o.promotion_minor)
                for o in facts.billed
            ],
        )
        await db.executemany(
            INTERVAL,
            [(uid(one.session_id), n, *span) for one in facts.billed for n, span in enumerate(one.billed)],
        )
        await db.executemany(
            CHECK,
            [
                (uid(one.session_id), [list(span) for span in one.provider], one.at_ms)
                for one in facts.billed
                if one.provider is not None
            ],
        )
        spoke = [
            (uid(one.session_id), no, one.at_ms)
            for one in facts.billed
            for no, wrote in enumerate((one.practitioner_spoke, one.guest_spoke))
            if wrote
        ]
        await db.executemany(MESSAGE, spoke)
        for card in sorted(facts.saved, key=lambda one: one.at_ms):
            await db.execute(
                CARD, uid(card.person_id), f"{card.person_id} {card.card}", card.card, card.at_ms
            )
        no = Outcome("declined", code="card_declined")
        await db.executemany(
            HOLD,
            [
                (uid(o.session_id), Request({"payment_method": f"{o.guest_id} {o.card}"}), no, o.at_ms)
                for o in facts.declined
            ],
        )
        await db.executemany(DISPUTE, [(uid(one.session_id), one.at_ms) for one in facts.disputed])
        seen = once_a_day(facts.sightings)
        await db.executemany(
            SEEN, [(uid(o.person_id), o.kind, o.mark, o.before, o.at_ms // DAY_MS, o.at_ms) for o in seen]
        )
        await db.executemany(
            "insert into fraud_destinations (practitioner_id, account_no, at_ms) values ($1, 2, $2)",
            [(uid(one.practitioner_id), one.at_ms) for one in facts.moved],
        )
