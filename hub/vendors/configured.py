"""The vendors that this installation has: a client each, or None without its credentials."""

import aiohttp

from config.settings import Settings
from hub.vendors.agora import AgoraRest
from hub.vendors.supabase import SupabaseAdmin


def supabase(settings: Settings, http: aiohttp.ClientSession) -> SupabaseAdmin | None:
    """The identity provider's admin API."""
    key = settings.supabase_service_key
    if key is None:
        return None
    return SupabaseAdmin(http, url=settings.supabase_url, service_key=key.get_secret_value())


def agora(settings: Settings, http: aiohttp.ClientSession) -> AgoraRest | None:
    """Agora's REST API; None as well where media goes from peer to peer."""
    customer_id, secret = settings.agora_customer_id, settings.agora_customer_secret
    if settings.agora_app_id is None or customer_id is None or secret is None:
        return None
    return AgoraRest(
        http,
        base=settings.agora_api_base,
        app_id=settings.agora_app_id,
        customer_id=customer_id.get_secret_value(),
        customer_secret=secret.get_secret_value(),
    )
