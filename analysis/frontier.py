"""What a coder can reach at a size, and where one coder is better than another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import inf

Vertices = tuple[tuple[float, float], ...]  # (bytes, value), both rising


@dataclass(frozen=True)
class Stretch:
    """From `low` bytes to `high` (None: without end) this coder is the better."""

    low: float
    high: float | None
    winner: str

    def text(self) -> str:
        """In words."""
        end = "on" if self.high is None else f"to {self.high:.0f}"
        return f"{self.winner} from {self.low:.0f} bytes {end}"


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


def at(vertices: Vertices, size: float) -> float:
    """The hull's value at a size; -inf below its smallest."""
    if size < vertices[0][0]:
        return -inf
    for left, right in pairwise(vertices):
        if size <= right[0]:
            return left[1] + (size - left[0]) * _slope(left, right)
    return vertices[-1][1]


def stretches(one: str, a: Vertices, other: str, b: Vertices) -> tuple[Stretch, ...]:
    """Who is the better where, from the smallest size of either on; equal counts for `other`."""
    sizes = sorted({size for size, _ in (*a, *b)})
    edges = sorted([*sizes, *_crossings(a, b, sizes)])
    found: list[Stretch] = []
    for low, high in (*pairwise(edges), (edges[-1], None)):
        middle = low + 1 if high is None else (low + high) / 2
        winner = one if at(a, middle) > at(b, middle) else other
        if found and found[-1].winner == winner:
            low = found.pop().low
        found.append(Stretch(low, high, winner))
    return tuple(found)


def _crossings(a: Vertices, b: Vertices, sizes: list[float]) -> list[float]:
    """Sizes strictly between vertices where the hulls are equal."""
    found = []
    for low, high in pairwise(sizes):
        if low < max(a[0][0], b[0][0]):
            continue  # only one of the two goes so low
        left, right = at(a, low) - at(b, low), at(a, high) - at(b, high)
        if left * right < 0:
            found.append(low + (high - low) * left / (left - right))
    return found


def _slope(left: tuple[float, float], right: tuple[float, float]) -> float:
    return (right[1] - left[1]) / (right[0] - left[0])
