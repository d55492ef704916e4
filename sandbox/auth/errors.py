"""GoTrue's errors: `{code, error_code, msg}` with the status as `code`."""

from typing import Any

from sandbox.state import Json


class AuthRefused(Exception):
    """One error answer of the Auth API."""

    def __init__(self, status: int, error_code: str, msg: str, **extra: Any) -> None:
        super().__init__(msg)
        self.status = status
        self.body: Json = {"code": status, "error_code": error_code, "msg": msg, **extra}


def bad_request(msg: str) -> AuthRefused:
    """What was sent is malformed."""
    return AuthRefused(400, "validation_failed", msg)
