"""One row per endpoint, and the way from a row to an answer."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.state import Json
from sandbox.stripe import lists, params
from sandbox.stripe.world import World

Handler = Callable[[World, Json], Json]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: method, path with `{id}` places, the SDK's params type, and the handler.

    A handler gets the checked parameters with the path's places (`id`, …) added, and returns an object.
    """

    method: str
    path: str
    params: str
    handler: Handler

    def validate(self, given: Json) -> Json:
        """Checked parameters. Raises `StripeError`; nothing has happened yet then."""
        return params.check(self.params, given)

    def execute(self, world: World, checked: Json, places: dict[str, str]) -> Json:
        """The reply of this endpoint, `expand` applied. Raises `StripeError`."""
        wanted = checked.pop("expand", [])
        return lists.expand(world, self.handler(world, {**checked, **places}), wanted)
