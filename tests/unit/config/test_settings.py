"""What an environment must say before the hub starts, and that it is never repeated."""

import re
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest

from config.settings import Settings, SettingsError, load

KEY = bytes(range(224, 256))
GOOD = {
    "DATABASE_URL": "postgresql://hub_worker:db-secret@/allinya?host=/tmp/pg",
    "REDIS_URL": "redis://:redis-secret@127.0.0.1:6379/0",
    "SUPABASE_URL": "http://127.0.0.1:8001/",
    "STRIPE_SECRET_KEY": "sk_test_stripe-secret".replace("-", "_"),
    "STRIPE_WEBHOOK_SECRET": "whsec_platform",
    "STRIPE_CONNECT_WEBHOOK_SECRET": "whsec_connect",
    "DATA_KEY": b64encode(KEY).decode(),
    "PUBLIC_URL": "http://localhost:8000",
}
AGORA = {"AGORA_APP_ID": "ab" * 16, "AGORA_APP_CERTIFICATE": "cd" * 16}
TWILIO = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "t", "TWILIO_FROM": "+15005550006"}
EXAMPLE = Path(__file__).parents[3] / "config" / "example.env"


def problems(**changes: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(GOOD | changes)
    assert all(key in str(caught.value) for key in caught.value.problems)
    return caught.value.problems


def test_the_required_ones_are_enough() -> None:
    settings = load(GOOD)
    assert settings.port == 8000
    assert settings.data_key.get_secret_value() == KEY
    assert settings.issuer == "http://127.0.0.1:8001/auth/v1"
    assert settings.jwks_url == "http://127.0.0.1:8001/auth/v1/.well-known/jwks.json"
    assert settings.origins == ("http://localhost:8000",)
    assert (settings.media, settings.sms, settings.livemode) == ("peer", False, False)


def test_keys_that_were_used_before_are_a_list() -> None:
    other = b64encode(bytes(32)).decode()
    settings = load({**GOOD, "DATA_KEY_PREVIOUS": f"{other}, {GOOD['DATA_KEY']}"})
    assert [key.get_secret_value() for key in settings.data_key_previous] == [bytes(32), KEY]
    assert other not in repr(settings)
    assert set(problems(DATA_KEY_PREVIOUS=f"{other},c2hvcnQ=")) == {"DATA_KEY_PREVIOUS"}


def test_every_missing_key_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load({})
    assert caught.value.problems == dict.fromkeys(sorted(GOOD), "is missing")


def test_kinds_of_problem_are_reported_together() -> None:
    found = problems(PORT="none", DATA_KEY="c2hvcnQ=", AGORA_APP_ID="ab" * 16, RING_S="")
    assert set(found) == {"PORT", "DATA_KEY", "AGORA_APP_CERTIFICATE", "RING_S"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p@db.example.com/x"),
        ("DATABASE_URL", "postgresql://u:p@db.example.com/x?sslmode=prefer"),
        ("DATABASE_URL", "postgresql://u:p@localhost,db.example.com/x"),
        ("DATABASE_URL", "postgresql://u:p@localhost/x?host=db.example.com"),
        ("DATABASE_URL", "postgresql://u:p@127.0.0.1.example.com/x"),
        ("DATABASE_URL", "postgresql:///x"),
        ("DATABASE_URL", "postgresql://u:p@localhost"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("REDIS_URL", "redis://redis.example.com"),
        ("REDIS_URL", "rediss://redis.example.com?ssl_cert_reqs=none"),
        ("REDIS_URL", "http://localhost"),
        ("PUBLIC_URL", "http://hub.example.com"),
        ("PUBLIC_URL", "https://hub.example.com/base"),
        ("PUBLIC_URL", "https://user@hub.example.com"),
        ("SUPABASE_URL", "http://project.supabase.co"),
        ("STRIPE_SECRET_KEY", "pk_test_public"),
        ("STRIPE_WEBHOOK_SECRET", "sk_test_mistaken"),
        ("STRIPE_API_BASE", "https://stripe.com.example.com"),
        ("TWILIO_API_BASE", "https://example.com"),
        ("DATA_KEY", b64encode(KEY[:31]).decode()),
        ("DATA_KEY", b64encode(KEY).decode() + "!!!!"),
        ("AGORA_TOKEN_VERSION", "008"),
        ("AGORA_APP_ID", ""),
        ("AGORA_APP_ID", "not-an-app"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "http://evil.example.com"),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "proxy"),
        ("ENVIRONMENT", "a:b"),
        ("PORT", "0"),
        ("RING_S", "-1"),
        ("STAFF_AAL", "none"),
        ("HEARTBEAT_S", "5"),
    ],
)
def test_a_bad_value_is_named_and_not_repeated(key: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(GOOD | {key: value})
    culprit = "HUB_DEAD_S" if key == "HEARTBEAT_S" else key
    assert culprit in caught.value.problems
    assert len(value) < 4 or value not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p@db.example.com:6543/x?sslmode=verify-full"),
        ("DATABASE_URL", "postgres://u:p@[::1]:5432/x"),
        ("DATABASE_URL", "postgresql://u:p@a.example.com:1,b.example.com:2/x?sslmode=require"),
        ("REDIS_URL", "rediss://u:p@redis.example.com:6379/0"),
        ("REDIS_URL", "unix:///tmp/valkey.sock?db=0"),
        ("PUBLIC_URL", "https://hub.example.com/"),
        ("DATA_KEY", urlsafe_b64encode(KEY).decode()),
        ("AGORA_API_BASE", "https://api.sd.agora.io"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("CONNECTS_PER_MINUTE_PER_ADDRESS", "0"),
    ],
)
def test_good_values_pass(key: str, value: str) -> None:
    load(GOOD | {key: value})


@pytest.mark.parametrize("group", [AGORA, TWILIO])
def test_what_belongs_together_is_set_together(group: dict[str, str]) -> None:
    load(GOOD | group)
    for key in group:
        assert key in problems(**{k: v for k, v in group.items() if k != key})


def test_a_live_key_is_not_sent_to_a_stand_in() -> None:
    live = {"STRIPE_SECRET_KEY": "sk_live_x"}
    assert load(GOOD | live).livemode
    assert "STRIPE_SECRET_KEY" in problems(**live, STRIPE_API_BASE="http://127.0.0.1:8001/stripe")


def test_origins_are_compared_as_browsers_send_them() -> None:
    settings = load(GOOD | {"ALLOWED_ORIGINS": "https://App.Example.com:443/, http://localhost:8000"})
    assert settings.origins == ("http://localhost:8000", "https://app.example.com")


def test_secrets_do_not_show() -> None:
    settings = load(GOOD | AGORA | TWILIO)
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    secret = ("db-secret", "redis-secret", GOOD["STRIPE_SECRET_KEY"], "whsec_platform", GOOD["DATA_KEY"])
    assert not [text for text in (*secret, str(KEY), AGORA["AGORA_APP_CERTIFICATE"]) if text in shown]


def test_settings_are_read_from_the_mapping_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9999")
    assert load(GOOD).port == 8000


def test_the_example_documents_every_setting_and_its_default() -> None:
    named = dict(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), flags=re.MULTILINE))
    fields = {name.upper(): field for name, field in Settings.model_fields.items()}
    assert set(named) - {"SANDBOX_PORT", "DATA_DIR"} == set(fields)
    for key, field in fields.items():
        if not field.is_required():
            assert named[key] == str("" if field.default in (None, ()) else field.default)


def test_the_example_loads() -> None:
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    assert load(dict(line.split("=", 1) for line in lines)).origins == ("https://hub.example.com",)


def test_money_is_not_held_so_early_that_the_hold_is_over_before_the_session() -> None:
    assert set(problems(BOOKING_HOLD_S=str(5 * 86_400))) == {"BOOKING_HOLD_S"}
    assert load(GOOD | {"BOOKING_HOLD_S": str(4 * 86_400)}).booking_hold_s == 4 * 86_400
