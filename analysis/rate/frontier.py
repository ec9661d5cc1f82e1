"""What a coder can reach at a size, and where one coder is surely better than another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil, log

import numpy as np

from analysis.base.results import Estimate
from analysis.base.stats import jackknife

Vertices = tuple[tuple[float, float], ...]  # (bytes, value), both rising
STEP = 1.01  # from one budget that is judged to the next


@dataclass(frozen=True)
class Stretch:
    """Budgets from `low` bytes to `high` (None: without end) that have one answer.

    winner   the better coder; None where the interval of the difference holds 0, or is not known
    lead     its largest lead there, in the unit of the values, met at `peak` bytes; both None
             without a winner, and where the other coder has no file so small
    """

    low: float
    high: float | None
    winner: str | None
    lead: Estimate | None = None
    peak: float | None = None


def hull(points: Iterable[tuple[float, float]]) -> Vertices:
    """The upper concave hull of (bytes, value), the larger value the better, up to the best value.

    What lies on it between two points is reached by coding some of the images in the one way and
    the rest in the other: means are linear. Beyond its last point a coder stays at the best value.
    """
    best: list[tuple[float, float]] = []
    for size, value in sorted(points):
        if best and value <= best[-1][1]:
            continue
        while best and best[-1][0] == size:
            best.pop()
        while len(best) > 1 and _slope(best[-2], best[-1]) <= _slope(best[-1], (size, value)):
            best.pop()
        best.append((size, value))
    return tuple(best)


def at(vertices: Vertices, sizes: np.ndarray) -> np.ndarray:
    """The hull's values at sizes (n,); outside of it that of its nearest end."""
    return np.interp(sizes, *zip(*vertices, strict=True))


def stretches(
    one: str, a: Sequence[Vertices], other: str, b: Sequence[Vertices]
) -> tuple[Stretch, ...]:
    """Who is the better where, from the smallest size of either on, to 1 % of the size.

    a, b: the hull of all images, then those with one group of images left out at a time, the same
    groups for both (`Estimate.replicates`); without these nobody wins.
    """
    both = max(a[0][0][0], b[0][0][0])  # from here on each has a file
    last = max(h[-1][0] for h in (*a, *b))  # from here on nothing changes
    budgets = np.geomspace(both, last, 1 + max(1, ceil(log(last / both) / log(STEP))))
    differences = [at(x, budgets) - at(y, budgets) for x, y in zip(a, b, strict=True)]
    judged = [
        (size, _difference(values))
        for size, values in zip(budgets.tolist(), np.transpose(differences).tolist(), strict=True)
    ]
    runs = [
        (winner, list(run)) for winner, run in groupby(judged, lambda j: _winner(j[1], one, other))
    ]
    ends = [run[0][0] for _, run in runs[1:]]
    found = [
        _stretch(run, end, winner, one)
        for (winner, run), end in zip(runs, [*ends, None], strict=True)
    ]
    firsts = {one: a[0][0][0], other: b[0][0][0]}
    alone = min(firsts, key=firsts.__getitem__)
    if firsts[alone] < both:
        found.insert(0, Stretch(firsts[alone], both, alone))
    return tuple(found)


def _difference(values: list[float]) -> Estimate:
    """Of all images, values[0], with the jackknife's interval where groups were left out."""
    if len(values) == 1:
        return Estimate(values[0])
    return replace(jackknife(values[0], values[1:]), replicates=())


def _winner(difference: Estimate, one: str, other: str) -> str | None:
    if difference.low is None or difference.low <= 0 <= difference.high:
        return None
    return one if difference.low > 0 else other


def _stretch(
    run: list[tuple[float, Estimate]], end: float | None, winner: str | None, one: str
) -> Stretch:
    """A run of budgets, each with the difference there, that have the same winner."""
    low = run[0][0]
    if winner is None:
        return Stretch(low, end, None)
    peak, lead = max(run, key=lambda j: abs(j[1].value))
    if winner != one:
        lead = Estimate(-lead.value, -lead.high, -lead.low)
    return Stretch(low, end, winner, lead, peak)


def _slope(left: tuple[float, float], right: tuple[float, float]) -> float:
    return (right[1] - left[1]) / (right[0] - left[0])
