"""One command, answered in bytes. The client's own types allow for text answers that this project never asks
for; here is the one place where they are narrowed.
"""

from typing import Any

from redis.asyncio import Redis


async def command(redis: Redis, name: str, *arguments: str | bytes | int) -> Any:
    """Send a command and give its answer, bytes where it is text. Raises the client's errors."""
    return await redis.execute_command(name, *arguments)  # type: ignore[no-untyped-call]
