"""The theory one can touch: rate and distortion of a picture (App. B), and what tokens can carry.

Rates are bits for the whole picture, distortions D mean square errors for x in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.base.evaluate import table
from analysis.base.provenance import Provenance
from analysis.base.results import Estimate, shown
from analysis.base.runner import Setting, run
from analysis.bias.places import mean_estimate
from tatok.entropy import distortion, rate_distortion
from tatok.quality import RANGE
from tatok.tokenizer import TaTok
from tatok.tokens import code_bits

# --- the spectrum, and reverse water-filling -------------------------------------------------


def dct_matrix(n: int) -> Tensor:
    """Orthonormal DCT-II, (n, n) float64: rows are frequencies."""
    frequency, place = torch.arange(n).double()[:, None], torch.arange(n).double()
    matrix = (torch.pi * (2 * place + 1) * frequency / (2 * n)).cos() * (2 / n) ** 0.5
    matrix[0] *= 0.5**0.5
    return matrix


@dataclass(frozen=True)
class Spectrum:
    """Variances of a Gaussian model of one picture: `variance` (c,), each of `weight` (c,) pixels.

    Sum of weight · variance = HWC σ², σ² the variance of Eq. 18.
    """

    variance: Tensor
    weight: Tensor


def spectrum(x: Tensor) -> Spectrum:
    """The picture's own spectrum, x (1, 3, S, S).

    The three channels are rotated to their principal axes, each axis is transformed by a DCT, and
    the squares are averaged over rings of one frequency: a variance from a single coefficient would
    be no estimate, and knowing it would cost more than it saves.
    """
    pixels = x[0].double() - x.double().mean()
    C, S = pixels.shape[:2]
    axes = torch.linalg.eigh(torch.einsum("cyx,dyx->cd", pixels, pixels)).eigenvectors
    transform = dct_matrix(S)
    squares = (transform @ torch.einsum("cyx,cd->dyx", pixels, axes) @ transform.T).square()
    line = torch.arange(S).double()
    ring = (line[:, None] ** 2 + line**2).sqrt().round().long()  # (S, S)
    rings = int(ring.max()) + 1
    index = (torch.arange(C)[:, None, None] * rings + ring).flatten()
    weight = torch.bincount(index, minlength=C * rings).double()
    total = torch.zeros(C * rings, dtype=torch.float64).index_add_(0, index, squares.flatten())
    met = weight > 0
    return Spectrum((total / weight)[met], weight[met])


def water_filling(spectrum: Spectrum, D: Tensor) -> Tensor:
    """R(D) of independent Gaussians by reverse water-filling, D (L,) > 0 -> bits (L,).

    R = sum of w/2 log2(v / θ) over v > θ, with the water level θ such that the mean of min(v, θ) is
    D; 0 where D is at least the mean variance. Never above Eq. 18, which is the flat spectrum.
    """
    v, order = spectrum.variance.sort()
    w = spectrum.weight[order]
    zero = v.new_zeros(1)
    below = torch.cat([zero, (w * v).cumsum(0)])  # distortion of the i smallest, all under water
    above = w.sum() - torch.cat([zero, w.cumsum(0)])  # weight of the others
    at_level = below[:-1] + v * above[:-1]  # distortion when the water stands at v_i; ascending
    target = torch.as_tensor(D, dtype=torch.float64) * w.sum()
    i = torch.searchsorted(at_level, target)  # the first v_i at or above the water
    i = i.clamp(max=len(v) - 1)
    level = ((target - below[i]) / above[i]).clamp(min=1e-300)
    wet = v[None] / level[:, None]  # (L, c)
    return 0.5 * (w * wet.clamp(min=1).log2()).sum(dim=1)


# --- what T asks, and what tokens carry ------------------------------------------------------


@dataclass(frozen=True)
class Demand:
    """What App. B asks of one picture, and what its tokens can carry; bits.

    D_G          distortion of the picture decoded from its k global tokens alone
    rate, rate_G R(D0) and R(D_G), by Eq. 18; water, water_G: by reverse water-filling
    alpha        R(D_G) / R(D0), None where R(D0) = 0; may exceed 1 where G alone is good enough
    minimum      T = max(0, R(D0) - R(D_G)); minimum_water: the same by reverse water-filling
    capacity     of all M patch codes, M log2 K
    """

    psnr: float  # dB, the target
    D0: float
    D_G: float
    rate: float
    rate_G: float
    alpha: float | None
    minimum: float
    water: float
    water_G: float
    minimum_water: float
    capacity: float


@torch.no_grad()
def demand(model: TaTok, x: Tensor, targets: Sequence[float], k: int | None = None) -> list[Demand]:
    """Of one picture x (1, 3, S, S), for each target PSNR in dB."""
    config = model.config
    y = model.decode_globals(model.encode(x.to(model.device), k)).to(x.device)
    D_G = (x - y).double().square().mean().item()
    D = torch.tensor([*(distortion(psnr) for psnr in targets), D_G], dtype=torch.float64)
    gaussian = [rate_distortion(x, d).item() for d in D]
    water = water_filling(spectrum(x), D.clamp(min=1e-12)).tolist()
    capacity = float(config.num_patches * code_bits(config.codebook_size))
    return [
        Demand(
            psnr,
            D[i].item(),
            D_G,
            gaussian[i],
            gaussian[-1],
            gaussian[-1] / gaussian[i] if gaussian[i] else None,
            max(0.0, gaussian[i] - gaussian[-1]),
            water[i],
            water[-1],
            max(0.0, water[i] - water[-1]),
            capacity,
        )
        for i, psnr in enumerate(targets)
    ]


# --- over a set ------------------------------------------------------------------------------

TARGETS = (16.0, 18.0, 20.0, 22.0, 24.0, 28.0)  # dB


@dataclass(frozen=True)
class Demanded:
    """Means over images for one target PSNR; shares are of the images.

    share_reached      D_G <= D0 already: T = 0
    share_beyond       T > capacity by Eq. 18; share_beyond_water: by reverse water-filling
    """

    psnr: float
    rate: Estimate
    minimum: Estimate
    water: Estimate
    minimum_water: Estimate
    share_reached: float
    share_beyond: float
    share_beyond_water: float


@dataclass(frozen=True)
class Floor:
    """Reconstruction error at one number of tokens in all, k of them global (Thm. 2.1, 3.2).

    bits: mean size of the tokens, which differs with the places to be told; psnr in dB; mse: mean
    square error; gain: dB beyond the row with k = 0, image by image.
    """

    k: int
    count: int
    bits: float
    psnr: Estimate
    mse: Estimate
    gain: Estimate


@dataclass(frozen=True)
class Theory:
    """The result file. capacity: bits of all M patch codes; n images."""

    n: int
    capacity: float
    demands: tuple[Demanded, ...]
    floors: tuple[Floor, ...]
    provenance: Provenance


def demands(
    model: TaTok, images: Tensor, targets: Sequence[float] = TARGETS, k: int | None = None
) -> tuple[Demanded, ...]:
    """`demand` over a set of images."""
    found = [demand(model, x, targets, k) for x in images.split(1)]
    return tuple(_demanded(column) for column in zip(*found, strict=True))


def _demanded(column: Sequence[Demand]) -> Demanded:
    mean = lambda name: mean_estimate(torch.tensor([getattr(d, name) for d in column]))  # noqa: E731
    share = lambda hits: sum(hits) / len(column)  # noqa: E731
    return Demanded(
        column[0].psnr,
        mean("rate"),
        mean("minimum"),
        mean("water"),
        mean("minimum_water"),
        share(d.D_G <= d.D0 for d in column),
        share(d.minimum > d.capacity for d in column),
        share(d.minimum_water > d.capacity for d in column),
    )


def floors(model: TaTok, images: Tensor) -> tuple[Floor, ...]:
    """M tokens in all: M patches and none global, or M - k patches and k global."""
    config = model.config
    M = config.num_patches
    settings = [Setting(k, M - k) for k in dict.fromkeys((0, config.k, config.k_max))]
    results = run(model, images, settings).results
    reference = results[settings[0]].psnr
    found = []
    for setting in settings:
        result = results[setting]
        bits = result.bits.double().mean().item()
        mse = RANGE**2 * 10 ** (-result.psnr.double() / 10)
        means = map(mean_estimate, (result.psnr, mse, result.psnr - reference))
        found.append(Floor(setting.k, setting.count, bits, *means))
    return tuple(found)


def markdown(theory: Theory) -> str:
    """Both tables."""
    head = ["target, dB", "R(D0)", "T", "R(D0), water", "T, water", "G is enough"]
    rows = []
    for d in theory.demands:
        bits = (d.rate, d.minimum, d.water, d.minimum_water)
        shares = (d.share_reached, d.share_beyond, d.share_beyond_water)
        cells = [*(f"{b.value:,.0f}" for b in bits), *(f"{100 * s:.0f} %" for s in shares)]
        rows.append([f"{d.psnr:g}", *cells])
    floors = [
        [
            str(f.k),
            str(f.count),
            f"{f.bits:,.0f}",
            shown(f.psnr, 2),
            shown(f.mse, 4),
            shown(f.gain, 2),
        ]
        for f in theory.floors
    ]
    demanded = table([*head, "T > capacity", "T > capacity, water"], rows)
    floor = table(["k", "patches", "bits", "PSNR", "MSE", "gain, dB"], floors)
    return f"All patch codes carry {theory.capacity:,.0f} bits.\n\n{demanded}\n\n{floor}"
