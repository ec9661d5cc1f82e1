"""Fig. 8: where DTF keeps patches, on pictures that say nothing of places and on any others.

The unit of every interval and test is the image: the patches of an image are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import table
from analysis.base.provenance import Provenance
from analysis.base.results import Estimate, shown
from analysis.bias.controls import colours, noises, patterns
from analysis.bias.places import entropies, floats, kept, mean_estimate, roll_table
from tatok.entropy import ESTIMATORS
from tatok.streams import seeded
from tatok.tokenizer import TaTok

EPSILON = 0.15  # of Fig. 8
DRAWS = 9_999  # of the test: the smallest p is 1 / 10,000


@dataclass(frozen=True)
class Share:
    """Share of the kept patches that lies in a region, mean over images, beside what chance gives.

    region   "columns" (left and right), "rows" (top and bottom) or "border" (both)
    p        of `shift_test`; None for a single image
    """

    region: str
    share: Estimate
    chance: float
    p: float | None


@dataclass(frozen=True)
class Placement:
    """Where a set of images keeps its patches; maps are (M,) in raster order.

    epsilon    None: N is fixed
    n          images counted; left_out: those with all H = 0, of which DTF keeps patch 0 by the tie
               rule alone
    count      mean N
    entropy    mean H by place
    kept       mean over images of keep · M / N by place: 1 by chance
    shares     by region; none where no image counts
    """

    pictures: str
    estimator: str
    epsilon: float | None
    n: int
    left_out: int
    count: float
    entropy: tuple[float, ...]
    kept: tuple[float, ...]
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Twin:
    """Other weights on the same pictures, at the paper's share: the pair of layouts."""

    weights: str
    layout: str
    at_share: tuple[Placement, ...]
    provenance: Provenance


@dataclass(frozen=True)
class Bias:
    """The result file: every set of pictures by every estimator.

    placements at ε; at_share: the same with the paper's mean share of the patches kept of each
    image. Where ε leaves nearly all patches, the edges can hold hardly more of them than by chance.
    """

    placements: tuple[Placement, ...]
    provenance: Provenance
    at_share: tuple[Placement, ...] = ()
    twins: tuple[Twin, ...] = ()


def regions(grid: int) -> dict[str, Tensor]:
    """The outer columns, the outer rows, and both, as masks (M,)."""
    line = torch.zeros(grid, dtype=torch.bool)
    line[[0, -1]] = True
    columns, rows = line.expand(grid, grid), line[:, None].expand(grid, grid)
    masks = {"columns": columns, "rows": rows, "border": columns | rows}
    return {name: mask.reshape(-1) for name, mask in masks.items()}


def placement(
    pictures: str,
    estimator: str,
    entropy: Tensor,
    epsilon: float = EPSILON,
    seed: int = 0,
    count: int | None = None,
) -> Placement:
    """Where DTF keeps patches, from the entropies (n, M) of n images; ties broken at random.

    count: N of every image, whatever ε says; where fewer patches have H > 0 the rest are drawn at
    random, which pulls the shares towards chance.
    """
    fixed = None if count is not None else epsilon
    counted = entropy[(entropy > 0).any(dim=1)]
    n, M = counted.shape
    if n == 0:
        zeros = floats(torch.zeros(M))
        return Placement(pictures, estimator, fixed, 0, len(entropy), 0.0, zeros, zeros, ())
    keep = kept(counted, epsilon, seeded(seed, 3), count)
    share = keep.double() / keep.sum(dim=1, keepdim=True)  # (n, M), rows sum to 1
    shares = [
        Share(
            name,
            mean_estimate(share[:, mask].sum(dim=1), seed),
            mask.double().mean().item(),
            shift_test(share, mask, seeded(seed, 4)) if n > 1 else None,
        )
        for name, mask in regions(isqrt(M)).items()
    ]
    return Placement(
        pictures,
        estimator,
        fixed,
        n,
        len(entropy) - n,
        keep.sum(dim=1).double().mean().item(),
        floats(counted.mean(dim=0)),
        floats(M * share.mean(dim=0)),
        tuple(shares),
    )


def shift_test(share: Tensor, region: Tensor, generator: torch.Generator) -> float:
    """p of the mean share in a region, if each image's kept set could as well stand elsewhere.

    share (n, M), region (M,) bool. Under the hypothesis every image's kept set is moved round the
    torus by a shift of its own, each of the M shifts equally likely: the set keeps its shape, which
    drawing single patches would not, and the mean is the region's share of the places. Two-sided.
    For photographs a small p says that content or model prefers places, not which of the two.
    """
    n, M = share.shape
    shifted = region[roll_table(isqrt(M))].to(share)  # [r, p]: is p in the region moved by r?
    by_shift = share @ shifted.T  # (n, M)
    chance = region.double().mean()
    observed = (by_shift[:, 0].mean() - chance).abs()
    means = torch.zeros(DRAWS, dtype=share.dtype)
    for of_image in by_shift:
        means += of_image[torch.randint(M, (DRAWS,), generator=generator)] / n
    extreme = ((means - chance).abs() >= observed - 1e-12).sum().item()
    return (1 + extreme) / (1 + DRAWS)


def measure(
    model: TaTok,
    photographs: Tensor,
    n: int,
    k: int | None = None,
    epsilon: float = EPSILON,
    seed: int = 0,
    count: int | None = None,
) -> tuple[Placement, ...]:
    """Fig. 8's pictures one by one, then n noises, n flat colours, and the photographs as sets.

    count: N of every image, whatever ε says.
    """
    size = model.config.image_size
    sets = patterns(size) | {
        "noise": noises(n, size, seed),
        "colours": colours(n, size, seed),
        "photographs": photographs,
    }
    found = []
    with tqdm(total=sum(map(len, sets.values())), unit="image", dynamic_ncols=True) as bar:
        for name, images in sets.items():
            maps = entropies(model, images, tuple(ESTIMATORS), k, bar=bar)
            found += [placement(name, e, H, epsilon, seed, count) for e, H in maps.items()]
    return tuple(found)


def markdown(placements: Sequence[Placement]) -> str:
    """Share of the kept patches in the outer columns and rows against chance."""
    note = "p: not corrected for how many are looked at; one in twenty is below 0.05 by chance."
    head = ["pictures", "estimator", "n", "N", "columns", "rows", "chance", "p columns", "p rows"]
    return f"{table(head, [_cells(one) for one in placements])}\n\n{note}"


def _cells(one: Placement) -> list[str]:
    cells = [one.pictures, one.estimator, str(one.n), f"{one.count:.0f}"]
    if not one.shares:
        return [*cells, "H = 0", *["–"] * 4]
    columns, rows, _ = one.shares
    tests = ("–" if share.p is None else f"{share.p:.4f}" for share in (columns, rows))
    percent = [shown(share.share, 3) for share in (columns, rows)]
    return [*cells, *percent, f"{columns.chance:.3f}", *tests]
