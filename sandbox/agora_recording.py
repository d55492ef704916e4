"""Agora's cloud recording: one recorder a channel and uid, a resource that starts once, notices of it all."""

import secrets
from typing import Any, Final

from aiohttp import web

from sandbox.agora_notices import Notices
from sandbox.clock import Clock
from sandbox.state import Json, Store

RESOURCE_LASTS_S: Final = 300
RUNNING_HOURS_MAX: Final = 720
STARTS: Final = frozenset(
    {
        "token",
        "recordingConfig",
        "recordingFileConfig",
        "snapshotConfig",
        "storageConfig",
        "extensionServiceConfig",
    }
)
STORAGE: Final = frozenset(
    {"vendor", "region", "bucket", "accessKey", "secretKey", "fileNamePrefix", "extensionParams"}
)
MODES: Final = frozenset({"individual", "mix", "web"})
PRODUCT: Final = 3
CLOUD, RECORDER, UPLOADER = 0, 1, 2
"""Which of Agora's parts a notice comes from."""


class Recordings:
    """The endpoints below `cloud_recording`, and what becomes of a recorder who is put out of a channel."""

    def __init__(self, store: Store, clock: Clock, notices: Notices) -> None:
        self._store, self._clock, self._notices = store, clock, notices

    async def acquire(self, request: web.Request) -> web.StreamResponse:
        """Reserve a recording resource for a channel and a uid."""
        body = await request.json()
        wanted = body.get("clientRequest")
        if not body.get("cname") or not str(body.get("uid", "")).isdecimal() or not isinstance(wanted, dict):
            return refused(2, "cname, a numeric uid and clientRequest are needed")
        if not 1 <= wanted.get("resourceExpiredHour", 72) <= RUNNING_HOURS_MAX:
            return refused(2, "Acquire: invalid resourceExpiredHour value!")
        resource = secrets.token_urlsafe(48)
        self._store.put(
            "recording",
            resource,
            {
                "resourceId": resource,
                "app": request.match_info["app"],
                "cname": body["cname"],
                "uid": str(body["uid"]),
                "sid": None,
                "acquired_s": self._clock.now_s(),
                "state": "acquired",
                "sequence": 0,
            },
        )
        return web.json_response({"cname": body["cname"], "uid": str(body["uid"]), "resourceId": resource})

    async def start(self, request: web.Request) -> web.StreamResponse:
        """Start recording; a resource starts once, within five minutes."""
        body, recording = await request.json(), self._store.get("recording", request.match_info["resource"])
        if recording is None:
            return refused(432, "the resource is none of this app's")
        if recording["state"] != "acquired":
            return refused(7, "the recording is already running")
        if self._clock.now_s() - recording["acquired_s"] > RESOURCE_LASTS_S:
            return refused(433, "the resource has expired")
        if (why := _wrong(request.match_info["mode"], body, recording)) is not None:
            return refused(2, why)
        same = [one for one in self._running() if _place(one) == _place(recording)]
        if same:
            return refused(53, "this uid records in this channel already")
        started = recording | {
            "sid": secrets.token_hex(16),
            "state": "recording",
            "started_ms": self._clock.now_ms(),
            "prefix": "/".join(body["clientRequest"].get("storageConfig", {}).get("fileNamePrefix", [])),
        }
        if self._notices.is_out(started["cname"], int(started["uid"])):
            # It begins, and finds that it may not join.
            self._end(started, leave_code=1)
        else:
            self._tell(started, 40, RECORDER, {"msgName": "recorder_started", "status": 0})
        return web.json_response(_named(started))

    async def query(self, request: web.Request) -> web.StreamResponse:
        """How a running recording stands."""
        recording = self._asked_for(request)
        if recording is None:
            return refused(404, "failed to find worker", status=404)
        answer = {
            "status": 5,
            "fileListMode": "json",
            "fileList": _files(recording),
            "sliceStartTime": recording["started_ms"],
        }
        return web.json_response(_named(recording) | {"serverResponse": answer})

    async def stop(self, request: web.Request) -> web.StreamResponse:
        """Stop a recording. Its files are listed at once, or with `async_stop` in a notice alone."""
        body, recording = await request.json(), self._asked_for(request)
        if recording is None:
            return refused(404, "failed to find worker", status=404)
        if (str(body.get("cname")), str(body.get("uid"))) != (recording["cname"], recording["uid"]):
            return refused(432, "cname and uid must be those of the acquire")
        self._end(recording, leave_code=2)
        if body.get("clientRequest", {}).get("async_stop"):
            return web.json_response(_named(recording) | {"serverResponse": {}})
        answer = {"fileListMode": "json", "fileList": _files(recording), "uploadingStatus": "uploaded"}
        return web.json_response(_named(recording) | {"serverResponse": answer})

    def put_out(self, channel: str, uid: int) -> None:
        """A rule keeps somebody out of a channel: a recorder there is over."""
        for one in self._running():
            if one["cname"] == channel and int(one["uid"]) == uid:
                self._end(one, leave_code=1)

    def all(self) -> list[Json]:
        """Every resource with what became of it."""
        return list(self._store.all("recording"))

    def _running(self) -> list[Json]:
        return [one for one in self._store.all("recording") if one["state"] == "recording"]

    def _asked_for(self, request: web.Request) -> Json | None:
        recording = self._store.get("recording", request.match_info["resource"])
        if recording is None or recording["state"] != "recording":
            return None
        return recording if recording["sid"] == request.match_info["sid"] else None

    def _end(self, recording: Json, *, leave_code: int) -> None:
        over = recording | {"state": "stopped"}
        over = self._tell(over, 41, RECORDER, {"msgName": "recorder_leave", "leaveCode": leave_code})
        listed = {"msgName": "uploaded", "status": 0, "fileList": _files(recording)}
        over = self._tell(over, 31, UPLOADER, listed)
        self._tell(over, 11, CLOUD, {"msgName": "session_exit", "exitStatus": 0})

    def _tell(self, recording: Json, kind: int, service: int, details: Json) -> Json:
        payload = {
            "cname": recording["cname"],
            "uid": recording["uid"],
            "sid": recording["sid"],
            "sequence": recording["sequence"],
            "sendts": self._clock.now_ms(),
            "serviceType": service,
            "serviceScene": "CloudRecording",
            "details": details,
        }
        self._notices.send({"productId": PRODUCT, "eventType": kind, "payload": payload})
        after = recording | {"sequence": recording["sequence"] + 1}
        self._store.put("recording", recording["resourceId"], after)
        return after


def refused(code: int, reason: str, status: int = 400) -> web.Response:
    """A no, as Agora says it."""
    return web.json_response({"code": code, "reason": reason, "message": reason}, status=status)


def _wrong(mode: str, body: Json, recording: Json) -> str | None:
    """Why a start is not as documented, if so."""
    request = body.get("clientRequest")
    if mode not in MODES:
        return "mode is one of individual, mix, web"
    if body.get("cname") != recording["cname"] or str(body.get("uid")) != recording["uid"]:
        return "cname and uid must be those of the acquire"
    if not isinstance(request, dict) or request.keys() - STARTS:
        return "clientRequest has a field that is not known"
    store: Any = request.get("storageConfig")
    if store is None:
        return None
    if not isinstance(store, dict) or store.keys() - STORAGE:
        return "storageConfig has a field that is not known"
    if type(store.get("vendor")) is not int or type(store.get("region")) is not int:
        return "vendor and region are numbers"
    if not all(store.get(key) for key in ("bucket", "accessKey", "secretKey")):
        return "bucket, accessKey and secretKey are needed"
    folders = store.get("fileNamePrefix", [])
    if not all(isinstance(one, str) and one.isalnum() for one in folders) or len("".join(folders)) > 128:
        return "folders are of letters and digits alone, 128 of them at most"
    return None


def _place(recording: Json) -> tuple[str, str]:
    return recording["cname"], recording["uid"]


def _named(recording: Json) -> Json:
    return {key: recording[key] for key in ("resourceId", "sid", "cname", "uid")}


def _files(recording: Json) -> list[Json]:
    name = f"{recording['sid']}_{recording['cname']}.m3u8"
    return [
        {
            "fileName": f"{recording['prefix']}/{name}" if recording.get("prefix") else name,
            "trackType": "audio_and_video",
            "uid": "0",
            "mixedAllUser": True,
            "isPlayable": True,
            "sliceStartTime": recording["started_ms"],
        }
    ]
