"""What the rules of chat take for a message, and how well they tell one from another: over the lines of the
suite's corpus, with what each sender said before.

Processor time of the thread is counted, not what passes while others have the machine.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import quantiles

from bench.table import Line, show
from hub.safety import rules
from rooms.safety.rules import Rules
from rooms.safety.window import Window
from tests.unit.rooms.safety.labelled import HELD_OUT, TUNED, figures, lines
from tests.unit.rooms.safety.test_bounded import HOSTILE

LONG = (
    "Since the funeral I wake up at four every night and lie there until it is light, and then I am too "
    "tired to speak to anybody. My sister says it gets better after the first year. "
)


async def run(arguments: Sequence[str]) -> None:
    """Measure and print. `--rounds`; each round judges the whole corpus once, window and all."""
    parser = argparse.ArgumentParser(prog="python -m bench rules", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    began_s = time.perf_counter()
    book = rules.load()
    ready_s = time.perf_counter() - began_s
    corpus = [line.messages for line in lines(*TUNED, *HELD_OUT)]
    kinds: dict[str, list[tuple[str, ...]]] = {
        "ordinary messages and others": corpus,
        "2,000 characters of plain talk": [((LONG * 12)[:2_000],)] * 100,
        "2,000 hostile characters": [tuple([text] * 2) for text in HOSTILE.values()] * 2,
    }
    table: list[Line] = [Line("the book, read and compiled", "ms", [ready_s * 1_000])]
    for name, conversations in kinds.items():
        took = [_took_us(book, conversations) for _ in range(options.rounds + 1)][1:]
        for share, of in PERCENTILES.items():
            table.append(Line(f"{name}, {share}", "us", [of(one) for one in took]))
    sys.stdout.write(show(f"rules: {len(corpus)} lines of the corpus a round", table))
    for title, files in {"tuned on": TUNED, "held out": HELD_OUT}.items():
        sys.stdout.write(f"\n{figures(*files).table(title)}\n")


PERCENTILES: dict[str, Callable[[list[float]], float]] = {
    "median": lambda took: quantiles(took, n=100)[49],
    "p99": lambda took: quantiles(took, n=100)[98],
}


def _took_us(book: Rules, conversations: Iterable[Sequence[str]]) -> list[float]:
    """Microseconds for each message, the taking in of it included."""
    took = []
    for messages in conversations:
        window = Window()
        for at_ms, message in enumerate(messages):
            began_ns = time.thread_time_ns()
            book.check(message, window, now_ms=at_ms * 400)
            window.add(message, at_ms * 400)
            took.append((time.thread_time_ns() - began_ns) / 1_000)
    return took
