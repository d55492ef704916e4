"""Settings as the parts of the hub take them."""

from config.settings import Settings
from hub.edge.limits import Numbers
from hub.hub import Offer, Sizes
from rooms.bookings.times import Times
from rooms.limits import Rate
from rooms.media import AgoraApp
from rooms.room import Limits

DIRECTORY_PAGE = 200
LIFTED = Rate(per_s=1_000_000, burst=1_000_000)
"""A rate that no socket reaches."""


def session_limits(settings: Settings) -> Limits:
    """The times that bind a session, fixed with it when it is requested."""
    return Limits(
        hold_ms=settings.reservation_s * 1000,
        confirm_ms=settings.action_required_s * 1000,
        ring_ms=settings.ring_s * 1000,
        join_ms=settings.join_s * 1000,
        grace_ms=settings.reconnect_grace_s * 1000,
        session_ms=settings.session_max_s * 1000,
        unheard_ms=(settings.ping_interval_s + settings.ping_timeout_s) * 1000,
        extend_percent=settings.extend_at_percent,
    )


def booking_times(settings: Settings) -> Times:
    """The times around a booking."""
    return Times(
        hold_ms=settings.booking_hold_s * 1000,
        lobby_ms=settings.lobby_opens_s * 1000,
        no_show_ms=settings.no_show_s * 1000,
        quiet_ms=settings.booking_quiet_s * 1000,
    )


def edge_numbers(settings: Settings) -> Numbers:
    """The numbers of the edge; a limit of 0 is lifted."""
    per_minute = settings.connects_per_minute_per_address
    return Numbers(
        frame_max_bytes=settings.frame_max_bytes,
        ping_interval_s=settings.ping_interval_s,
        ping_timeout_s=settings.ping_timeout_s,
        authenticate_within_s=settings.authenticate_s,
        write_buffer_max_bytes=settings.outbound_max_bytes,
        events=_events(settings),
        connects=Rate(per_s=per_minute / 60, burst=per_minute) if per_minute else None,
        sockets_per_user=settings.sockets_per_person or 1_000,
        expiring_notice_s=settings.token_warning_s,
    )


def _events(settings: Settings) -> Rate:
    if settings.events_per_second and settings.events_burst:
        return Rate(per_s=settings.events_per_second, burst=settings.events_burst)
    return LIFTED


def agora_app(settings: Settings) -> AgoraApp | None:
    """The Agora project, if there is one; without it media goes from browser to browser."""
    if settings.agora_app_id is None or settings.agora_app_certificate is None:
        return None
    return AgoraApp(
        settings.agora_app_id,
        settings.agora_app_certificate.get_secret_value(),
        settings.agora_token_version,
    )


def offer(settings: Settings) -> Offer:
    """What a request is made of beside the practitioner's own terms."""
    return Offer(
        limits=session_limits(settings),
        fee_bps=settings.platform_fee_bps,
        hold_minutes=settings.hold_minutes,
        transfer_delay_ms=settings.transfer_delay_s * 1000,
        hold_ack_s=settings.hold_ack_s,
        environment=settings.environment,
        return_url=settings.public_url,
        live_join_ms=settings.live_room_join_s * 1000,
        times=booking_times(settings),
    )


def sizes(settings: Settings) -> Sizes:
    """How much is answered at once."""
    return Sizes(
        join_messages=settings.join_messages,
        catch_up_messages=settings.catch_up_max_messages,
        history_messages=settings.history_max_messages,
        directory_page=DIRECTORY_PAGE,
    )


def pace(settings: Settings) -> dict[str, int]:
    """How fast one person may speak; a rate of 0 lifts the limit."""
    per_second = settings.chat_per_second
    return {"interval_ms": 1000 // per_second if per_second else 0, "burst": max(1, settings.chat_burst)}
