"""Figures as a table for people: the median of several rounds, and how far they lie apart."""

from collections.abc import Sequence
from math import ceil
from statistics import median
from typing import NamedTuple


class Line(NamedTuple):
    """One measure over all rounds, in `unit`."""

    name: str
    unit: str
    values: Sequence[float]


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values that `share` per cent of them do not exceed: one that was measured, no mean."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share / 100 * len(ordered)) - 1)]


def show(title: str, lines: Sequence[Line]) -> str:
    """The table as text."""
    rows: list[list[str]] = [["", "median", "least", "most", "rounds", "unit"]]
    for line in lines:
        figures = (median(line.values), min(line.values), max(line.values))
        shown = [f"{figure:,.1f}" for figure in figures]
        rows.append([line.name, *shown, str(len(line.values)), line.unit])
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    text = [f"{title}\n"]
    for row in rows:
        cells = "  ".join(cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True))
        text.append(f"{row[0].ljust(widths[0])}  {cells}  {row[5]}".rstrip())
    return "\n".join(text) + "\n"
