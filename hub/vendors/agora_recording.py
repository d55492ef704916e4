"""Agora's cloud recording: `acquire` → `start` → `query` → `stop`, each of which may lose its answer.

Acquired twice, one of two resources is never used. A start is repeated with the same resource, which records
once at most. A stop of what is over already is none.
https://docs.agora.io/en/cloud-recording/reference/restful-api
"""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct

from hub.vendors.asking import Vendor, VendorRefused, VendorUnavailable

RESOURCE_HOURS: Final = 24
IDLE_S: Final = 30
"""Without anybody in the channel for this long the recorder leaves by itself, whoever died here."""
FILES_MAX: Final = 100
AUDIO_AND_VIDEO: Final = 2

RUNNING: Final = frozenset({7, 53})
"""Codes of a start: this resource records already, or did."""
EXPIRED: Final = frozenset({432, 433})
PASSING: Final = frozenset({62, 65})
OVER: Final = frozenset({49, 404, 501})


class AlreadyStarted(Exception):
    """The resource was used: an earlier start went through, and its answer with the `sid` was lost."""


class ResourceExpired(Exception):
    """The resource was not used within five minutes and is worth nothing any more."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where Agora puts the files; vendor and region are Agora's own numbers."""

    vendor: int
    region: int
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class File(Struct, frozen=True):
    """A file that a recording made: its name, what is in it, and when it begins."""

    name: str
    track_type: str | None = None
    begins_at_ms: int | None = None


class _Acquired(Struct, frozen=True):
    resource_id: str = msgspec.field(name="resourceId")


class _Started(Struct, frozen=True):
    sid: str


class CloudRecording:
    """The recorder of one Agora app. All calls raise VendorUnavailable or VendorRefused."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        base: str,
        app_id: str,
        customer_id: str,
        customer_secret: str,
        storage: Storage,
    ) -> None:
        self._root = f"/v1/apps/{quote(app_id, safe='')}/cloud_recording"
        self._storage = storage
        basic = b64encode(f"{customer_id}:{customer_secret}".encode()).decode()
        self._vendor = Vendor(http, base, {"Authorization": f"Basic {basic}"})

    async def acquire(self, channel: str, uid: int) -> str:
        """A resource for one recording, to be used within five minutes."""
        wanted = {"resourceExpiredHour": RESOURCE_HOURS, "scene": 0}
        body = {"cname": channel, "uid": str(uid), "clientRequest": wanted}
        try:
            answer = await self._vendor.ask("POST", f"{self._root}/acquire", body)
            return msgspec.convert(answer, _Acquired).resource_id
        except VendorRefused as error:
            raise _passing(error) from None
        except msgspec.ValidationError:
            raise VendorUnavailable("the answer is not as documented") from None

    async def start(self, resource_id: str, channel: str, uid: int, *, token: str, folder: str) -> str:
        """Record everybody in the channel into one file under `folder`, letters and digits; gives the `sid`.

        Raises AlreadyStarted or ResourceExpired as well.
        """
        store = self._storage
        request = {
            "token": token,
            "recordingConfig": {
                "channelType": 0,
                "streamTypes": AUDIO_AND_VIDEO,
                "maxIdleTime": IDLE_S,
            },
            "recordingFileConfig": {"avFileType": ["hls"]},
            "storageConfig": {
                "vendor": store.vendor,
                "region": store.region,
                "bucket": store.bucket,
                "accessKey": store.access_key,
                "secretKey": store.secret_key,
                "fileNamePrefix": ["recordings", folder],
            },
        }
        body = {"cname": channel, "uid": str(uid), "clientRequest": request}
        path = f"{self._root}/resourceid/{quote(resource_id, safe='')}/mode/mix/start"
        try:
            return msgspec.convert(await self._vendor.ask("POST", path, body), _Started).sid
        except VendorRefused as error:
            if error.code in RUNNING:
                raise AlreadyStarted from None
            if error.code in EXPIRED:
                raise ResourceExpired from None
            raise _passing(error) from None
        except msgspec.ValidationError:
            raise VendorUnavailable("the answer is not as documented") from None

    async def query(self, resource_id: str, sid: str) -> list[File] | None:
        """The files so far of a recording that runs; None when Agora finds none that runs just now."""
        try:
            answer = await self._vendor.ask("GET", f"{self._of(resource_id, sid)}/query")
        except VendorRefused as error:
            _require_over(error)
            return None
        return files(answer.get("serverResponse"))

    async def stop(self, resource_id: str, sid: str, channel: str, uid: int) -> bool:
        """End it; False when Agora finds nothing that it could end. Its files are told of later."""
        body = {"cname": channel, "uid": str(uid), "clientRequest": {"async_stop": True}}
        try:
            await self._vendor.ask("POST", f"{self._of(resource_id, sid)}/stop", body)
        except VendorRefused as error:
            _require_over(error)
            return False
        return True

    def _of(self, resource_id: str, sid: str) -> str:
        return f"{self._root}/resourceid/{quote(resource_id, safe='')}/sid/{quote(sid, safe='')}/mode/mix"


def files(told: object) -> list[File]:
    """The files that an answer or a notice lists, in either of Agora's forms; nothing else of it is read."""
    listed: Any = told.get("fileList") if isinstance(told, dict) else None
    if isinstance(listed, str) and listed:
        return [File(listed[:255])]
    if not isinstance(listed, list):
        return []
    return [found for one in listed[:FILES_MAX] if (found := _file(one)) is not None]


def _file(one: object) -> File | None:
    if not isinstance(one, dict) or not isinstance(name := one.get("fileName", one.get("filename")), str):
        return None
    track, begins_at_ms = one.get("trackType"), one.get("sliceStartTime")
    return File(
        name[:255],
        track[:40] if isinstance(track, str) else None,
        begins_at_ms if type(begins_at_ms) is int else None,
    )


def _passing(error: VendorRefused) -> VendorRefused | VendorUnavailable:
    return VendorUnavailable(str(error)) if error.code in PASSING else error


def _require_over(error: VendorRefused) -> None:
    if error.status != 404 and error.code not in OVER:
        raise error
