"""Where no Agora app is set, the hub passes signals between the two people of a session, and nobody else."""

from tests.acceptance.scene import Scene


async def test_peers_get_the_same_channel_and_places_of_their_own(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    places = [(await who.ask("media:refresh", session_id=session_id))["media"] for who in (guest, host)]
    joined = (await guest.ask("room:join", session_id=session_id))["media"]
    assert {place["provider"] for place in places} == {"peer"}
    assert {(place["app_id"], place["token"]) for place in places} == {(None, None)}
    assert {place["channel"] for place in (*places, joined)} == {joined["channel"]}
    assert session_id not in joined["channel"]
    uids = [place["uid"] for place in places]
    assert 0 not in uids
    assert len(set(uids)) == 2
    assert joined["uid"] == uids[0]
    other = await scene.couple()
    elsewhere = await other[0].ask("media:refresh", session_id=other[2])
    assert elsewhere["media"]["channel"] != joined["channel"]


async def test_a_signal_reaches_the_other_side_as_it_is(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    data = {"sdp": "v=0\r\n", "nested": [{"a": None, "b": 1.5, "c": "é🌱"}]}
    await guest.ask("media:signal", session_id=session_id, to=host.id, data=data)
    assert await host.hear("media:signal") == {"session_id": session_id, "from": guest.id, "data": data}
    await host.ask("media:signal", session_id=session_id, to=guest.id, data={})
    assert await guest.hear("media:signal") == {"session_id": session_id, "from": host.id, "data": {}}
    assert guest.count("media:signal") == host.count("media:signal") == 1


async def test_signals_stay_in_the_session(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    stranger = await scene.guest()
    body = {"session_id": session_id, "data": {}}
    assert await guest.refusal("media:signal", to=stranger.id, **body) == "not_found"
    assert await guest.refusal("media:signal", to=guest.id, **body) == "not_found"
    assert await stranger.refusal("media:signal", to=host.id, **body) == "not_found"
    await guest.ask("room:leave", session_id=session_id)
    assert await guest.refusal("media:signal", to=host.id, **body) == "forbidden"
    assert stranger.count("media:signal") == host.count("media:signal") == 0
