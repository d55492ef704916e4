import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from hub.edge.limits import Numbers
from hub.edge.upgrade import OVER_LIMIT_MS, Door, site
from rooms.limits import Rate


def door(numbers: Numbers | None = None, *proxies: str) -> Door:
    return Door(
        origins=["https://hub.example"],
        proxies=proxies,
        numbers=numbers or Numbers(connects=None),
        monotonic=lambda: 0.0,
    )


def request(
    remote: str = "203.0.113.9", query: str = "EIO=4&transport=websocket", **headers: str
) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    made = make_mocked_request("GET", f"/socket.io/?{query}", headers=named)
    return made.clone(remote=remote)


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "https://hub.example.evil", "http://hub.example", ""]
)
def test_an_unlisted_origin_is_refused(origin: str) -> None:
    with pytest.raises(web.HTTPForbidden):
        door().check(request(Origin=origin))


def test_a_listed_or_missing_origin_passes() -> None:
    door().check(request(Origin="https://hub.example"))
    door().check(request())


@pytest.mark.parametrize("query", ["EIO=4", "EIO=4&transport=polling", "EIO=4&transport=websocket&sid=x"])
def test_only_a_new_websocket_passes(query: str) -> None:
    with pytest.raises(web.HTTPBadRequest):
        door().check(request(query=query))


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "garbage, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3," * 500 + "10.0.0.2", "10.0.0.3"),
        ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_address_counts_only_what_trusted_proxies_wrote(
    remote: str, forwarded: str, expected: str
) -> None:
    found = door(None, "10.0.0.0/8").address(request(remote, X_Forwarded_For=forwarded))
    assert found == expected


def test_too_many_connects_are_noted_with_their_wait() -> None:
    strict = door(Numbers(connects=Rate(per_s=1, burst=2)))
    waits = []
    for _ in range(3):
        asked = request()
        strict.check(asked)
        waits.append(asked[OVER_LIMIT_MS])
    assert waits == [0, 0, 1000]


def test_one_subscriber_is_one_site() -> None:
    assert site("2001:db8::1") == site("2001:db8::ffff:1") != site("2001:db8:0:1::1")
    assert site("198.51.100.1") == "198.51.100.1"
