"""Every setting of the hub, typed and checked before anything starts.

`load(environ)` is the only door: it reads a mapping (normally `os.environ`), never the process itself,
and either returns frozen `Settings` or raises one `SettingsError` that names every bad key. Names are the
upper-case names of the fields; units are in the names (`_s`, `_ms`, `_bytes`, `_minor`).
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    DirectoryPath,
    Field,
    PositiveInt,
    Secret,
    SecretStr,
    ValidationError,
    computed_field,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config import addresses, reminding, shapes
from config.pairs import contradictions

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Seconds = Annotated[int, Field(gt=0, le=31_536_000)]
HOLD_MAX_S: Final = 4 * 86_400
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Url = Annotated[str, AfterValidator(addresses.base_url)]
Origin = Annotated[str, AfterValidator(addresses.origin)]
PostgresDsn = Annotated[SecretStr, AfterValidator(shapes.checked(addresses.postgres_dsn))]
RedisUrl = Annotated[SecretStr, AfterValidator(shapes.checked(addresses.redis_url))]
StripeKey = Annotated[SecretStr, AfterValidator(shapes.matching(shapes.STRIPE_KEY))]
StripeWebhookSecret = Annotated[SecretStr, AfterValidator(shapes.matching(shapes.STRIPE_WEBHOOK))]
TwilioSid = Annotated[str, AfterValidator(shapes.shaped(shapes.TWILIO_SID))]
Sender = Annotated[str, AfterValidator(shapes.shaped(shapes.TWILIO_SENDER))]
AgoraId = Annotated[str, AfterValidator(shapes.shaped(shapes.AGORA_ID))]
AgoraCertificate = Annotated[SecretStr, AfterValidator(shapes.matching(shapes.AGORA_ID))]


class SettingsError(Exception):
    """The environment is not fit to start with.

    `problems` maps each bad key to why, in words that never repeat its value; `str()` lists them all.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(sorted(problems.items()))
        lines = [f"  {key}: {why}" for key, why in self.problems.items()]
        super().__init__("\n".join(["bad settings:", *lines]))


class Settings(BaseSettings):
    """The hub's settings. Frozen; secrets show neither in `repr` nor in errors."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False
    )

    # What the hub stands on.
    database_url: PostgresDsn
    database_direct_url: PostgresDsn | None = None
    database_owner_url: PostgresDsn | None = None
    redis_url: RedisUrl
    data_key: Annotated[Secret[bytes], BeforeValidator(shapes.data_key)]
    data_key_previous: Annotated[tuple[Secret[bytes], ...], BeforeValidator(shapes.data_keys)] = ()
    public_url: Origin
    port: Port = 8000
    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = "production"
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(addresses.origins)] = ()
    trusted_proxies: Annotated[tuple[addresses.Network, ...], BeforeValidator(addresses.networks)] = ()

    # Identity.
    supabase_url: Url
    supabase_service_key: SecretStr | None = None
    staff_aal: Literal["aal1", "aal2"] = "aal2"
    token_warning_s: Seconds = 60

    # Stripe.
    stripe_secret_key: StripeKey
    stripe_webhook_secret: StripeWebhookSecret
    stripe_connect_webhook_secret: StripeWebhookSecret
    stripe_api_base: Annotated[str, AfterValidator(partial(addresses.vendor_base, domain="stripe.com"))] = (
        "https://api.stripe.com"
    )
    stripe_timeout_s: Seconds = 10

    # Twilio: without account, token and sender no SMS is sent.
    twilio_account_sid: TwilioSid | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_from: Sender | None = None
    twilio_api_base: Annotated[str, AfterValidator(partial(addresses.vendor_base, domain="twilio.com"))] = (
        "https://api.twilio.com"
    )

    # Reminders of booked sessions: how long before the start, and in which hours of the recipient's day there
    # are none. How many go to numbers with the same first digits, and to one person; 0 lifts a limit.
    reminders: Annotated[str, AfterValidator(reminding.checked_leads)] = "86400,3600,600"
    quiet_hours: Annotated[str, AfterValidator(reminding.checked_hours)] = "21-8"
    sms_per_prefix_per_hour: Count = 100
    sms_per_person_per_day: Count = 30

    # Agora: without app id and certificate media is `peer`.
    agora_app_id: AgoraId | None = None
    agora_app_certificate: AgoraCertificate | None = None
    agora_token_version: Literal["006", "007"] = "007"  # noqa: S105
    agora_token_s: Seconds = 3_600
    agora_webhook_secret: SecretStr | None = None
    agora_customer_id: SecretStr | None = None
    agora_customer_secret: SecretStr | None = None
    agora_recording_vendor: Count | None = None
    agora_recording_region: Count | None = None
    agora_recording_bucket: str | None = None
    agora_recording_access_key: SecretStr | None = None
    agora_recording_secret_key: SecretStr | None = None
    agora_api_base: Annotated[str, AfterValidator(partial(addresses.vendor_base, domain="agora.io"))] = (
        "https://api.agora.io"
    )

    # Sessions.
    reservation_s: Seconds = 30
    ring_s: Seconds = 30
    join_s: Seconds = 60
    live_room_join_s: Seconds = 900
    reconnect_grace_s: Seconds = 120
    action_required_s: Seconds = 300
    hold_ack_s: Seconds = 6
    session_max_s: Seconds = 28_800
    booking_hold_s: Seconds = 3_600
    lobby_opens_s: Seconds = 600
    no_show_s: Seconds = 600
    booking_quiet_s: Seconds = 900
    held_message_s: Seconds = 60
    claim_lease_s: Seconds = 120
    review_held_s: Seconds = 259_200
    waitlist_offer_s: Seconds = 60
    waitlist_s: Seconds = 86_400
    observe_s: Seconds = 900

    # Moderation. `rules_dir` holds the rule book of chat, if it is not the hub's own. What counts against a
    # person halves every so many days; what decisions were made on is kept for `evidence_days`.
    rules_dir: DirectoryPath | None = None
    strike_half_life_days: Annotated[int, Field(gt=0, le=3_650)] = 90
    strikes_to_suggest_suspension: Annotated[int, Field(gt=0, le=1_000)] = 4
    appeal_days: Annotated[int, Field(gt=0, le=365)] = 30
    evidence_days: Annotated[int, Field(gt=0, le=3_650)] = 180

    # Audit: how often the chain's head is signed, and after how many entries at the latest.
    audit_head_s: Seconds = 60
    audit_head_entries: Annotated[int, Field(gt=0, le=100_000)] = 1_000

    # Proof of presence.
    ping_interval_s: Seconds = 5
    ping_timeout_s: Seconds = 5
    heartbeat_s: Seconds = 1
    hub_dead_s: Seconds = 5
    checkpoint_s: Seconds = 3
    drain_s: Seconds = 20

    # Money.
    platform_fee_bps: BasisPoints = 2_000
    hold_minutes: Annotated[int, Field(gt=0, le=480)] = 10
    extend_at_percent: Annotated[int, Field(gt=0, lt=100)] = 80
    transfer_delay_s: Count = 259_200
    refund_two_people_minor: Annotated[int, Field(ge=0, le=100_000_000)] = 10_000
    fraud_rules: str | None = None

    # Erasure: how long it can be taken back. The vendors are told within ten days of the wish, so no longer.
    erasure_grace_s: Annotated[int, Field(ge=0, le=864_000)] = 604_800

    # Retention: a file of periods in place of the one that comes with the hub.
    retention_file: str | None = None

    # Exports of a person's own data: how long one can be had, and how long its worker may be silent.
    export_keep_s: Seconds = 86_400
    export_lease_s: Seconds = 30

    # Sizes.
    frame_max_bytes: Annotated[int, Field(ge=1_024, le=1_048_576)] = 16_384
    join_messages: PositiveInt = 50
    catch_up_max_messages: PositiveInt = 500
    history_max_messages: PositiveInt = 200
    outbound_max_bytes: PositiveInt = 1_048_576

    # Limits. 0 lifts one.
    events_per_second: Count = 50
    events_burst: Count = 200
    chat_per_second: Count = 5
    chat_burst: Count = 10
    sockets_per_person: Count = 5
    reports_per_hour: Count = 10
    exports_per_week: Count = 1
    authenticate_s: Seconds = 5
    connects_per_minute_per_address: Count = 10

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what `load` passes and nothing else, so that a test's settings are all of its settings."""
        return (init_settings,)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def issuer(self) -> str:
        """The exact `iss` of an access token."""
        return f"{self.supabase_url}/auth/v1"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def jwks_url(self) -> str:
        """Where the issuer publishes its keys."""
        return f"{self.issuer}/.well-known/jwks.json"

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins whose pages may connect: the page's own, and those allowed beside it."""
        return tuple(dict.fromkeys((self.public_url, *self.allowed_origins)))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of those pages, which people may link to in a chat."""
        return tuple(dict.fromkeys(urlsplit(origin).hostname or "" for origin in self.origins))

    @property
    def livemode(self) -> bool:
        """Whether Stripe's key moves real money; every Stripe event must say the same."""
        return shapes.is_live(self.stripe_secret_key.get_secret_value())

    @property
    def sms(self) -> bool:
        """Whether messages can be sent by Twilio."""
        return self.twilio_account_sid is not None

    @property
    def media(self) -> Literal["agora", "peer"]:
        """Who carries audio and video."""
        return "agora" if self.agora_app_id is not None else "peer"


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from an environment; keys it does not know are left alone.

    Raises `SettingsError` naming every key that is missing, empty, malformed or at odds with another.
    """
    given = {name: environ[name.upper()] for name in Settings.model_fields if name.upper() in environ}
    values: dict[str, Any] = {name: text for name, text in given.items() if text.strip()}
    problems = {name.upper(): "is empty: give it a value or leave it out" for name in given.keys() - values}
    for key, why in contradictions(environ).items():
        problems.setdefault(key, why)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            problems.setdefault(str(detail["loc"][0]).upper(), _why(detail["type"], detail["msg"]))
        raise SettingsError(problems) from None
    if settings.heartbeat_s >= settings.hub_dead_s:
        problems["HUB_DEAD_S"] = "must be greater than HEARTBEAT_S"
    if settings.lobby_opens_s > settings.booking_hold_s:
        problems["LOBBY_OPENS_S"] = "must not be greater than BOOKING_HOLD_S"
    if settings.booking_hold_s > HOLD_MAX_S:
        # A card's hold lasts for five to seven days, and has to outlive the session.
        problems["BOOKING_HOLD_S"] = f"must not be greater than {HOLD_MAX_S}"
    if problems:
        raise SettingsError(problems)
    return settings


def _why(kind: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    return message.removeprefix("Value error, ")
