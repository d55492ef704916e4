"""Somebody under a legal hold is erased like everybody else: what is held is a copy under another key."""

from uuid import uuid4

from config.retention import periods
from hub.workers.retention import Retention
from rooms.ids import UserId
from store.postgres import legal_holds as rows
from store.postgres.legal_holds import Hold
from store.privacy import legal_holds
from tests.integration.vendors.counter import Counter
from tests.integration.vendors.life import SAID, Life, lived

DAY_MS = 86_400_000
WHY = "a court asked for it in letter 7"


async def hold_on(life: Life) -> Hold:
    """Place one on the person, as an admin does."""
    counter = life.counter
    now_ms = counter.now_ms()
    hold = Hold(
        id=str(uuid4()), subject_id=life.id, session_id=None, reason=None, disclosed=True,
        undisclosed_reason=None, placed_by=UserId(str(uuid4())), placed_at_ms=now_ms,
        review_by_ms=now_ms + 365 * DAY_MS, ends_at_ms=now_ms + 3_650 * DAY_MS, pieces=0, rows_held=0,
        released_by=None, released_at_ms=None,
    )  # fmt: skip
    async with counter.pool.acquire() as db, db.transaction(isolation="repeatable_read"):
        assert await legal_holds.place(db, counter.keyring(), hold, WHY, None)
    placed = await rows.hold(counter.pool, hold.id)
    assert placed is not None
    return placed


async def copied(counter: Counter, hold: Hold) -> str:
    """All that is held, as it reads."""
    ring, found = await counter.another_keyring(), []
    for no in range(hold.pieces):
        piece = await rows.piece(counter.pool, hold.id, no)
        assert piece is not None
        found.append(str(await legal_holds.opened(ring, piece)))
    return "".join(found)


async def test_the_copy_stays_and_everything_else_goes(counter: Counter) -> None:
    life = await lived(counter)
    hold = await hold_on(life)
    before = await copied(counter, hold)
    assert all(text in before for text in (SAID, life.id, life.person["name"], life.person["email"]))
    await life.order()
    await life.go_on()
    assert await life.done()
    # Nowhere in the clear, neither of them nor of the hold; and it names nobody.
    assert await life.left() == []
    erased = await rows.hold(counter.pool, hold.id)
    assert erased is not None
    assert erased.subject_id not in (None, life.id)
    assert await copied(counter, erased) == before
    assert await legal_holds.words(counter.keyring(), erased) == (WHY, None)
    # Neither does its age end it, as long as it stands; after that, it does.
    counter.wait(1_200 * DAY_MS)
    retention = Retention(counter.pool, periods(), now_ms=counter.now_ms)
    await retention.run_once()
    assert await copied(counter, erased) == before
    async with counter.pool.acquire() as db, db.transaction():
        assert await legal_holds.release(db, erased, released_by=None, now_ms=counter.now_ms())
    await retention.run_once()
    assert await rows.hold(counter.pool, hold.id) is None
    assert await counter.pool.fetchval("select count(*) from legal_hold_pieces") == 0
    assert (
        await counter.pool.fetchval("select wrapped from subject_keys where subject_id = $1", hold.id) is None
    )


async def test_what_comes_after_is_not_held(counter: Counter) -> None:
    life = await lived(counter)
    hold = await hold_on(life)
    await counter.pool.execute(
        "insert into consents (person_id, purpose, granted, at_ms) values ($1, 'sms', true, $2)",
        life.id, counter.now_ms(),
    )  # fmt: skip
    assert "'sms'" not in await copied(counter, hold)
    await life.order()
    await life.go_on()
    assert await life.done()
    assert await counter.pool.fetchval("select count(*) from consents where person_id = $1", life.id) == 0
