"""Hubs that die or fall asleep in the middle of a session."""

import time

from tests.faults.caller import until
from tests.faults.scene import scene
from tests.stack import Stack


async def test_killing_the_guests_hub_closes_the_meter_and_the_guest_goes_on_elsewhere(stack: Stack) -> None:
    async with scene(stack) as playing:
        playing.talk()
        await playing.said(6)
        await playing.hush()
        lost = playing.guest.at
        assert lost is not None
        playing.guest.resting = True
        stack.kill(stack.webs[lost])
        killed_s = time.monotonic()
        await until(lambda: playing.state(playing.host) == "paused", "the other hub notices")
        print(f"noticed after {time.monotonic() - killed_s:.1f} s")
        playing.guest.resting = False
        await until(lambda: playing.state(playing.host) == "live", "the guest is back")
        playing.talk()
        await playing.said(6)
        await playing.hush()
        await playing.end()
        record = await playing.settled_once()
        print(record.intervals, record.settlements)
