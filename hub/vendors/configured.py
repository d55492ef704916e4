"""The vendors that this installation has: a client each, or None without its credentials."""

import aiohttp

from config.settings import Settings
from hub.vendors.agora import AgoraRest
from hub.vendors.agora_recording import CloudRecording, Storage
from hub.vendors.supabase import SupabaseAdmin
from hub.vendors.twilio import Twilio


def supabase(settings: Settings, http: aiohttp.ClientSession) -> SupabaseAdmin | None:
    """The identity provider's admin API."""
    key = settings.supabase_service_key
    if key is None:
        return None
    return SupabaseAdmin(http, url=settings.supabase_url, service_key=key.get_secret_value())


def cloud_recording(settings: Settings, http: aiohttp.ClientSession) -> CloudRecording | None:
    """Agora's recorder; None as well where it has nowhere to put its files."""
    customer_id, secret, storage = (
        settings.agora_customer_id,
        settings.agora_customer_secret,
        _storage(settings),
    )
    if settings.agora_app_id is None or customer_id is None or secret is None or storage is None:
        return None
    return CloudRecording(
        http,
        base=settings.agora_api_base,
        app_id=settings.agora_app_id,
        customer_id=customer_id.get_secret_value(),
        customer_secret=secret.get_secret_value(),
        storage=storage,
    )


def _storage(settings: Settings) -> Storage | None:
    vendor, region, bucket = (
        settings.agora_recording_vendor,
        settings.agora_recording_region,
        settings.agora_recording_bucket,
    )
    access_key, secret_key = settings.agora_recording_access_key, settings.agora_recording_secret_key
    if vendor is None or region is None or bucket is None or access_key is None or secret_key is None:
        return None
    return Storage(vendor, region, bucket, access_key.get_secret_value(), secret_key.get_secret_value())


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


def twilio(settings: Settings, http: aiohttp.ClientSession) -> Twilio | None:
    """Twilio's API; None where no messages are sent."""
    account_sid, auth_token = settings.twilio_account_sid, settings.twilio_auth_token
    if account_sid is None or auth_token is None:
        return None
    return Twilio(
        http,
        base=settings.twilio_api_base,
        account_sid=account_sid,
        auth_token=auth_token.get_secret_value(),
    )
