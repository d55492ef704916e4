"""Supabase Auth's admin API: roles and the end of a sign-in. It needs the project's service key.

It has no call that ends a person's sign-ins by their id; the hub's own revocations do that, and a deleted
person's refresh tokens are worth nothing.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import aiohttp
import msgspec
from msgspec import Struct

from hub.vendors.asking import Vendor, VendorRefused, VendorUnavailable
from rooms.ids import Role, UserId

USERS: Final = "/auth/v1/admin/users"
_ID: Final = re.compile(r"[0-9a-f-]{36}")


class SignIn(Struct, frozen=True):
    """A person as the identity provider has them. `updated_at` is by its clock."""

    id: str
    email: str | None = None
    updated_at: datetime | None = None
    user_metadata: dict[str, object] = {}

    @property
    def name(self) -> str:
        """What they call themselves; may be empty."""
        told = self.user_metadata.get("name")
        return told[:200].strip() if isinstance(told, str) else ""

    def updated_at_s(self) -> int:
        """When they were last changed, Unix seconds; 0 when it is not told."""
        return 0 if self.updated_at is None else int(self.updated_at.timestamp())


class SupabaseAdmin:
    """The people of one Supabase project."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str, service_key: str) -> None:
        headers = {"Authorization": f"Bearer {service_key}", "apikey": service_key}
        self._vendor = Vendor(http, url, headers)

    async def person(self, user_id: UserId) -> SignIn | None:
        """Somebody's sign-in, or None. Raises VendorUnavailable or VendorRefused."""
        try:
            return _told(await self._vendor.ask("GET", _path(user_id)))
        except VendorRefused as error:
            if error.status == 404:
                return None
            raise

    async def set_role(self, user_id: UserId, role: Role) -> SignIn:
        """From now on their tokens carry this role. Repeated, it changes nothing. Raises as `person`."""
        return _told(await self._vendor.ask("PUT", _path(user_id), {"app_metadata": {"role": role}}))

    async def delete(self, user_id: UserId) -> None:
        """Their sign-in and all its refresh tokens are gone; also when they were gone before."""
        try:
            await self._vendor.ask("DELETE", _path(user_id), {"should_soft_delete": False})
        except VendorRefused as error:
            if error.status != 404:
                raise


def _path(user_id: str) -> str:
    # It becomes part of an address, so what is no id goes nowhere.
    if _ID.fullmatch(user_id) is None:
        raise ValueError("not an id")
    return f"{USERS}/{user_id}"


def _told(answer: Mapping[str, object]) -> SignIn:
    try:
        return msgspec.convert(answer, SignIn)
    except msgspec.ValidationError:
        raise VendorUnavailable("the answer is not as documented") from None
