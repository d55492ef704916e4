"""An export in the contract's words, and how its person hears of it: on whichever hub, in their language."""

import msgspec
import structlog
from msgspec import UNSET, Struct
from redis.exceptions import RedisError

from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from hub.outbound import ExportProgress
from hub.words import WORDS
from rooms.ids import UserId
from store.postgres.exports import State
from store.redis.notices import EXPORT, Notices

log = structlog.get_logger()

EVENT = "export:progress"
__all__ = ["EXPORT", "hear", "progress", "tell"]


class _OnItsWay(Struct, frozen=True):
    """The news between hubs."""

    export_id: str
    state: State
    progress_permille: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_OnItsWay).decode


def progress(permille: int) -> float:
    """0 to 1, as the contract has it."""
    return permille / 1000


async def tell(
    notices: Notices, person_id: UserId, export_id: str, state: State, progress_permille: int
) -> None:
    """To every socket of the person. While the live store is away nobody hears; the record knows it."""
    try:
        await notices.tell(person_id, _encode(_OnItsWay(export_id, state, progress_permille)), kind=EXPORT)
    except (RedisError, OSError) as error:
        log.warning("export.not_told", export=export_id, error=type(error).__name__)


def hear(connections: list[Connection], payload: bytes) -> None:
    """The news came over a person's channel: pass it on to their sockets here."""
    told = _decode(payload)
    for connection in connections:
        message = WORDS[connection.language].exports.get(told.state)
        body = ExportProgress(
            export_id=told.export_id,
            state=told.state,
            progress=progress(told.progress_permille),
            message=UNSET if message is None else message,
        )
        deliver(frame(EVENT, msgspec.json.encode(body)), [connection])
