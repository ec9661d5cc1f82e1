"""How often the intervals of a Fréchet distance hold the truth, on features whose truth is known.

Features x_j of spectrum 1/j, and of reconstructions y_j = a_j x_j + t e_j: two settings share x,
as two settings share the pictures. FD knows means and covariances alone, so the features may as
well be skewed as Gaussian; those of a network are, since its last step cuts off what is below 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from analysis.base.evaluate import table
from analysis.base.results import Estimate
from analysis.base.stats import Originals, combine

# For each pair of settings: (a of the first feature, t), a falls by a fifth to the last.
PAIRS = {
    "small": ((0.9, 0.1), (0.9, 0.15)),
    "none": ((0.9, 0.1), (0.9, 0.1)),
    "large": ((0.8, 0.3), (0.5, 0.3)),
}
KINDS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "Gaussian": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.exponential(size=shape) - 1,
}


@dataclass(frozen=True)
class Covered:
    """Shares of the draws whose interval holds the truth.

    kind, n       of the features, and how many rows; change: the true relative change of FD
    fd, limit     of the distance of the first setting, by FD_N and by its extrapolation
    fd_change, limit_change    of the relative change from the first to the second setting
    """

    kind: str
    n: int
    change: float
    draws: int
    fd: float
    limit: float
    fd_change: float
    limit_change: float


def population(d: int, a: float, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Variances of x (d,), a_j (d,), the noise's variances (d,), and the true FD.

    All covariances are diagonal, so FD = Σ (√C_X - √C_Y)² (the means are equal).
    """
    variance = 1 / np.arange(1, d + 1)
    shrink = np.linspace(a, 0.8 * a, d)
    noise = np.full(d, t * t * variance.mean())
    spread = np.sqrt(shrink**2 * variance + noise)
    return variance, shrink, noise, float(np.square(np.sqrt(variance) - spread).sum())


def coverage(kind: str, pair: str, n: int, d: int, draws: int, seed: int = 0) -> Covered:
    """Of `draws` sets of n rows with d features."""
    rng = np.random.default_rng(seed)
    settings = [population(d, *setting) for setting in PAIRS[pair]]
    first, second = (truth for *_, truth in settings)
    change = second / first - 1
    hits = np.zeros(4)
    for _ in range(draws):
        X = KINDS[kind](rng, (n, d)) * np.sqrt(settings[0][0])
        originals = Originals(X)
        fds, limits = [], []
        for _, shrink, noise, _ in settings:
            fd, limit = originals.distances(X * shrink + rng.normal(size=(n, d)) * np.sqrt(noise))
            fds.append(fd)
            limits.append(limit.estimate)
        found = (fds[0], limits[0], _change(fds), _change(limits))
        truths = (first, first, change, change)
        hits += [one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)]
    return Covered(kind, n, change, draws, *(hits / draws).tolist())


def measure(d: int, draws: int, seed: int = 0) -> tuple[Covered, ...]:
    """Every kind and pair, with 2 d rows, the fewest that have a limit, and with 4 d."""
    cases = [(kind, pair, m * d) for kind in KINDS for pair in PAIRS for m in (2, 4)]
    bar = tqdm(cases, unit="case", dynamic_ncols=True)
    return tuple(coverage(kind, pair, n, d, draws, seed) for kind, pair, n in bar)


def markdown(rows: tuple[Covered, ...]) -> str:
    """One row for each case."""
    head = ["features", "N", "true change", "FD_N", "FD_∞", "change by FD_N", "change by FD_∞"]
    cells = [
        [
            row.kind,
            str(row.n),
            f"{100 * row.change:+.1f} %",
            *(f"{one:.2f}" for one in (row.fd, row.limit, row.fd_change, row.limit_change)),
        ]
        for row in rows
    ]
    return table(head, cells)


def _change(distances: list[Estimate]) -> Estimate:
    return combine(lambda a, b: b / a - 1, *distances)
