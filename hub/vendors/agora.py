"""Agora's REST API: who may be in a channel no longer."""

from base64 import b64encode
from typing import Final, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from hub.vendors.asking import Vendor, VendorRefused, VendorUnavailable

T = TypeVar("T")
MINUTES_MAX: Final = 1_440
RULES: Final = "/dev/v1/kicking-rule"


class _Made(Struct, frozen=True):
    id: int
    status: str = ""


class _Rule(Struct, frozen=True):
    id: int
    cname: str = ""
    uid: int | str | None = None


class _Rules(Struct, frozen=True):
    rules: list[_Rule] = []


class AgoraRest:
    """Kicking rules of one Agora app. `base` is the API's address; the customer's id and secret sign in."""

    def __init__(
        self, http: aiohttp.ClientSession, *, base: str, app_id: str, customer_id: str, customer_secret: str
    ) -> None:
        self._app_id = app_id
        basic = b64encode(f"{customer_id}:{customer_secret}".encode()).decode()
        self._vendor = Vendor(http, base, {"Authorization": f"Basic {basic}"})

    async def kick(self, channel: str, uid: int, *, minutes: int) -> int:
        """Put a person out of a channel and keep them out, 1 to 1440 minutes; the rule's number.

        Asked twice, Agora makes two rules: whoever is in doubt looks first with `rule`. Raises
        VendorUnavailable or VendorRefused.
        """
        answer = await self._vendor.ask(
            "POST",
            RULES,
            {
                "appid": self._app_id,
                "cname": channel,
                "uid": uid,
                "time": min(max(1, minutes), MINUTES_MAX),
                "privileges": ["join_channel"],
            },
        )
        return _told(answer, _Made).id

    async def rule(self, channel: str, uid: int) -> int | None:
        """The number of a rule that keeps this person out, if there is one in force. Raises as `kick`."""
        answer = await self._vendor.ask("GET", RULES, query={"appid": self._app_id})
        found = _told(answer, _Rules).rules
        return next((rule.id for rule in found if rule.cname == channel and str(rule.uid) == str(uid)), None)

    async def lift(self, number: int) -> None:
        """Take a rule away, also one that is over or gone. Raises as `kick`."""
        try:
            await self._vendor.ask("DELETE", RULES, {"appid": self._app_id, "id": number})
        except VendorRefused as error:
            if error.status != 404:
                raise


def _told(answer: dict[str, object], kind: type[T]) -> T:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError:
        raise VendorUnavailable("the answer is not as documented") from None
