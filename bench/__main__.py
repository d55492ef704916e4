"""`python -m bench [NAME [options]]`: run one benchmark, or all with their defaults."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence

import structlog
import uvloop

from bench import exports, flags, live_room, rules, settlement

BENCHMARKS: dict[str, Callable[[Sequence[str]], Awaitable[None]]] = {
    "exports": exports.run,
    "flags": flags.run,
    "live-room": live_room.run,
    "rules": rules.run,
    "settlement": settlement.run,
}


async def _run(names: Sequence[str], options: Sequence[str]) -> None:
    for name in names:
        await BENCHMARKS[name](options)


def main(arguments: Sequence[str]) -> int:
    """0 when it went well, 2 for a name that is none."""
    names = arguments[:1] or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}\n")
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(names, arguments[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
