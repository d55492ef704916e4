"""Nothing is recorded that both do not agree to, or that nobody here could end, whatever dies, whenever."""

import asyncio

import pytest

from hub.workers.recordings import GIVE_UP_MS, LOOK_MS, MISSED_MAX, MISSED_MS
from rooms.ids import UserId
from store.postgres import recordings
from tests.integration.recording.stage import Stage, live_of


async def begun(stage: Stage) -> None:
    assert await stage.want() is not None
    await stage.duty().run_once()
    assert (await stage.row()).state == "recording"


async def shown(stage: Stage) -> str | None:
    told = (await stage.room()).recording
    return None if told is None else told.state


async def stop(stage: Stage) -> None:
    await recordings.want_stop(stage.counter.pool, stage.session_id, "stopped", now_ms=stage.counter.now_ms())
    await stage.duty().run_once()


async def test_from_the_wish_to_the_end(stage: Stage) -> None:
    await begun(stage)
    assert await stage.want() is None
    assert await shown(stage) == "recording"
    assert await stage.running() == 1
    await stop(stage)
    row = await stage.row()
    assert (row.state, row.stop_reason, row.shown) == ("stopped", "stopped", True)
    assert await shown(stage) == "stopped"
    assert await stage.running() == 0
    # Again, by another recorder.
    await begun(stage)
    assert await shown(stage) == "recording"
    assert await stage.running() == 1


@pytest.mark.parametrize("point", ["acquired", "noted", "recording"])
async def test_killed_while_it_begins_the_next_worker_goes_on(stage: Stage, point: str) -> None:
    await stage.want()
    await stage.killed(point)
    await stage.work()
    assert (await stage.row()).state == "recording"
    assert await shown(stage) == "recording"
    assert await stage.running() == 1
    await stop(stage)
    assert await stage.running() == 0


async def test_a_start_that_nobody_noted_is_found_by_its_notice(stage: Stage) -> None:
    await stage.want()
    await stage.killed("started")
    assert (await stage.row()).sid is None
    (there,) = await stage.at_agora()
    sid, uid, at_ms = there["sid"], int(there["uid"]), there["started_ms"]
    for _ in range(2):
        await stage.hear("started", sid=sid, uid=uid, at_ms=at_ms)
    # Of another recorder's it would be none of ours.
    await stage.hear("over", sid="other", uid=uid, at_ms=at_ms)
    await stage.work()
    row = await stage.row()
    assert (row.state, row.sid, row.started_at_ms) == ("recording", sid, at_ms)
    assert await stage.running() == 1
    await stop(stage)
    assert await stage.running() == 0


async def test_a_start_that_nobody_noted_or_told_of_is_put_out(stage: Stage) -> None:
    await stage.want()
    await stage.killed("started")
    assert await stage.running() == 1
    await stage.work()
    row = await stage.row()
    assert (row.state, row.sid) == ("failed", None)
    assert await shown(stage) == "failed"
    assert await stage.running() == 0
    (rule,) = await stage.counter.rules()
    assert (rule["cname"], int(rule["uid"])) == (stage.channel, row.uid)
    # Its people are not put out with it, and it may be tried again.
    await begun(stage)


@pytest.mark.parametrize("point", ["acquired", "noted", "started", "recording"])
@pytest.mark.parametrize("who", ["host", "guest"])
async def test_taken_back_while_the_worker_lies_dead_nothing_is_recorded(
    stage: Stage, point: str, who: str
) -> None:
    await stage.want()
    await stage.killed(point)
    person: UserId = getattr(stage, who)
    await stage.consent(person, granted=False)
    # At once: nobody waits for the dead worker's lease.
    await stage.duty().run_once()
    row = await stage.row()
    assert (row.state, row.stop_reason) == ("stopped", "consent_withdrawn")
    assert await stage.running() == 0
    await stage.work()
    assert await stage.running() == 0
    assert await shown(stage) == "stopped"


@pytest.mark.parametrize("point", ["stopped", "over"])
async def test_killed_while_it_ends_it_ends(stage: Stage, point: str) -> None:
    await begun(stage)
    await recordings.want_stop(stage.counter.pool, stage.session_id, "stopped", now_ms=stage.counter.now_ms())
    await stage.killed(point)
    await stage.work()
    row = await stage.row()
    assert (row.state, row.stop_reason, row.shown) == ("stopped", "stopped", True)
    assert await shown(stage) == "stopped"
    assert await stage.running() == 0


async def test_taken_back_in_the_middle_of_the_start(stage: Stage) -> None:
    async def reached(point: str) -> None:
        if point == "started":
            await stage.consent(stage.guest, granted=False)
            await stage.duty().run_once()

    await stage.want()
    await stage.duty(reached).run_once()
    assert (await stage.row()).state == "stopped"
    assert await stage.running() == 0


async def test_two_workers_at_once_record_once(stage: Stage) -> None:
    await stage.want()
    for _ in range(4):
        await asyncio.gather(stage.duty().run_once(), stage.duty().run_once())
        stage.counter.wait(3_000)
    assert await stage.running() == 1


async def test_it_ends_with_the_session(stage: Stage) -> None:
    await begun(stage)
    await live_of(stage.counter.redis).rooms.require(stage.session_id)
    await stage.counter.redis.flushdb()
    stage.counter.wait(3_000)
    await stage.duty().run_once()
    assert (await stage.row()).stop_reason == "session_over"
    assert await stage.running() == 0
    await stage.work(times=40, step_ms=10_000)
    assert (await stage.row()).shown


@pytest.mark.parametrize("path", ["/acquire", "/resourceid"])
@pytest.mark.parametrize("action", ["apply_then_drop", "500", "429"])
async def test_answers_that_are_lost_or_late_leave_one_recorder(stage: Stage, path: str, action: str) -> None:
    match = {"path_prefix": f"/v1/apps/0123456789abcdef0123456789abcdef/cloud_recording{path}"}
    await stage.want()
    await stage.counter.control("faults", {"vendor": "agora", "action": action, "match": match})
    await stage.duty().run_once()
    for there in await stage.at_agora():
        if there["sid"] is not None:
            await stage.hear("started", sid=there["sid"], uid=int(there["uid"]), at_ms=stage.counter.now_ms())
    for _ in range(6):
        stage.counter.wait(3_000)
        await stage.duty().run_once()
    assert (await stage.row()).state == "recording"
    assert await stage.running() == 1
    await stage.counter.control("faults", {"vendor": "agora", "action": action, "match": match})
    await stop(stage)
    for _ in range(6):
        stage.counter.wait(3_000)
        await stage.duty().run_once()
    assert (await stage.row()).state == "stopped"
    assert await stage.running() == 0


async def test_an_agora_that_is_down_is_given_up(stage: Stage) -> None:
    await stage.want()
    await stage.counter.control("faults", {"vendor": "agora", "action": "500", "times": 100})
    for _ in range(12):
        await stage.duty().run_once()
        stage.counter.wait(GIVE_UP_MS // 4)
    assert (await stage.row()).state == "failed"
    assert await shown(stage) == "failed"


async def test_a_recorder_that_left_by_itself_is_noticed_or_told_of(stage: Stage) -> None:
    await begun(stage)
    row = await stage.row()
    await stage.hear("over", sid=row.sid or "", uid=row.uid, at_ms=row.requested_at_ms + 5_000)
    await stage.hear("started", sid=row.sid or "", uid=row.uid, at_ms=row.requested_at_ms)
    await stage.duty().run_once()
    assert (await stage.row()).stop_reason == "ended_by_vendor"
    assert await shown(stage) == "stopped"
    # Without a word of it: Agora does not find it, again and again.
    await begun(stage)
    row = await stage.row()
    await stage.counter.agora().kick(stage.channel, row.uid, minutes=1)
    stage.counter.wait(LOOK_MS)
    for _ in range(MISSED_MAX + 2):
        await stage.duty().run_once()
        stage.counter.wait(MISSED_MS)
    assert (await stage.row()).state == "failed"
    assert await shown(stage) == "failed"


async def test_files_come_in_any_order_and_stay(stage: Stage) -> None:
    await begun(stage)
    row = await stage.row()
    sid, files = row.sid or "", [{"name": "a.m3u8", "track_type": None, "begins_at_ms": 1}]
    await stage.hear("files", sid=sid, uid=row.uid, at_ms=1, files=files)
    await stage.hear("over", sid=sid, uid=row.uid, at_ms=2)
    await stage.hear("files", sid=sid, uid=row.uid, at_ms=1, files=files)
    kept = await stage.counter.pool.fetchval("select files from recordings where id = $1", row.id)
    assert kept == files
