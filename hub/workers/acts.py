"""Finishes what a moderator began on a hub that died, gives back claims that nobody renews, and keeps the
live store's memory of suspensions true, and suspended people away.

Every hub does. What two of them do at once is done once: each step is repeatable.
"""

import structlog

from hub.hub import Hub
from hub.moderation import effects, flagging, suspending
from store.postgres import acts, cases, flags

log = structlog.get_logger()

LEASE_MS = 10_000
TAKEN = 20
LAPSED = 100
TRIES = 8
"""Failures of one action after which a person is told; it is tried on."""
REMEMBER_MS = 30_000


class Acts:
    """The duty of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._remembered_ms = 0

    async def run_once(self) -> int:
        """Gives how many actions were finished and claims given back."""
        hub = self._hub
        now_ms = hub.now_ms()
        if now_ms - self._remembered_ms >= REMEMBER_MS:
            await suspending.remember_all(hub, sockets_of=hub.sockets_of)
            self._remembered_ms = now_ms
        done = 0
        due = await acts.take_due(hub.pool, now_ms=now_ms, lease_until_ms=now_ms + LEASE_MS, limit=TAKEN)
        for action_id, attempts in due.items():
            done += await self._finish(action_id, attempts)
        for flag_id in await flags.reopen_lapsed(hub.pool, now_ms=now_ms, limit=LAPSED):
            await flagging.tell_changed(hub, flag_id)
            done += 1
        return done

    async def _finish(self, action_id: str, attempts: int) -> bool:
        try:
            await effects.carry_out(self._hub, action_id)
        except Exception as error:  # noqa: BLE001  One action's trouble must not hold up all others.
            log.warning("act.unfinished", action=action_id, error=type(error).__name__, attempts=attempts)
            if attempts >= TRIES:
                await self._report(action_id)
            return False
        log.info("act.finished", action=action_id)
        return True

    async def _report(self, action_id: str) -> None:
        action = await acts.action(self._hub.pool, action_id)
        await cases.open_case(
            self._hub.pool,
            "action_not_carried_out",
            session_id=None if action is None else action.session_id,
            detail={},
            now_ms=self._hub.now_ms(),
            subject=action_id,
        )
