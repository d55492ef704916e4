"""Stripe's errors as it answers them: a status and `{"error": {type, code, message, param, …}}`."""

from typing import Any

from sandbox.state import Json


class StripeError(Exception):
    """One API error. `extra` lands beside type, code and message (`payment_intent`, `decline_code`, …)."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        named = {"type": kind, "code": code, "message": message, "param": param, **extra}
        self.body: Json = {"error": {k: _shown(v) for k, v in named.items() if v is not None}}


def _shown(value: Any) -> Any:
    """An object inside an error, without the sandbox's own fields."""
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if not key.startswith("_")}
    return value


def missing(kind: str, ident: str, param: str = "id") -> StripeError:
    """A retrieve by path answers 404; an id inside the parameters answers 400."""
    status = 404 if param == "id" else 400
    return StripeError(f"No such {kind}: '{ident}'", status=status, code="resource_missing", param=param)


def unexpected_state(action: str, intent: Json, allowed: tuple[str, ...]) -> StripeError:
    """The action does not fit the intent's status; the error shows the intent."""
    noun = intent["object"].replace("_", " ")
    shows: dict[str, Any] = {intent["object"]: intent}
    return StripeError(
        f"This {noun} cannot be {action} while its status is {intent['status']}; "
        f"allowed: {', '.join(allowed)}.",
        code=f"{intent['object']}_unexpected_state",
        **shows,
    )
