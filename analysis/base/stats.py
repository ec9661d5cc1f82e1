"""Intervals: bootstrap over images where the estimate is unbiased, jackknife where it is not.

A bootstrap sample holds fewer distinct images than the set, so a Fréchet distance, whose bias grows
as N falls, comes out too high in every one of them. Deleting a group of images at a time leaves
the estimate nearly as it is and shows its spread.

The bias itself is of the size of the distances that are compared: it falls as 1/N once there are
more images than features, so that the distance of infinitely many images can be told from that of
all N and of its halves (`Originals.distances`; the idea is Chong & Forsyth's, arXiv:1911.07023).
With fewer than 2 d images, d features, it cannot, and there is no such number. `coverage` shows
how often the intervals hold the truth.

Group g of G = 20 is every image i with i mod 20 = g. All intervals are 95 %. They speak of other
images of the same kind, not of other weights or seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from analysis.base.metrics import bootstrap_interval, covariance_factor, frechet_distance
from analysis.base.results import Estimate, Limit

GROUPS = 20
FEWEST = 2 * GROUPS  # images; with fewer there are no groups, and no interval by jackknife
T_95 = 2.093  # Student's t for 19 degrees of freedom: 95 % lie within
RESAMPLES = 1000  # of the kernel distance
BLOCK = 512  # rows of the kernel matrix at a time


def group(g: int, n: int) -> np.ndarray:
    """The images of group g, (n,) bool."""
    return np.arange(n) % GROUPS == g


def mean_band(values: Tensor, seed: int = 0) -> Estimate:
    """The mean of finite values (n,) with its bootstrap interval over images."""
    values = values.double()
    n = len(values)
    if n < 2:
        return Estimate(values.mean().item())
    interval = bootstrap_interval(values, torch.Generator().manual_seed(seed))
    replicates = ()
    if n >= FEWEST:
        groups = (torch.from_numpy(group(g, n)) for g in range(GROUPS))
        replicates = tuple(values[~left_out].mean().item() for left_out in groups)
    return Estimate(values.mean().item(), interval.low, interval.high, replicates)


def combine(function: Callable[..., float], *estimates: Estimate) -> Estimate:
    """A function of estimates over the same images, with the jackknife's interval.

    `combine(lambda a, b: b / a - 1, before, after)` is a relative change. Without replicates in
    all of them there is no interval.
    """
    value = function(*(e.value for e in estimates))
    if not all(e.replicates for e in estimates):
        return Estimate(value)
    together = zip(*(e.replicates for e in estimates), strict=True)
    return jackknife(value, [function(*each) for each in together])


def jackknife(value: float, replicates: list[float]) -> Estimate:
    """value ± t SE with SE² = (G-1)/G Σ_g (replicate_g - mean)²."""
    half = T_95 * float(np.sqrt((GROUPS - 1) * np.var(replicates)))
    return Estimate(value, value - half, value + half, tuple(replicates))


@dataclass(frozen=True)
class _Moments:
    """Sums over rows of a matrix: how many, Σ z (d,) and Σ z zᵀ (d, d)."""

    n: int
    sum: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, Z: np.ndarray) -> _Moments:
        return cls(len(Z), Z.sum(axis=0), Z.T @ Z)

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(self.n + other.n, self.sum + other.sum, self.squares + other.squares)

    def __sub__(self, other: _Moments) -> _Moments:
        return _Moments(self.n - other.n, self.sum - other.sum, self.squares - other.squares)


@dataclass(frozen=True)
class _Factor:
    """Of some of the originals: A (·, d) with AᵀA their covariance, and their mean (d,)."""

    A: np.ndarray
    mean: np.ndarray

    def distance(self, rows: _Moments, centre: np.ndarray) -> float:
        """`frechet_distance` to rows that are given by their sums less `centre`.

        With C_X = AᵀA: tr (C_X C_Y)^½ = Σ √λ over the eigenvalues λ of A C_Y Aᵀ.
        """
        shift = rows.sum / rows.n
        C = (rows.squares - rows.n * np.outer(shift, shift)) / (rows.n - 1)
        cross = np.sqrt(np.linalg.eigvalsh(self.A @ C @ self.A.T).clip(min=0)).sum()
        means = np.square(centre + shift - self.mean).sum()
        return float(means + np.square(self.A).sum() + np.trace(C) - 2 * cross)


def _half(g: int) -> int:
    """Which half of the images group g is in."""
    return int(g >= GROUPS // 2)


class Originals:
    """Features X (n, d) of the images that all settings are compared with, prepared once.

    Holds 20 factors of d × d numbers or less, 40 where there is a limit: 0.5 GB for d = 1280.
    """

    def __init__(self, X: np.ndarray) -> None:
        self.X = np.asarray(X, np.float64)
        n, d = X.shape
        self._groups = np.arange(n) % GROUPS
        every = np.ones(n, bool)
        self._without: list[_Factor] = []  # per group: of the other images
        self._half: list[_Factor] = []  # per half
        self._half_without: list[_Factor] = []  # per group: of the other images of its half
        if n >= FEWEST:
            self._without = [self._factor(every, g) for g in range(GROUPS)]
        if n >= max(FEWEST, 2 * d):
            self._half = [self._factor(half) for half in self._halves()]
            self._half_without = [self._factor(self._halves()[_half(g)], g) for g in range(GROUPS)]

    def distances(self, Y: np.ndarray) -> tuple[Estimate, Limit | None]:
        """Fréchet distances to Y (n, d), row i the reconstruction of image i.

        That of the n images, and of infinitely many where n ≥ 2 d. With FD_n = FD + b/n, and FD_½
        the mean of those of both halves (every image is in one), FD = 2 FD_n - FD_½. Both with the
        jackknife's interval over groups, each taken out of the whole and of its half.
        """
        Y = np.asarray(Y, np.float64)
        value = frechet_distance(self.X, Y)
        if not self._without:
            return Estimate(value), None
        centre = Y.mean(axis=0)
        Z = Y - centre  # so that little is lost in the differences below
        parts = [_Moments.of(Z[half]) for half in self._halves()]
        whole = parts[0] + parts[1]
        halves = [
            half.distance(part, centre) for half, part in zip(self._half, parts, strict=False)
        ]
        n, at_n, at_half = len(Y), [], []
        for g, factor in enumerate(self._without):
            out = _Moments.of(Z[self._groups == g])
            at_n.append(factor.distance(whole - out, centre))
            if halves:
                mine = parts[_half(g)] - out
                other = 1 - _half(g)
                mixed = mine.n * self._half_without[g].distance(mine, centre)
                mixed += parts[other].n * halves[other]
                at_half.append(mixed / (n - out.n))
        found = jackknife(value, at_n)
        found = Estimate(value, max(0.0, found.low), found.high, found.replicates)
        if not halves:
            return found, None
        half = sum(part.n * one for part, one in zip(parts, halves, strict=True)) / n
        limit = jackknife(2 * value - half, [2 * a - b for a, b in zip(at_n, at_half, strict=True)])
        return found, Limit((n, n // 2, n // 4), (value, half, self._quarters(Y)), limit)

    def _halves(self) -> tuple[np.ndarray, np.ndarray]:
        first = self._groups < GROUPS // 2
        return first, ~first

    def _factor(self, rows: np.ndarray, without: int = -1) -> _Factor:
        X = self.X[rows & (self._groups != without)]
        return _Factor(covariance_factor(X), X.mean(axis=0))

    def _quarters(self, Y: np.ndarray) -> float:
        """Mean distance of the quarters of the images: it shows whether the bias falls as 1/N."""
        quarters = (self._groups * 4 // GROUPS == q for q in range(4))
        sums = (rows.sum() * frechet_distance(self.X[rows], Y[rows]) for rows in quarters)
        return float(sum(sums) / len(Y))

    def kid(self, Y: np.ndarray, seed: int = 0) -> Estimate:
        """Paired kernel distance (`metrics.kid`) to Y (n, d) with a bootstrap over images.

        An image drawn twice is no pair with itself, as in the estimate: with w_i the number of
        times that image i is drawn and h(i, j) the estimate's summand, a resample's value is
        Σ_{i≠j} w_i w_j h(i, j) / Σ_{i≠j} w_i w_j.
        """
        X, Y = self.X, np.asarray(Y, np.float64)
        n, d = X.shape
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES)
        w = np.concatenate([np.ones((1, n)), drawn])  # (1 + R, n); first the estimate itself
        sums = np.zeros(len(w))
        for start in range(0, n, BLOCK):
            rows = slice(start, start + BLOCK)
            h = sum(
                sign * (a[rows] @ b.T / d + 1) ** 3
                for sign, a, b in ((1, X, X), (1, Y, Y), (-1, X, Y), (-1, Y, X))
            )  # (BLOCK, n)
            h[np.arange(len(h)), start + np.arange(len(h))] = 0
            sums += (w[:, rows] * (w @ h.T)).sum(axis=1)
        pairs = w.sum(axis=1) ** 2 - np.square(w).sum(axis=1)
        values = sums[pairs > 0] / pairs[pairs > 0]  # of few images one alone may be drawn
        low, high = np.quantile(values[1:], [0.025, 0.975])
        return Estimate(float(values[0]), float(low), float(high))
