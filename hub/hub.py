"""What handlers are given: everything one hub process is made of, and nothing global."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

import asyncpg

from billing.stripe_gateway import StripeGateway
from config.retention import Period, periods
from hub.disclosing import of_nobody
from hub.drawing import Drawing
from hub.edge.connection import Connection
from hub.follow import Follows
from hub.identity import Identity
from hub.live import Live
from hub.moderation.desk import Desk
from hub.moderation.standards import Standards
from hub.presence import Presence
from hub.safety.block_cache import Blocks
from hub.safety.helplines import Helplines
from hub.safety.judging import Safety
from hub.tasks import Job
from hub.watchers import Watchers
from hub.workers.roles import Roles
from rooms.bookings.times import Times
from rooms.errors import InDoubt
from rooms.ids import HubId, UserId
from rooms.media import AgoraApp
from rooms.room import Limits
from store.privacy.keys import Keyring
from store.privacy.retention import Ages
from store.privacy.vendors import VendorId
from store.redis.allowances import Allowances
from store.redis.chat import Chat
from store.redis.directory import Directory
from store.redis.held import Held
from store.redis.moderation import Moderation
from store.redis.notices import Notices
from store.redis.people import People


class Incarnation:
    """Which start of the hub this is. A fenced hub begins anew under another id.

    While the store was away and what it still knows is not compared yet, the hub is `in_doubt`: it writes
    nothing that would take the place of what may have to be put back.
    """

    def __init__(self, first: HubId) -> None:
        self.id = first
        self.in_doubt = False

    def __call__(self) -> HubId:
        """The id right now."""
        return self.id

    def writing(self) -> HubId:
        """The id, for a write. Raises InDoubt."""
        if self.in_doubt:
            raise InDoubt
        return self.id


async def to_nobody(_channel: str) -> None:
    """Where there is only one hub, nobody else needs to hear."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a request is made of beside the practitioner's own terms.

    `hold_minutes` is how much paid time one hold covers, `transfer_delay_ms` how long the practitioner's part
    waits; `hold_ack_s` is how long a request waits for its hold before it answers `pending`; `return_url` is
    where a guest comes back to from their bank.
    """

    limits: Limits
    fee_bps: int
    hold_minutes: int
    transfer_delay_ms: int
    hold_ack_s: float
    environment: str
    return_url: str
    times: Times = field(default_factory=Times)
    """The times around a booking."""
    live_join_ms: int = 900_000
    """How long a live room waits for its host."""


@dataclass(frozen=True, slots=True)
class Filing:
    """What limits reports: how many a person may file an hour, 0 for any, and how long evidence is kept."""

    allowances: Allowances
    per_hour: int
    keep_ms: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is answered at once."""

    join_messages: int
    catch_up_messages: int
    history_messages: int
    directory_page: int


@dataclass(frozen=True, slots=True)
class Hub:
    """One hub process, as its handlers see it.

    `observe_ms` is how long a moderator reads along at most.
    Of one session a single admin refunds up to `refund_alone_minor`; beyond that a second one approves.
    """

    here: Incarnation
    identity: Identity
    pool: asyncpg.Pool
    keyring: Keyring
    live: Live
    chat: Chat
    held: Held
    safety: Safety
    notices: Notices
    helplines: Helplines
    people: People
    directory: Directory
    follows: Follows
    presence: Presence
    watchers: Watchers
    moderation: Moderation
    standards: Standards
    desk: Desk
    blocks: Blocks
    filing: Filing
    observe_ms: int
    offer: Offer
    stripe: StripeGateway
    roles: Roles | None
    refund_alone_minor: int
    sizes: Sizes
    agora: AgoraApp | None
    media_longest_ms: int
    now_ms: Callable[[], int]
    epoch: Callable[[], str]
    sockets_of: Callable[[UserId], Collection[Connection]]
    spawn: Callable[[str, Job], None]
    announce: Callable[[str], Awaitable[None]] = to_nobody
    disclose: Callable[[UserId, VendorId, str], None] = of_nobody
    drawing: Drawing = field(default_factory=Drawing)
    erasure_grace_ms: int = 604_800_000
    """How long somebody may take back that they want to be erased."""
    periods: Mapping[str, Period] = field(default_factory=periods)
    """How long each kind of thing is kept here."""
    exports_per_week: int = 1
    """How many archives of their own data a person may ask for; 0 for any number."""
    records: bool = False
    """Whether there is somewhere to put recordings."""

    def shows(self, table: str, at_ms: int) -> bool:
        """Whether a row of that age is young enough to be shown."""
        return at_ms > self.ages.shown_after_ms(table, self.now_ms())

    @property
    def ages(self) -> Ages:
        """What is too old to be shown."""
        return Ages(self.periods)
