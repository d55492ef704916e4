"""Twilio's calls: signed to the letter, kept once, never backwards. STOP is done before it is answered."""

import asyncio
from typing import Final

import pytest

from rooms.ids import SessionId
from tests.integration.reminders.desk import GUEST_PHONE, HOST_PHONE, HOUR_MS, Desk

SID: Final = "SM" + "1" * 32


def said(body: str, *, sid: str = SID, number: str = GUEST_PHONE) -> dict[str, str]:
    return {"MessageSid": sid, "From": number, "To": "+15005550006", "Body": body}


def status(status_: str, *, sid: str = SID, **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": status_, **more}


async def sent(desk: Desk) -> tuple[SessionId, str, str]:
    """A reminder that was sent, without its reports: its booking, its id and its sid."""
    await desk.fault("delay_webhooks", times=3, ms=HOUR_MS)
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    booking = await desk.book(host, guest, in_ms=HOUR_MS)
    await desk.duty().run_once()
    one = await desk.reminder(booking)
    assert one.sid is not None
    return booking, one.id, one.sid


@pytest.mark.parametrize(
    "forged",
    [
        {"token": "another-token"},
        {"query": "?reminder=1", "url": "http://127.0.0.1/webhooks/twilio?reminder=1"},
        {"query": "?a=1", "url": "{public}/webhooks/twilio"},
        {"url": "{public}/webhooks/twilio?a=1"},
        {"url": "{public}/webhooks/twilio/"},
    ],
)
async def test_what_is_signed_otherwise_does_nothing(desk: Desk, forged: dict[str, str]) -> None:
    guest = await desk.person("guest", GUEST_PHONE)
    if "url" in forged:
        forged = {**forged, "url": forged["url"].format(public=desk.public_url)}
    code, text = await desk.call(said("STOP"), **forged)
    assert (code, '"forbidden"' in text) == (403, True)
    assert await desk.agrees(guest)
    assert await desk.pool.fetchval("select count(*) from webhook_inbox") == 0


async def test_a_field_more_or_less_or_twice_is_noticed(desk: Desk) -> None:
    url = f"{desk.public_url}/webhooks/twilio"
    for data in ({**said("STOP"), "more": "1"}, {"Body": "STOP"}, {}):
        async with desk.http.post(url, data=data, headers={"X-Twilio-Signature": "x"}) as response:
            assert response.status == 403
    async with desk.http.post(url, data="Body=STOP&Body=START") as response:
        assert response.status == 400
    async with desk.http.post(url, data=b"\xff\xfe=1") as response:
        assert response.status == 400
    async with desk.http.post(url, data=b"Body=" + b"x" * 300_000) as response:
        assert response.status == 413


async def test_reports_in_any_order_only_go_forward(desk: Desk) -> None:
    booking, reminder, sid = await sent(desk)
    for told in ("delivered", "sent", "queued", "delivered", "undelivered"):
        code, _ = await desk.call(status(told, sid=sid), query=f"?reminder={reminder}")
        assert code == 204
        await desk.hear()
        assert (await desk.reminder(booking)).state == "delivered"


async def test_a_failure_says_why(desk: Desk) -> None:
    booking, reminder, sid = await sent(desk)
    await desk.call(status("undelivered", sid=sid, ErrorCode="30003"), query=f"?reminder={reminder}")
    await desk.hear()
    found = await desk.reminder(booking)
    assert (found.state, found.reason, found.error) == ("failed", "undelivered", 30003)


@pytest.mark.parametrize(
    "query", ["", "?reminder=", "?reminder=1", "?reminder=00000000-0000-0000-0000-000000000000"]
)
async def test_reports_about_nothing_of_ours(desk: Desk, query: str) -> None:
    booking, _, sid = await sent(desk)
    code, _ = await desk.call(status("delivered", sid=sid), query=query)
    await desk.hear()
    assert (code, (await desk.reminder(booking)).state) == (204, "sent")


async def test_another_message_is_not_this_reminder(desk: Desk) -> None:
    booking, reminder, _ = await sent(desk)
    await desk.call(status("failed"), query=f"?reminder={reminder}")
    await desk.hear()
    assert (await desk.reminder(booking)).state == "sent"


async def test_stop_is_heard_at_once_for_all_who_have_the_number(desk: Desk) -> None:
    first, second = await desk.person("guest", GUEST_PHONE), await desk.person("practitioner", GUEST_PHONE)
    other = await desk.person("guest", HOST_PHONE)
    code, text = await desk.call(said(" Arrêt! "))
    assert code == 200
    assert "<Message>" in text
    assert [await desk.agrees(one) for one in (first, second, other)] == [False, False, True]


async def test_twilio_answers_its_own_words(desk: Desk) -> None:
    await desk.person("guest", GUEST_PHONE, language="fr")
    for number, word in enumerate(["STOP", "START", "HELP", "good morning", ""]):
        code, text = await desk.call(said(word, sid=f"SM{number:032}"))
        assert (code, text.endswith("<Response/>")) == (200, True), word
    _, text = await desk.call(said("AIDE", sid="SM" + "a" * 32))
    assert "préférences" in text.lower()


async def test_start_gives_back_what_stop_took_and_nothing_else(desk: Desk) -> None:
    guest = await desk.person("guest", GUEST_PHONE)
    never = await desk.person("guest", GUEST_PHONE, consents_=False)
    on_the_page = await desk.person("guest", GUEST_PHONE)
    await desk.decide(on_the_page, granted=False)
    await desk.text(GUEST_PHONE, "STOP")
    assert not await desk.agrees(guest)
    await desk.text(GUEST_PHONE, "START")
    assert [await desk.agrees(one) for one in (guest, never, on_the_page)] == [True, False, False]


async def test_start_from_another_number_gives_nothing_back(desk: Desk) -> None:
    guest = await desk.person("guest", GUEST_PHONE)
    await desk.text(GUEST_PHONE, "STOP")
    await desk.owner.execute("update people set phone = $2 where id = $1", guest, HOST_PHONE)
    await desk.text(HOST_PHONE, "START")
    assert not await desk.agrees(guest)


async def test_an_old_message_that_comes_again_undoes_nothing(desk: Desk) -> None:
    guest = await desk.person("guest", GUEST_PHONE)
    stop, start = said("STOP"), said("START", sid="SM" + "2" * 32)
    await desk.call(stop)
    await desk.call(start)
    await desk.call(stop)
    assert await desk.agrees(guest)
    await desk.call(said("STOP", sid="SM" + "3" * 32))
    await desk.call(start)
    assert not await desk.agrees(guest)


async def test_many_stops_at_once_are_one_decision(desk: Desk) -> None:
    guest = await desk.person("guest", GUEST_PHONE)
    await asyncio.gather(*(desk.call(said("STOP", sid=f"SM{n:032}")) for n in range(8)))
    count = await desk.pool.fetchval(
        "select count(*) from consents where person_id = $1 and not granted", guest
    )
    assert count == 1


async def test_neither_number_nor_words_are_kept(desk: Desk) -> None:
    await desk.person("guest", None)
    await desk.call(said("STOP"))
    await desk.call(said("my secret is safe", sid="SM" + "2" * 32))
    kept = await desk.owner.fetch("select webhook_inbox::text as row from webhook_inbox")
    assert len(kept) == 1
    assert GUEST_PHONE not in kept[0]["row"]
    assert await desk.owner.fetchval("select count(*) from sms_stops") == 0


async def test_the_number_of_a_reminder_lies_sealed_while_in_doubt(desk: Desk) -> None:
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    await desk.book(host, guest, in_ms=HOUR_MS)
    await desk.fault("500", match={"method": "POST"})
    await desk.duty().run_once()
    (row,) = await desk.owner.fetch("select reminders::text as row, number from reminders")
    assert row["number"] is not None
    assert GUEST_PHONE not in row["row"]
    assert GUEST_PHONE.encode().hex() not in row["row"]
