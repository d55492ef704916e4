"""One paid session, played by two real clients against a running hub and told as it happens: `make demo`.

Reads the addresses from `DATA_DIR/env`. Every promise on the way is checked; the first one that is broken
ends the demo with exit code 1 and the reason. New people are made each time, so demos may run side by side.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final

import aiohttp
import socketio

from sandbox.environment import read_env
from sandbox.telling import Broken, Teller, money, promised, seconds
from sandbox.visitor import Json, LineLost, NotHeard, Refused, Visitor

PACE_S: Final = 2.0
"""Between two things that people say."""
AWAY_S: Final = 6.0
TOGETHER_S: Final = 7.0
WHOLE_S: Final = 180.0
CAP_MINOR: Final = 900
MINUTE_MS: Final = 60_000


class Play:
    """The session, act by act."""

    def __init__(self, hub: str, sandbox: str, http: aiohttp.ClientSession) -> None:
        self.hub, self.sandbox, self.http = hub, sandbox, http
        self.tell = Teller()
        self.lines: list[Visitor] = []
        self.session_id = ""
        self.seen: list[int] = []

    async def run(self) -> None:
        """All acts in order."""
        self.guest, self.host = await self.sign_in("guest"), await self.sign_in("practitioner")
        await self.find()
        await self.request()
        await self.join()
        await self.talk()
        await self.lose_the_line()
        await self.come_back()
        await self.end()
        await self.read_the_record()

    async def close(self) -> None:
        """Let every line go."""
        for line in self.lines:
            await line.leave()

    async def sign_in(self, role: str) -> Visitor:
        """A new person, signed in by password as the page does it, with a line to the hub."""
        people = await self.outside("POST", "/control/people", {"role": role, "count": 1})
        (person,) = people
        credentials = {"email": person["email"], "password": person["password"]}
        signed_in = await self.outside("POST", "/auth/v1/token?grant_type=password", credentials)
        line = await self.connect({**person, "access_token": signed_in["access_token"]})
        self.tell(role, f"{line.name} signs in and connects")
        return line

    async def connect(self, person: Json) -> Visitor:
        """A line to the hub."""
        line = Visitor(self.hub, person)
        self.lines.append(line)
        return await line.connect()

    async def find(self) -> None:
        """The practitioner goes online, and the guest sees it at once."""
        await self.guest.ask("directory:watch")
        shown = await self.host.ask("practitioner:online")
        promised(shown["status"] == "online", "the practitioner could not go online")
        self.tell("practitioner", "goes online")
        await self.guest.hear("directory:changed", lambda b: b == {"id": self.host.id, "status": "online"})
        entry = await self.guest.get(f"/v1/practitioners/{self.host.id}")
        rate = money(entry["rate_minor_per_minute"])
        self.tell("guest", f"sees {entry['name']} online: “{entry['headline']}”, {rate} a minute")
        await asyncio.sleep(PACE_S)

    async def request(self) -> None:
        """The guest asks; the hold is placed before it rings; the practitioner accepts."""
        self.tell("guest", f"asks for a session, {money(CAP_MINOR)} at most")
        asked = await self.guest.ask(
            "session:request", practitioner_id=self.host.id, request_id="demo", cap_minor=CAP_MINOR
        )
        self.session_id = asked["session"]["id"]
        promised(asked["session"]["price"]["cap_minor"] == CAP_MINOR, "the cap is not what was asked for")
        offered = await self.host.hear("session:offered")
        promised(offered["guest"]["id"] == self.guest.id, "the request rings for somebody else's guest")
        (intent,) = await self.payments()
        promised(intent["status"] == "requires_capture", "it rang without a hold")
        self.tell("Stripe", f"holds {money(intent['amount'])} on the guest's card; nothing is charged")
        self.tell("practitioner", f"is offered the session: {offered['guest']['name']} is calling")
        await asyncio.sleep(PACE_S)
        await self.host.ask("session:accept", session_id=self.session_id)
        await self.guest.state(self.session_id, "waiting")
        self.tell("practitioner", "accepts; the room is open")

    async def join(self) -> None:
        """Both enter and get their places in one media channel; from here on the meter runs."""
        places = []
        for role, line in (("guest", self.guest), ("practitioner", self.host)):
            joined = await line.ask("room:join", session_id=self.session_id)
            media = joined["media"]
            places.append((media["channel"], media["uid"]))
            self.tell(role, f"joins; media by {media['provider']}, place {media['uid']} in the channel")
        promised(places[0][0] == places[1][0], "the two have different media channels")
        promised(places[0][1] != places[1][1] and 0 not in (places[0][1], places[1][1]), "a place is wrong")
        await self.guest.state(self.session_id, "live")
        meter = await self.guest.hear("meter:update", lambda body: body["running"])
        paid = meter["funded_ms"] // 1000
        self.tell("hub", f"both are here: live. The meter runs; {paid} s are paid for")

    async def talk(self) -> None:
        """A few words each way."""
        await self.say(self.guest, "Hello. I have slept badly for a week.")
        await self.say(self.host, "I am glad you called. Where do you feel it?")
        await self.say(self.guest, "In the shoulders, mostly.")

    async def say(self, line: Visitor, text: str) -> None:
        """Say something; it is heard by both."""
        number = len(self.seen) + 1
        sent = await line.ask("chat:send", session_id=self.session_id, client_id=f"c{number}", text=text)
        self.seen.append(sent["seq"])
        role = "guest" if line.id == self.guest.id else "practitioner"
        self.tell(role, f"says no. {sent['seq']}: {text}")
        for listener in (self.guest, self.host):
            if not listener.ended.is_set():
                await listener.hear("chat:message", lambda body: body["seq"] == sent["seq"])
        await asyncio.sleep(PACE_S)

    async def lose_the_line(self) -> None:
        """The guest's transport is gone; the meter stands still while the practitioner goes on talking."""
        since = self.host.mark
        await self.guest.drop()
        self.tell("guest", "loses the line: the transport breaks, without a goodbye")
        await self.host.hear("room:presence", lambda body: not body["present"], since=since)
        meter = await self.host.hear("meter:update", lambda body: not body["running"], since=since)
        self.tell("hub", f"paused; the meter stands at {seconds(meter['billed_ms'])}, the last proof of both")
        await self.say(self.host, "You are gone; take your time.")
        await self.say(self.host, "When you are back, breathe out slowly.")
        await asyncio.sleep(AWAY_S - 2 * PACE_S)

    async def come_back(self) -> None:
        """On a new line, with the last number seen: exactly what was missed, in order."""
        last = self.seen[-3]
        old = self.guest
        self.guest = await self.connect({"id": old.id, "name": old.name, "access_token": old.token})
        joined = await self.guest.ask("room:join", session_id=self.session_id, after_seq=last)
        missed = [message["seq"] for message in joined["messages"]]
        promised(missed == [last + 1, last + 2], f"after no. {last} came {missed}")
        self.tell("guest", f"is back with “no. {last} was my last”, and gets no. {missed[0]} and {missed[1]}")
        promised(joined["session"]["state"] == "live", "the session did not go on")
        self.tell("hub", "both are here again; the meter goes on where it stood")
        await self.say(self.guest, "I am here again.")
        await asyncio.sleep(TOGETHER_S)

    async def end(self) -> None:
        """The guest ends it for both; record and charge are made together."""
        ended = await self.guest.ask("session:end", session_id=self.session_id)
        self.tell("guest", f"ends the session after {seconds(ended['meter']['billed_ms'])} together")
        await self.host.state(self.session_id, "ended")
        await self.guest.state(self.session_id, "settled")
        await self.host.state(self.session_id, "settled")
        self.tell("hub", "settled: transcript, time and charge are on record, once")

    async def read_the_record(self) -> None:
        """The receipt, interval by interval, and whether it all adds up."""
        receipt = await self.guest.get(f"/v1/sessions/{self.session_id}/receipt")
        spans = [(span["from_ms"], span["to_ms"]) for span in receipt["intervals"]]
        promised(len(spans) == 2, f"one line was lost once, and there are {len(spans)} intervals")
        self.tell.intervals(spans)
        promised(spans[1][0] - spans[0][1] > AWAY_S * 500, "time without the guest was billed")
        together_ms = sum(to_ms - from_ms for from_ms, to_ms in spans)
        due = (2 * together_ms * receipt["rate_minor_per_minute"] + MINUTE_MS) // (2 * MINUTE_MS)
        promised(receipt["billed_ms"] == together_ms, "the billed time is not the sum of the intervals")
        promised(
            receipt["total_minor"] == due, f"{money(due)} are due, {money(receipt['total_minor'])} charged"
        )
        self.tell("hub", f"{seconds(together_ms)} at {money(receipt['rate_minor_per_minute'])} a minute")
        (intent,) = await self.payments()
        promised(intent["amount_received"] == due, "Stripe took something else than the receipt says")
        self.tell("Stripe", f"charged {money(due)}, and released {money(intent['amount'] - due)} of the hold")
        theirs = await self.host.get(f"/v1/sessions/{self.session_id}/receipt")
        promised(theirs["fee_minor"] + theirs["practitioner_minor"] == due, "the two parts are not the whole")
        self.tell("practitioner", f"earns {money(theirs['practitioner_minor'])} of it")
        transcript = await self.host.get(f"/v1/sessions/{self.session_id}/transcript")
        numbers = [message["seq"] for message in transcript["messages"]]
        promised(numbers == self.seen == list(range(1, len(numbers) + 1)), f"the numbers are {numbers}")
        promised(transcript["head"] == receipt["transcript_head"], "the chain's head is not the receipt's")
        self.tell("hub", f"{len(numbers)} messages, none lost, none twice; chain {transcript['head'][:16]}…")

    async def payments(self) -> list[Json]:
        """What Stripe has of the session."""
        path = f"/control/stripe/payment_intents?session_id={self.session_id}"
        found: list[Json] = await self.outside("GET", path)
        return found

    async def outside(self, method: str, path: str, body: Json | None = None) -> Any:
        """Ask the sandbox. Raises Broken when it refuses."""
        async with self.http.request(method, f"{self.sandbox}{path}", json=body) as response:
            answer = await response.json()
            promised(response.status == 200, f"the sandbox refuses {path}: {answer}")
            return answer


async def play(hub: str, sandbox: str) -> None:
    """Play it once. Raises Broken and what clients raise."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{hub}/readyz") as response:
            promised(response.status == 200, f"the hub at {hub} is not ready")
        acts = Play(hub, sandbox, http)
        try:
            async with asyncio.timeout(WHOLE_S):
                await acts.run()
        finally:
            await acts.close()


def main() -> int:
    """Exit code 0 when everything was as promised."""
    data_dir = Path(os.environ.get("DATA_DIR") or ".data")
    settings = read_env(data_dir / "env")
    if not {"PUBLIC_URL", "SUPABASE_URL"} <= settings.keys():
        print(
            f"no hub has run on {data_dir}: start one with `make run`, or name its DATA_DIR", file=sys.stderr
        )
        return 1
    hub = settings["PUBLIC_URL"]
    try:
        asyncio.run(play(hub, settings["SUPABASE_URL"]))
    except (aiohttp.ClientConnectionError, socketio.exceptions.ConnectionError):
        print(f"no hub answers at {hub}: start one with `make run`", file=sys.stderr)
    except (Broken, Refused, NotHeard, LineLost, TimeoutError) as error:
        print(f"\nnot as promised: {str(error) or type(error).__name__}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    else:
        print("\nEverything was as promised.")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
