"""Cases: one a message, one for all reports of a person, in the order in which somebody should look."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
import uuid_utils
from msgspec import UNSET
from msgspec.structs import replace

from hub.hub import Hub
from hub.moderation import flagging, moderating
from hub.moderation.flagging import Flagging, raise_flag
from hub.safety import reports
from hub.wire_moderation import Act
from rooms.ids import SessionId, UserId
from rooms.safety.verdict import Category, Severity
from rooms.strikes import DAY_MS
from sandbox.postgres import PostgresAddress
from store.evidence_records import ReportRecord
from store.moderation_records import Action, Flag
from store.postgres import acts, flags
from store.postgres import reports as report_rows
from store.postgres.pool import acting_as, connect
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


async def test_a_message_has_one_case(parts: Flagging, clock: Clock) -> None:
    case = a_case(at_ms=clock.ms)
    first = await raise_flag(parts, case)
    again = await raise_flag(parts, case)
    other = await raise_flag(parts, replace(case, flag_id=str(uuid4())))
    assert first == again == other
    assert (await found(parts, first)).version == 1


async def test_the_same_at_once_is_one(parts: Flagging, clock: Clock) -> None:
    case = a_case(at_ms=clock.ms)
    ids = await asyncio.gather(*(raise_flag(parts, case) for _ in range(6)))
    assert set(ids) == {case.flag_id}


async def test_the_order_is_danger_then_by_when_somebody_should_have_looked(
    parts: Flagging, clock: Clock
) -> None:
    low_old = a_case(at_ms=clock.ms - 300 * MINUTE_MS, severity="low")
    medium = a_case(at_ms=clock.ms)
    high = a_case(at_ms=clock.ms, severity="high")
    distress = a_case(at_ms=clock.ms, category=Category.DISTRESS, severity="critical")
    await cases(parts, medium, high, distress, low_old)
    assert await queue_of(parts) == [one.flag_id for one in (distress, low_old, high, medium)]


async def test_a_page_goes_on_after_its_cursor(parts: Flagging, clock: Clock) -> None:
    await cases(parts, *(a_case(at_ms=clock.ms + n) for n in range(5)))
    everything = await queue_of(parts)
    paged: list[str] = []
    while True:
        after = paged[-1] if paged else None
        page = await flags.queue(parts.pool, UserId(str(uuid4())), after=after, limit=2)
        paged += [flag.id for flag in page]
        if not page:
            break
    assert paged == everything


async def test_reports_of_a_person_are_one_case_that_presses_more(parts: Flagging, clock: Clock) -> None:
    case = a_case(at_ms=clock.ms)
    reports = [a_report(case, of_message=False) for _ in range(4)]
    ids = {await raise_flag(parts, one, reporter_id=UserId(str(uuid4()))) for one in reports}
    (flag_id,) = ids
    flag = await found(parts, flag_id)
    assert (flag.reports, flag.source, flag.message_id) == (4, "report", None)
    alone = await raise_flag(
        parts, a_report(a_case(at_ms=clock.ms), of_message=False), reporter_id=UserId(str(uuid4()))
    )
    assert flag.due_by_ms < (await found(parts, alone)).due_by_ms


async def test_reports_at_once_are_one_case(parts: Flagging, clock: Clock) -> None:
    case = a_case(at_ms=clock.ms)
    ids = await asyncio.gather(
        *(
            raise_flag(parts, a_report(case, of_message=False), reporter_id=UserId(str(uuid4())))
            for _ in range(8)
        )
    )
    assert len(set(ids)) == 1
    assert (await found(parts, ids[0])).reports == 8


async def test_the_same_reporter_counts_once(parts: Flagging, clock: Clock) -> None:
    report, reporter = a_report(a_case(at_ms=clock.ms), of_message=False), UserId(str(uuid4()))
    flag_id = await raise_flag(parts, report, reporter_id=reporter)
    assert await raise_flag(parts, report, reporter_id=reporter) == flag_id
    assert (await found(parts, flag_id)).reports == 1


async def test_a_report_of_a_message_that_a_rule_found_joins_its_case(parts: Flagging, clock: Clock) -> None:
    case = a_case(at_ms=clock.ms, severity="low")
    flag_id = await raise_flag(parts, case)
    reporter = UserId(str(uuid4()))
    assert await raise_flag(parts, a_report(case, of_message=True), reporter_id=reporter) == flag_id
    flag = await found(parts, flag_id)
    assert (flag.reports, flag.severity, flag.source) == (1, "medium", "rule")
    assert reporter in flag.concerned


async def test_a_report_of_what_is_decided_is_a_case_of_its_own(parts: Flagging, clock: Clock) -> None:
    case = a_case(at_ms=clock.ms)
    flag_id = await raise_flag(parts, case)
    await flags.resolve(
        parts.pool, flag_id, status="dismissed", resolution="dismiss",
        resolved_by=UserId(str(uuid4())), now_ms=clock.ms,
    )  # fmt: skip
    later = await raise_flag(parts, a_report(case, of_message=True), reporter_id=UserId(str(uuid4())))
    assert later != flag_id
    assert (await found(parts, later)).status == "open"


@pytest.mark.parametrize(
    ("category", "severity"), [(Category.DISTRESS, "critical"), (Category.MINOR, "high")]
)
async def test_what_a_rule_finds_in_a_reported_message_is_what_its_case_is_about(
    parts: Flagging, clock: Clock, category: Category, severity: Severity
) -> None:
    rule = a_case(at_ms=clock.ms, category=category, severity=severity)
    reporter = UserId(str(uuid4()))
    reported = await raise_flag(parts, a_report(rule, of_message=True), reporter_id=reporter)
    before = await found(parts, reported)
    assert await cases(parts, rule, rule) == [reported, reported]
    flag = await found(parts, reported)
    assert (flag.category, flag.severity, flag.rule, flag.seq) == (category, severity, rule.rule, rule.seq)
    assert (flag.version, flag.reports, flag.status) == (before.version + 1, 1, "open")
    assert reporter in flag.concerned


async def test_what_a_rule_finds_after_the_report_was_decided_is_a_case_of_its_own(
    parts: Flagging, clock: Clock
) -> None:
    rule = a_case(at_ms=clock.ms, category=Category.DISTRESS, severity="critical")
    reported = await raise_flag(parts, a_report(rule, of_message=True), reporter_id=UserId(str(uuid4())))
    await flags.resolve(
        parts.pool, reported, status="dismissed", resolution="dismiss", resolved_by=UserId(str(uuid4())),
        now_ms=clock.ms,
    )  # fmt: skip
    assert await cases(parts, rule, rule) == [rule.flag_id, rule.flag_id]
    own = await found(parts, rule.flag_id)
    assert (own.category, own.status, own.message_id) == ("distress", "open", None)
    assert (await found(parts, reported)).status == "dismissed"


async def test_whose_reports_were_right_is_heard_sooner(parts: Flagging, clock: Clock) -> None:
    right, wrong = UserId(str(uuid4())), UserId(str(uuid4()))
    for reporter, status in ((right, "resolved"), (wrong, "dismissed")):
        for _ in range(4):
            report = a_report(a_case(at_ms=clock.ms), of_message=False)
            flag_id = await raise_flag(parts, report, reporter_id=reporter)
            await flags.resolve(
                parts.pool, flag_id, status="resolved" if status == "resolved" else "dismissed",
                resolution="warn", resolved_by=UserId(str(uuid4())), now_ms=clock.ms,
            )  # fmt: skip
    by_wrong = await raise_flag(parts, a_report(a_case(at_ms=clock.ms), of_message=False), reporter_id=wrong)
    by_right = await raise_flag(parts, a_report(a_case(at_ms=clock.ms), of_message=False), reporter_id=right)
    assert await queue_of(parts) == [by_right, by_wrong]


async def test_what_was_done_cannot_be_changed_by_anybody(parts: Flagging, database: PostgresAddress) -> None:
    for dsn, error in (
        (database.hub_dsn, asyncpg.InsufficientPrivilegeError),
        (database.owner_dsn, asyncpg.InsufficientPrivilegeError),
    ):
        pool = await connect(dsn, size=1)
        for statement in ("update moderation_actions set reason = 'none'", "delete from moderation_actions"):
            with pytest.raises(error):
                await pool.execute(statement)
        await pool.close()


# What counts against whom.


async def test_what_was_decided_before_is_shown_suggests_and_fades(
    hub: Hub, parts: Flagging, clock: Clock
) -> None:
    case = a_case(at_ms=clock.ms)
    (flag_id,) = await cases(parts, case)
    user_id = UserId(case.user_id)
    flag = await found(parts, flag_id)
    assert (await flagging.flag_view(hub, flag)).strikes == 0
    for points in (1, 3):
        await strike(parts, flag, points, at_ms=clock.ms)
    told = await flagging.flag_view(hub, flag)
    assert (told.strikes, told.suggests) == (4, "suspend")
    distress = await found(
        parts,
        await raise_flag(
            parts, a_case(at_ms=clock.ms, category=Category.DISTRESS, user_id=user_id, severity="critical")
        ),
    )
    assert (await flagging.flag_view(hub, distress)).suggests is UNSET
    clock.ms += hub.standards.half_life_days * DAY_MS
    later = await flagging.flag_view(hub, flag)
    assert (later.strikes, later.suggests) == (2, UNSET)


async def strike(parts: Flagging, flag: Flag, points: int, *, at_ms: int) -> None:
    action = Action(
        id=str(uuid_utils.uuid7()), flag_id=flag.id, session_id=flag.session_id,
        actor_id=UserId(str(uuid4())), user_id=flag.user_id,
        action="warn", reason="conduct", note=b"sealed", duration_s=None, until_ms=None,
        before={}, after={}, undoes=None, request_id=None, created_at_ms=at_ms,
    )  # fmt: skip
    assert await acts.insert_action(parts.pool, action)
    await acts.insert_strike(parts.pool, action.id, flag.user_id, points=points, now_ms=at_ms)


async def test_a_person_reads_what_was_decided_about_them_and_nothing_of_moderators(
    parts: Flagging, clock: Clock
) -> None:
    flag = await found(parts, await raise_flag(parts, a_case(at_ms=clock.ms)))
    await strike(parts, flag, 1, at_ms=clock.ms)
    stranger = UserId(str(uuid4()))
    for who, count in ((flag.user_id, 1), (stranger, 0)):
        async with acting_as(parts.pool, who) as connection:
            assert len(await acts.own_actions(connection, before=None, limit=10)) == count
    await parts.pool.execute(
        "insert into suspensions (action_id, user_id, reason, from_ms)"
        " select action_id, user_id, 'conduct', 1 from strikes where user_id = $1",
        flag.user_id,
    )
    own = ("select points from strikes", "select reason from suspensions")
    for who, count in ((flag.user_id, 1), (stranger, 0)):
        async with acting_as(parts.pool, who) as connection:
            assert [len(await connection.fetch(query)) for query in own] == [count, count]
    hidden = ("flags", "flag_reporters", "moderation_effects")
    for query in (
        "select note from moderation_actions",
        "select actor_id from moderation_actions",
        "select before from moderation_actions",
        "select decided_by from appeals",
        "select note from appeals",
        *(f"select * from {table}" for table in hidden),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with acting_as(parts.pool, flag.user_id) as connection:
                await connection.fetch(query)


async def test_nobody_reads_that_a_case_about_them_came_to_nothing(
    hub: Hub, parts: Flagging, clock: Clock, database: PostgresAddress
) -> None:
    owner = await connect(database.owner_dsn, size=1)
    case = a_case(at_ms=clock.ms)
    await party_to(owner, case.session_id, str(uuid4()), case.user_id)
    await owner.close()
    (flag_id,) = await cases(parts, case)
    body = Act(session_id=case.session_id, action="dismiss", note="nothing", flag_id=flag_id)
    await moderating.act(hub, principal(), body)
    async with acting_as(parts.pool, UserId(case.user_id)) as connection:
        assert await connection.fetch("select action from moderation_actions") == []


async def test_a_report_of_a_case_that_is_decided_meanwhile_gets_its_outcome(
    hub: Hub, parts: Flagging, clock: Clock, database: PostgresAddress
) -> None:
    """Whoever filed it died after the case was raised, and before the report knew of it."""
    owner = await connect(database.owner_dsn, size=1)
    names = [str(uuid4()) for _ in range(5)]
    session_id, reporter, user_id, report_id, evidence_id = names
    await party_to(owner, session_id, user_id, reporter)
    await owner.close()
    filed = ReportRecord(
        report_id, UserId(reporter), SessionId(session_id), UserId(user_id), None, evidence_id, None, clock.ms
    )
    assert await report_rows.insert_report(parts.pool, filed)
    raised = replace(
        a_report(a_case(at_ms=clock.ms, user_id=user_id, session_id=session_id), of_message=False),
        flag_id=report_id,
    )
    flag_id = await raise_flag(parts, raised, reporter_id=UserId(reporter))
    body = Act(session_id=session_id, action="dismiss", note="nothing", flag_id=flag_id)
    await moderating.act(hub, principal(), body)
    told = await reports.raise_flag(parts, filed)
    assert [(one.id, one.reporter_id) for one in told] == [(report_id, reporter)]
    outcome = await parts.pool.fetchval("select outcome from reports where id = $1", report_id)
    assert outcome == "dismissed"
    assert await reports.raise_flag(parts, filed) == []
