"""Ending sign-ins: tokens that are still valid open nothing any more, on any hub, at once."""

import asyncio

import pytest

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import Scene


async def signed_in_again(scene: Scene, visitor: Visitor) -> Json:
    """The same person on another device: a sign-in of its own."""
    granted: Json = await scene.control("token", id=visitor.id, ttl_s=3_600)
    return {"id": visitor.id, "name": visitor.name, "access_token": granted["access_token"]}


async def sign_out(scene: Scene, visitor: Visitor, scope: str) -> int:
    url = f"{scene.stack.hub_urls[0]}/v1/me/sign-out"
    headers = {"Authorization": f"Bearer {visitor.token}"}
    async with scene.http.post(url, json={"scope": scope}, headers=headers) as response:
        return response.status


async def status_of_me(scene: Scene, visitor: Visitor, hub: int) -> int:
    headers = {"Authorization": f"Bearer {visitor.token}"}
    async with scene.http.get(f"{scene.stack.hub_urls[hub]}/v1/me", headers=headers) as response:
        return response.status


async def test_the_other_devices_are_signed_out_on_every_hub(scene: Scene) -> None:
    here = await scene.guest(0)
    elsewhere = await scene.enter(await signed_in_again(scene, here), 1)
    assert await sign_out(scene, here, "others") == 200
    await asyncio.wait_for(elsewhere.ended.wait(), 20)
    assert not here.ended.is_set()
    assert [await status_of_me(scene, here, hub) for hub in (0, 1)] == [200, 200]
    assert [await status_of_me(scene, elsewhere, hub) for hub in (0, 1)] == [401, 401]
    with pytest.raises(Refused) as refused:
        await scene.enter(elsewhere, 1)
    assert refused.value.code == "unauthenticated"


async def test_everywhere_means_here_as_well(scene: Scene) -> None:
    here = await scene.guest(0)
    elsewhere = await scene.enter(await signed_in_again(scene, here), 1)
    assert await sign_out(scene, here, "global") == 200
    await asyncio.wait_for(asyncio.gather(here.ended.wait(), elsewhere.ended.wait()), 20)
    assert await sign_out(scene, here, "local") == 401


async def test_one_device_signs_out_and_the_other_stays(scene: Scene) -> None:
    here = await scene.guest(0)
    elsewhere = await scene.enter(await signed_in_again(scene, here), 1)
    assert await sign_out(scene, here, "local") == 200
    await asyncio.wait_for(here.ended.wait(), 20)
    assert await elsewhere.refusal("auth:refresh", token=here.token) == "unauthenticated"
    assert not elsewhere.ended.is_set()


async def test_a_scope_that_does_not_exist_ends_nothing(scene: Scene) -> None:
    here = await scene.guest(0)
    assert await sign_out(scene, here, "everyone") == 400
    assert await status_of_me(scene, here, 1) == 200
