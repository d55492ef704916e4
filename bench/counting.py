"""Counts what goes over the wires to the stores and to Stripe: statements, commands, calls, round trips."""

from collections import Counter
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from redis.asyncio.connection import AbstractConnection

from billing.payment import Facts, Operation, Reply
from billing.stripe_gateway import StripeGateway

Counts = Counter[str]


class CountingGateway(StripeGateway):
    """A gateway that counts its calls under `stripe calls`."""

    counts: Counts

    async def send(self, operation: Operation) -> Reply:
        self.counts["stripe calls"] += 1
        return await super().send(operation)

    async def intent(self, intent_id: str) -> Facts | None:
        self.counts["stripe calls"] += 1
        return await super().intent(intent_id)


def count_statements(counts: Counts) -> Any:
    """What an asyncpg pool is given as `init`, added to the hub's own: counts `sql statements`.

    A prepared statement is one round trip, as are BEGIN and COMMIT; both are counted.
    """

    def logged(record: Any) -> None:
        counts["sql statements"] += 1
        counts[f"sql: {' '.join(str(record.query).split())[:60]}"] += 1

    async def attach(connection: asyncpg.Connection | PoolConnectionProxy) -> None:
        connection.add_query_logger(logged)

    return attach


class CountedRedis:
    """While the block runs, counts `redis round trips` of every client in this process."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._original = AbstractConnection.send_packed_command

    def __enter__(self) -> "CountedRedis":
        counts, original = self._counts, self._original

        async def counted(connection: AbstractConnection, *args: Any, **options: Any) -> None:
            counts["redis round trips"] += 1
            await original(connection, *args, **options)

        AbstractConnection.send_packed_command = counted  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *_: object) -> None:
        AbstractConnection.send_packed_command = self._original  # type: ignore[method-assign]
