"""What people try against the rules of chat, on two real hubs.

Nothing here is told apart by how long it takes: a text is delivered or it is not, an answer comes or it does
not. The damaged audit chain has a file of its own, test_audit.py.
"""

import asyncio
import itertools

import pytest

from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene, said, until
from tests.unit.rooms.safety.test_bounded import HOSTILE

WITHHELD = ("held", "blocked")


_names = itertools.count()


async def send(who: Visitor, session_id: str, text: str) -> Json:
    return await who.ask("chat:send", session_id=session_id, client_id=f"c{next(_names)}", text=text)


async def heard(who: Visitor, message_id: str) -> Json:
    return await who.hear("chat:message", lambda body: body["id"] == message_id)


async def flags_of(scene: Scene, session_id: str, source: str = "rule") -> list[Json]:
    query = "select * from flags where session_id = $1 and source = $2 order by id"
    return [dict(row) for row in await scene.sql(query, session_id, source)]


# Disguises.

DISGUISED = {
    "homoglyph": ("p\u0430yp\u0430l me", "off_platform"),
    "whole script": ("\u0440\u0430\u0443\u0440\u0430l me", "off_platform"),
    "zero-width joiner": ("pay\u200dpal me", "off_platform"),
    "zero-width between all": ("\u200b".join("paypal me"), "off_platform"),
    "word joiner, soft hyphen": ("pay\u2060pa\u00adl me", "off_platform"),
    "variation selector": ("p\ufe0fayp\ufe0fal me", "off_platform"),
    "tag characters": ("pay\U000e0070pal me", "off_platform"),
    "bidi override": ("\u202dpaypal\u202c me", "off_platform"),
    "combining marks": ("p\u0335a\u0335y\u0335p\u0335a\u0335l\u0335 m\u0335e\u0335", "off_platform"),
    "zalgo": ("".join(letter + "\u0301\u0351\u0336" * 8 for letter in "paypal me"), "off_platform"),
    "leet": ("p4yp4l m3", "off_platform"),
    "letters apart": ("p a y p a l  m e", "off_platform"),
    "letters dotted": ("p.a.y.p.a.l m.e", "off_platform"),
    "full width": ("\uff50\uff41\uff59\uff50\uff41\uff4c \uff4d\uff45", "off_platform"),
    "mathematical": ("\U0001d429\U0001d41a\U0001d432\U0001d429\U0001d41a\U0001d425 me", "off_platform"),
    "circled": ("\u24df\u24d0\u24e8\u24df\u24d0\u24db \u24dc\u24d4", "off_platform"),
    "drawn out": ("paaaaypaaaal meeee", "off_platform"),
    "capitals": ("PaYpAl Me", "off_platform"),
    "leet and joiners and homoglyphs": ("p4y\u200dp\u0430l m3", "off_platform"),
    "other digits": ("\u0660\u0666 \u0661\u0662 \u0663\u0664 \u0665\u0666 \u0667\u0668", "contact"),
    "circled digits": ("call 4\u24605 5\u24645 2\u2465 7\u2460", "contact"),
    "letters for digits": ("call o6 I2 34 56 78", "contact"),
    "words for digits": ("zero six twelve thirty four fifty six seventy eight", "contact"),
    "words and digits": ("zero6 douze 34 cinquante-six 78", "contact"),
    "at and dot": ("jane (at) gmail (dot) com", "contact"),
    "invisible in an address": ("ja\u200bne@gm\u2060ail.com", "contact"),
    "javascript": ("click javascript:alert(document.cookie)", "link"),
    "javascript in capitals": ("JaVaScRiPt:alert(1)", "link"),
    "javascript with a tab": ("java\tscript:alert(1)", "link"),
    "javascript with a joiner": ("java\u200dscript:alert(1)", "link"),
    "javascript in a link": ("[my page](javascript:alert(1))", "link"),
    "vbscript": ("vbscript:msgbox(1)", "link"),
    "data": ("data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "link"),
    "another user": ("https://allinya.com@evil.example/", "link"),
    "a number as host": ("http://2130706433/", "link"),
    "punycode": ("https://xn--80ak6aa92e.com/", "link"),
    "other dots": ("lenatarot\u3002com", "link"),
}
"""What nobody may pass on in the chat, dressed up; and what it is."""


@pytest.mark.parametrize(("text", "category"), DISGUISED.values(), ids=DISGUISED.keys())
async def test_a_disguise_does_not_help(scene: Scene, text: str, category: str) -> None:
    guest, host, session_id = await scene.couple()
    answer = await send(guest, session_id, text)
    assert answer["status"] in WITHHELD
    assert answer["seq"] is None
    assert answer["because"]["code"] == category
    after = await send(host, session_id, "and then?")
    for who in (guest, host):
        await heard(who, after["id"])
        assert [message["id"] for message in said(who)] == [after["id"]]

    async def flagged() -> bool:
        return [flag["category"] for flag in await flags_of(scene, session_id)] == [category]

    await until(flagged, "the case never came into the queue")


# A number in pieces.

PIECES = ("mine", "zero six", "12", "thirty", "5")
LAST = "seven eight nine"


async def test_a_number_in_pieces_with_small_talk_between(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    for piece in PIECES:
        await send(guest, session_id, piece)
        await send(host, session_id, "mhm, go on")
    assert (await send(guest, session_id, LAST))["status"] in WITHHELD
    await nobody_has_the_whole_number(host)


async def test_a_number_in_pieces_over_lines_that_come_and_go(scene: Scene) -> None:
    """Each piece by a new line to the other hub, the one before having dropped."""
    line, host, session_id = await scene.couple()
    for number, piece in enumerate(PIECES):
        await send(line, session_id, piece)
        await line.drop()
        line = await scene.enter(line, hub=(number + 1) % 2)
        await line.ask("room:join", session_id=session_id)
    assert (await send(line, session_id, LAST))["status"] in WITHHELD
    await nobody_has_the_whole_number(host)


async def test_a_number_in_pieces_over_two_lines_on_two_hubs(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    lines = [guest, await scene.enter(guest, hub=1)]
    await lines[1].ask("room:join", session_id=session_id)
    for number, piece in enumerate(PIECES):
        sent = await send(lines[number % 2], session_id, piece)
        for line in lines if sent["status"] == "sent" else ():
            await heard(line, sent["id"])
    assert (await send(lines[1], session_id, LAST))["status"] in WITHHELD
    await nobody_has_the_whole_number(host)


async def test_a_number_in_pieces_at_once_over_two_lines_of_one_hub(scene: Scene) -> None:
    """No piece waits for the answer to another."""
    guest, host, session_id = await scene.couple()
    twin = await scene.enter(guest, hub=0)
    await twin.ask("room:join", session_id=session_id)
    pieces = ("06", "12", "34", "56", "78")
    answers = await asyncio.gather(
        *(send((guest, twin)[number % 2], session_id, piece) for number, piece in enumerate(pieces))
    )
    assert [answer["status"] for answer in answers].count("sent") < len(pieces)
    await nobody_has_the_whole_number(host, most=len(pieces) - 1)


async def nobody_has_the_whole_number(host: Visitor, most: int = len(PIECES)) -> None:
    """The other side has heard the pieces before the last, once everything that was told has arrived."""
    session_id = next(iter(body["session_id"] for name, body in host.heard if name == "chat:message"))
    mark = await host.ask("chat:send", session_id=session_id, client_id="end", text="are you there?")
    await heard(host, mark["id"])
    theirs = [message for message in said(host) if message["from"]["id"] != host.id]
    assert 0 < len(theirs) <= most


# Ordinary talk.

ORDINARY = (
    "I grew up in Scunthorpe, near Penistone",
    "my therapist says I should assess it myself",
    "the sexual trauma of my childhood still hurts",
    "in Essex, Sussex and Middlesex they say cockpit",
    "I took a class on Shakespeare and analysis",
    "Dick Whittington and his cat",
    "the grapeseed oil and the shiitake",
    "he killed it on stage, I could have died laughing",
    "I would kill for a coffee right now",
    "my cat died on 12 March 2019, at 4 in the afternoon",
    "it was 2,000 mg a day, for 15 weeks, then 500",
    "I paid off my mortgage with 20 years to go",
    "she was born at 7:45 on the 3rd of June 1984",
    "my aunt's cocktail bar in Clitheroe",
    "ma m\u00e8re est morte en 2015, j'avais 32 ans",
    "je me suis con-centr\u00e9 sur la s\u00e9ance",
    "le 14 juillet \u00e0 18 h 30, comme chaque ann\u00e9e",
    "3 + 4 = 7, and 1 2 3 4 5 is how I count to calm down",
)


async def test_ordinary_talk_is_delivered_and_nobody_is_accused(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    answers = {text: (await send(guest, session_id, text))["status"] for text in ORDINARY}
    assert {text for text, status in answers.items() if status != "sent"} == set()
    await host.hear("chat:message", lambda body: body["text"] == ORDINARY[-1])
    assert [message["text"] for message in said(host)] == list(ORDINARY)
    # Cases of one room come into the queue in order: once this one is there, so is any other.
    await send(host, session_id, "some days I want to die")

    async def flagged() -> bool:
        return "distress" in [flag["category"] for flag in await flags_of(scene, session_id)]

    await until(flagged, "the last message was never flagged")
    # So much in a second is noticed as what it is.
    accused = {
        flag["category"] for flag in await flags_of(scene, session_id) if str(flag["user_id"]) == guest.id
    }
    assert accused <= {"spam"}


# Texts that are work.


async def test_the_worst_texts_are_answered_and_so_is_everybody_else(scene: Scene) -> None:
    attackers = [(await scene.couple())[::2] for _ in range(3)]
    guest, host, session_id = await scene.couple()
    since = host.mark
    for name, text in HOSTILE.items():
        attack = asyncio.gather(*(hurled(who, their, text) for who, their in attackers))
        ordinary = await send(guest, session_id, f"meanwhile, {name}")
        assert ordinary["status"] == "sent", name
        answers = await attack
        assert {answer["ok"] for answer in answers} == {True}, (name, answers)
    await host.hear("chat:message", lambda body: body["text"] == f"meanwhile, {name}", since=since)
    assert [message["seq"] for message in said(host, since)] == list(range(1, len(HOSTILE) + 1))
    assert not any(who.ended.is_set() for who, _ in attackers)


async def hurled(who: Visitor, session_id: str, text: str) -> Json:
    """A blank text is refused by contract; anything else has to be answered with what became of it."""
    body = {"session_id": session_id, "client_id": f"c{next(_names)}", "text": text}
    answer = await who.answer("chat:send", body)
    if not text.strip():
        assert answer["error"]["code"] == "bad_request"
        return {"ok": True}
    return answer
