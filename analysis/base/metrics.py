"""Image quality and distances between sets of images.

Images are float tensors (B, 3, H, W) in [-1, 1], so the peak-to-peak range L is 2; clamp the output
of a decoder first. Feature matrices are NumPy arrays (n, d), one row per image. Whatever depends on
a feature extractor and on the number of images says so in its label: values of different extractors
or of different N are not comparable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from analysis.base.extractors import FeatureExtractor, Inception
from tatok.quality import psnr as psnr
from tatok.quality import ssim as ssim


@dataclass(frozen=True)
class Interval:
    """Bounds of a confidence interval, in the unit of the values."""

    low: float
    high: float


@dataclass(frozen=True)
class FrechetDistance:
    """A Fréchet distance between two sets of images, by their features."""

    value: float
    n: int  # images: of an rFD the originals, of a gFD the generated
    label: str  # with the extractor and N: show the value under no other name


# --- One set of images against another -------------------------------------------------------


def collect_features(batches: Iterable[Tensor], extractor: FeatureExtractor) -> np.ndarray:
    """Features of all images in `batches` of (B, 3, H, W) in [-1, 1]: (n, d), float64."""
    return np.concatenate([extractor.features(x).cpu().double().numpy() for x in batches])


def rfd_label(extractor: FeatureExtractor, n: int) -> str:
    """The name under which an rFD is shown; "rFID" is kept for the Inception of the literature."""
    return f"r{_fd(extractor.name)} ({extractor.name}, N={n})"


def limit_label(extractor: str) -> str:
    """The name of an rFD of infinitely many images, extrapolated: `stats.Originals.distances`."""
    return f"r{_fd(extractor)} ({extractor}, N → ∞)"


def gfd_label(extractor: FeatureExtractor, generated: int, real: int) -> str:
    """The name under which a gFD is shown: of `generated` images against `real` ones."""
    return f"g{_fd(extractor.name)} ({extractor.name}, N={generated} generated, {real} real)"


def kid_label(extractor: FeatureExtractor, n: int) -> str:
    """The name under which a kernel distance is shown; "KID" is kept for Inception."""
    distance = "KID" if extractor.name == Inception.name else "Kernel distance"
    return f"{distance} ({extractor.name}, N={n})"


def rfd(X: np.ndarray, Y: np.ndarray, extractor: FeatureExtractor) -> FrechetDistance:
    """Fréchet distance from images to their reconstructions, row i of X to row i of Y, (n, d).

    The estimate is biased upward, the more the smaller N: compare at the same N and images only.
    """
    X, Y = _matrices(X, Y, paired=True)
    return FrechetDistance(frechet_distance(X, Y), len(X), rfd_label(extractor, len(X)))


def gfd(X: np.ndarray, Y: np.ndarray, extractor: FeatureExtractor) -> FrechetDistance:
    """Fréchet distance from real images X (n, d) to generated ones Y (m, d).

    Two halves of one set of real images are not at 0: the bias is far larger than that of `rfd`.
    """
    X, Y = _matrices(X, Y)
    label = gfd_label(extractor, len(Y), len(X))
    return FrechetDistance(frechet_distance(X, Y), len(Y), label)


def frechet_distance(X: np.ndarray, Y: np.ndarray) -> float:
    """Fréchet distance of Gaussians fitted to X (n, d) and Y (m, d), sample covariances C:

        FD = |μ_X - μ_Y|² + tr C_X + tr C_Y - 2 tr (C_X C_Y)^½

    With C_X = AᵀA and C_Y = BᵀB the last trace is the nuclear norm of A Bᵀ. A is the centred data
    over √(n-1), n × d, or where n > d the triangular factor of its QR decomposition, d × d. This
    needs no square root of a (perhaps singular) matrix. Computed in float64.
    """
    X, Y = _matrices(X, Y)
    A, B = covariance_factor(X), covariance_factor(Y)
    cross = np.linalg.norm(A @ B.T, "nuc")
    distance = np.square(X.mean(0) - Y.mean(0)).sum() + (A**2).sum() + (B**2).sum() - 2 * cross
    return max(0.0, float(distance))  # rounding can leave -1e-13 for equal sets


def kid(X: np.ndarray, Y: np.ndarray, paired: bool = False) -> float:
    """Kernel distance of X (n, d) and Y (m, d), k(a, b) = (a·b/d + 1)³; may fall below 0.

        KID = mean_{i≠j} k(x_i, x_j) + mean_{i≠j} k(y_i, y_j) - 2 mean k(x_i, y_j)

    This is unbiased for independent sets. If y_i is the reconstruction of x_i they are not, and the
    terms k(x_i, y_i) pull it down: `paired` leaves them out of the last mean (n = m needed). One
    estimate over all rows, no random subsets. Computed in float64.
    """
    X, Y = _matrices(X, Y, paired)
    within = _mean_off_diagonal(_kernel(X, X)) + _mean_off_diagonal(_kernel(Y, Y))
    across = _kernel(X, Y)
    return float(within - 2 * (_mean_off_diagonal(across) if paired else across.mean()))


def bootstrap_interval(
    values: Tensor, generator: torch.Generator, level: float = 0.95, resamples: int = 2000
) -> Interval:
    """Percentile bootstrap interval of the mean of `values` (n,), finite, on the CPU."""
    if values.ndim != 1 or len(values) < 2 or not values.isfinite().all():
        raise ValueError("At least two finite values are needed.")
    values, n = values.double(), len(values)
    means = values[torch.randint(n, (resamples, n), generator=generator)].mean(1)
    tail = (1 - level) / 2
    low, high = means.quantile(torch.tensor([tail, 1 - tail], dtype=means.dtype)).tolist()
    return Interval(low, high)


def _fd(extractor: str) -> str:
    return "FID" if extractor == Inception.name else "FD"


def _matrices(X: np.ndarray, Y: np.ndarray, paired: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """X and Y in float64; ValueError unless they are (n, d) and (m, d), paired: n = m."""
    X, Y = np.asarray(X, np.float64), np.asarray(Y, np.float64)
    fits = X.ndim == Y.ndim == 2 and X.shape[1] == Y.shape[1] and min(len(X), len(Y)) > 1
    if not fits or (paired and len(X) != len(Y)):
        raise ValueError(
            "Two feature matrices of one width and at least two rows each "
            f"(paired: equally many) are needed, not {X.shape} and {Y.shape}."
        )
    return X, Y


def covariance_factor(X: np.ndarray) -> np.ndarray:
    """A, (min(n, d), d), with AᵀA the sample covariance of X."""
    A = (X - X.mean(0)) / np.sqrt(len(X) - 1)
    return np.linalg.qr(A, mode="r") if len(A) > A.shape[1] else A


def _kernel(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return (X @ Y.T / X.shape[1] + 1) ** 3


def _mean_off_diagonal(K: np.ndarray) -> float:
    n = len(K)
    return (K.sum() - np.trace(K)) / (n * (n - 1))
