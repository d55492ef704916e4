"""Claims: a case has one moderator at a time, for as long as a lease, and never one whom it is about."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from hub.errors import Refused
from hub.hub import Hub
from hub.moderation import claiming
from hub.moderation.flagging import Flagging, raise_flag
from hub.wire_moderation import ClaimFlag
from rooms.errors import NotFound
from rooms.ids import UserId
from rooms.queue import OwnCase
from sandbox.postgres import PostgresAddress
from store.postgres import audit, flags
from store.postgres.pool import connect
from tests.integration.safety.office import (
    Clock,
    a_case,
    a_report,
    cases,
    found,
    party_to,
    principal,
    queue_of,
)

MINUTE_MS = 60_000
pytestmark = pytest.mark.usefixtures("empty_queue")


async def test_of_two_at_once_one_gets_it(hub: Hub, parts: Flagging, clock: Clock) -> None:
    (flag_id,) = await cases(parts, a_case(at_ms=clock.ms))
    asked = [claiming.claim(hub, principal(), ClaimFlag(flag_id, 1)) for _ in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 4
    for error in refused:
        assert isinstance(error, Refused)
        assert error.code == "conflict"
        assert error.fields
    flag = await found(parts, flag_id)
    assert (flag.status, flag.version) == ("claimed", 2)


async def test_a_claim_is_on_record_and_renewed_by_claiming_again(
    hub: Hub, parts: Flagging, clock: Clock
) -> None:
    (flag_id,) = await cases(parts, a_case(at_ms=clock.ms))
    who = principal()
    first = (await claiming.claim(hub, who, ClaimFlag(flag_id, 1))).flag
    clock.ms += MINUTE_MS
    again = (await claiming.claim(hub, who, ClaimFlag(flag_id, 1))).flag
    assert again.version == first.version == 2
    assert again.claimed_until_ms == clock.ms + hub.standards.lease_ms
    listed = await audit.listed(parts.pool, actor_id=who.user_id, before=None, limit=10)
    assert [(one.action, one.words()["flag_id"]) for one in listed] == [("flag_claimed", flag_id)]


async def test_an_old_version_is_refused_with_the_new_one(hub: Hub, parts: Flagging, clock: Clock) -> None:
    case = a_case(at_ms=clock.ms)
    (flag_id,) = await cases(parts, case)
    await raise_flag(parts, a_report(case, of_message=True), reporter_id=UserId(str(uuid4())))
    with pytest.raises(Refused) as refused:
        await claiming.claim(hub, principal(), ClaimFlag(flag_id, 1))
    assert refused.value.fields == {"version": "is 2 now"}


async def test_a_lease_that_is_over_can_be_taken_over(hub: Hub, parts: Flagging, clock: Clock) -> None:
    (flag_id,) = await cases(parts, a_case(at_ms=clock.ms))
    ann, ben = principal(), principal()
    await claiming.claim(hub, ann, ClaimFlag(flag_id, 1))
    clock.ms += hub.standards.lease_ms
    taken = await claiming.claim(hub, ben, ClaimFlag(flag_id, 2))
    assert (taken.flag.claimed_by, taken.flag.version) == (ben.user_id, 3)


async def test_a_lapsed_claim_goes_back_into_the_queue(hub: Hub, parts: Flagging, clock: Clock) -> None:
    (flag_id,) = await cases(parts, a_case(at_ms=clock.ms))
    await claiming.claim(hub, principal(), ClaimFlag(flag_id, 1))
    assert await flags.reopen_lapsed(parts.pool, now_ms=clock.ms + 1, limit=10) == []
    lapsed_ms = clock.ms + hub.standards.lease_ms
    assert await flags.reopen_lapsed(parts.pool, now_ms=lapsed_ms, limit=10) == [flag_id]
    assert ((await found(parts, flag_id)).status, await queue_of(parts)) == ("open", [flag_id])


async def test_nobody_claims_or_sees_a_case_of_their_own(
    hub: Hub, parts: Flagging, clock: Clock, database: PostgresAddress
) -> None:
    host, guest, reporter = (str(uuid4()) for _ in range(3))
    case = a_case(at_ms=clock.ms, user_id=guest)
    owner: asyncpg.Pool = await connect(database.owner_dsn, size=1)
    await party_to(owner, case.session_id, host, guest)
    await owner.close()
    (flag_id,) = await cases(parts, case)
    await raise_flag(parts, a_report(case, of_message=True), reporter_id=UserId(reporter))
    for own in (host, guest, reporter):
        assert await queue_of(parts, own) == []
        with pytest.raises(OwnCase):
            await claiming.claim(hub, principal(user_id=UserId(own)), ClaimFlag(flag_id, 2))
    assert await queue_of(parts) == [flag_id]


async def test_no_such_case(hub: Hub) -> None:
    with pytest.raises(NotFound):
        await claiming.claim(hub, principal(), ClaimFlag(str(uuid4()), 1))
