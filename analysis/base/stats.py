"""Intervals: bootstrap over images where the estimate is unbiased, jackknife where it is not.

A bootstrap sample holds fewer distinct images than the set, so a Fréchet distance, whose bias grows
as N falls, comes out too high in every one of them. Deleting a group of images at a time leaves
the estimate nearly as it is and shows its spread.

Group g of G = 20 is every image i with i mod 20 = g. All intervals are 95 %. They speak of other
images of the same kind, not of other weights or seeds, and not of the bias.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from analysis.base.metrics import bootstrap_interval, covariance_factor, frechet_distance
from analysis.base.results import Estimate

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


def unbiased(estimate: Estimate) -> Estimate:
    """The estimate less the jackknife's of its bias, (G-1) (mean of the replicates - value).

    A Fréchet distance is too high, by an amount that falls with n and differs from value to value;
    mostly that makes relative changes too small. With fewer images than features much of the bias
    stays. Without replicates the estimate stays as it is.
    """
    if not estimate.replicates:
        return estimate
    bias = (GROUPS - 1) * (float(np.mean(estimate.replicates)) - estimate.value)
    return jackknife(estimate.value - bias, [r - bias for r in estimate.replicates])


class Originals:
    """Features X (n, d) of the images that all settings are compared with, prepared once.

    Holds 20 factors of d × d numbers or less: 260 MB for n = 2,000 and d = 1280.
    """

    def __init__(self, X: np.ndarray) -> None:
        self.X = np.asarray(X, np.float64)
        self._without = []  # per group: factor and mean of the others
        if len(X) >= FEWEST:
            for g in range(GROUPS):
                rest = self.X[~group(g, len(X))]
                self._without.append((covariance_factor(rest), rest.mean(axis=0)))

    def fd(self, Y: np.ndarray) -> Estimate:
        """Fréchet distance to Y (n, d), row i the reconstruction of image i; jackknife."""
        Y = np.asarray(Y, np.float64)
        value = frechet_distance(self.X, Y)
        if not self._without:
            return Estimate(value)
        found = jackknife(value, self._fd_without(Y))
        return Estimate(value, max(0.0, found.low), found.high, found.replicates)

    def _fd_without(self, Y: np.ndarray) -> list[float]:
        """`frechet_distance` without each group, from sums over all rows less those of the group.

        With C_X = AᵀA: tr (C_X C_Y)^½ = Σ √λ over the eigenvalues λ of A C_Y Aᵀ.
        """
        centre = Y.mean(axis=0)
        Z = Y - centre  # so that little is lost in the differences below
        squares, distances = Z.T @ Z, []
        for g, (A, mean) in enumerate(self._without):
            out = Z[group(g, len(Z))]
            m = len(Z) - len(out)
            shift = -out.sum(axis=0) / m  # mean of the rest
            C = (squares - out.T @ out - m * np.outer(shift, shift)) / (m - 1)
            cross = np.sqrt(np.linalg.eigvalsh(A @ C @ A.T).clip(min=0)).sum()
            means = np.square(centre + shift - mean).sum()
            distances.append(float(means + np.square(A).sum() + np.trace(C) - 2 * cross))
        return distances

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
