"""Messages through Twilio's own client, callbacks checked by Twilio's own validator."""

from urllib.parse import parse_qsl

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.integration.sandbox.outside import HubStandIn, Received, Sandbox

# Twilio's client still passes its credentials to aiohttp in the old way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]
SID = "AC" + "a" * 32
FROM, TO = "+15005550006", "+14155550100"


def sms(sandbox: Sandbox, http: AsyncTwilioHttpClient, token: str | None = None) -> Client:
    client = Client(SID, token or sandbox.config.twilio_auth_token, http_client=http)
    client.api.base_url = f"{sandbox.url}/twilio"
    return client


def genuine(sandbox: Sandbox, hub: HubStandIn, got: Received) -> bool:
    validator = RequestValidator(sandbox.config.twilio_auth_token)
    fields = dict(parse_qsl(got.body, keep_blank_values=True))
    return bool(validator.validate(f"{hub.url}{got.path}", fields, got.headers["X-Twilio-Signature"]))


async def test_sent_listed_and_reported(sandbox: Sandbox, hub: HubStandIn) -> None:
    async with AsyncTwilioHttpClient() as http:
        client = sms(sandbox, http)
        sent = await client.messages.create_async(
            to=TO, from_=FROM, body="In 10 minutes", status_callback=f"{hub.url}/webhooks/twilio"
        )
        assert sent.status == "queued"
        fetched = await client.messages(str(sent.sid)).fetch_async()
        assert (fetched.status, fetched.body, fetched.to) == ("delivered", "In 10 minutes", TO)
    inbox = await sandbox.get("/twilio/inbox?to=%2B14155550100")
    assert [message["body"] for message in inbox] == ["In 10 minutes"]
    assert await sandbox.get("/twilio/inbox?to=%2B14155550199") == []
    got = await hub.wait(lambda received: len(received) == 3)
    assert {dict(parse_qsl(g.body))["MessageStatus"] for g in got} == {"queued", "sent", "delivered"}
    assert all(genuine(sandbox, hub, g) for g in got)


async def test_stop_reaches_the_hub_and_blocks_the_number(sandbox: Sandbox, hub: HubStandIn) -> None:
    await sandbox.post("/twilio/inbound", {"from": TO, "body": " stop "})
    [got] = await hub.wait(lambda received: len(received) == 1)
    assert got.path == "/webhooks/twilio"
    assert genuine(sandbox, hub, got)
    assert not genuine(sandbox, hub, Received(got.path, got.headers, got.body + "&x=1"))
    assert dict(parse_qsl(got.body))["OptOutType"] == "STOP"
    async with AsyncTwilioHttpClient() as http:
        with pytest.raises(TwilioRestException) as refused:
            await sms(sandbox, http).messages.create_async(to=TO, from_=FROM, body="again")
        assert refused.value.code == 21610
        await sandbox.post("/twilio/inbound", {"from": TO, "body": "START"})
        await sms(sandbox, http).messages.create_async(to=TO, from_=FROM, body="again")


@pytest.mark.parametrize(
    ("to", "body", "token", "code"),
    [
        ("12", "x", None, 21211),
        (TO, "", None, 21602),
        ("+15005550009", "x", None, 21614),
        (TO, "x", "wrong", 20003),
    ],
)
async def test_refusals(sandbox: Sandbox, to: str, body: str, token: str | None, code: int) -> None:
    async with AsyncTwilioHttpClient() as http:
        with pytest.raises(TwilioRestException) as refused:
            await sms(sandbox, http, token).messages.create_async(to=to, from_=FROM, body=body)
    assert refused.value.code == code
