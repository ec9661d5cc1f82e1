"""How much of an entropy map is about where: all M rolls of an image, taken apart.

Roll r shows content c at place p = c + r (mod g, in rows and columns). Over all M rolls every pair
of (place, content), (place, roll) and (content, roll) occurs exactly once, a Latin square: the
three main effects are orthogonal and their sums of squares add up exactly,

    SS_total = SS_place + SS_content + SS_roll + SS_rest.

There is one value per cell: rest is the interaction of place and content and any error, which this
design cannot tell apart. A factor that explains nothing still has the share 1 / (M + 1) of pure
noise.
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
from analysis.bias.controls import clouds, mirrored, noises
from analysis.bias.places import (
    RESOLUTION,
    check_patches,
    entropies,
    few_estimate,
    kept,
    roll_table,
)
from tatok.config import TokenizerConfig
from tatok.entropy import ESTIMATORS
from tatok.streams import seeded
from tatok.tokenizer import TaTok

FACTORS = ("place", "content", "roll", "rest")
RESPONSES = ("entropy", "kept")


@dataclass(frozen=True)
class Decomposition:
    """Variances over all rolls (sums of squares / M², unit of the values squared) of one image.

    effect_… (M,): means by place, by upright place of the content and by roll, less the grand mean.
    """

    place: float
    content: float
    roll: float
    rest: float
    total: float
    effect_place: Tensor
    effect_content: Tensor
    effect_roll: Tensor

    @property
    def shares(self) -> tuple[float, ...] | None:
        """Of the total, in the order of FACTORS; None where nothing varies."""
        if self.total == 0:
            return None
        return tuple(getattr(self, name) / self.total for name in FACTORS)


def decompose(values: Tensor) -> Decomposition:
    """Take apart values (M, M), [r, p] at place p under roll r."""
    values = values.double()
    table = roll_table(isqrt(len(values)))
    by_content = torch.zeros_like(values).scatter(1, table, values)  # [r, c]
    mean = values.mean()
    effects = [values.mean(dim=0), by_content.mean(dim=0), values.mean(dim=1)]
    place, content, roll = (effect - mean for effect in effects)
    rest = values - mean - place - content[table] - roll[:, None]
    parts = (place, content, roll, rest, values - mean)
    variances = [part.square().mean().item() for part in parts]
    if variances[-1] <= (RESOLUTION * values.abs().max().item()) ** 2:  # rounding, not variance
        variances = [0.0] * len(parts)
    return Decomposition(
        *variances,
        effect_place=place,
        effect_content=content,
        effect_roll=roll,
    )


def rolled_entropies(
    model: TaTok,
    x: Tensor,
    estimators: Sequence[str],
    k: int | None = None,
    batch: int = 16,
    bar: tqdm | None = None,
) -> dict[str, Tensor]:
    """H of all M rolls of one picture (1, 3, S, S) by each estimator, (M, M): [roll, place]."""
    M = model.config.num_patches
    parts: dict[str, list[Tensor]] = {name: [] for name in estimators}
    for start in range(0, M, batch):
        some = rolled(x, model.config, range(start, min(start + batch, M)))
        for name, H in entropies(model, some, estimators, k, batch, bar).items():
            parts[name].append(H)
    return {name: torch.cat(of_batches) for name, of_batches in parts.items()}


def rolled(x: Tensor, config: TokenizerConfig, rolls: range) -> Tensor:
    """Some of the M rolls of one picture (1, 3, S, S), (n, 3, S, S)."""
    check_patches(config)
    side = config.patch_size
    shifts = [divmod(r, config.grid) for r in rolls]
    return torch.cat([x.roll((dy * side, dx * side), dims=(2, 3)) for dy, dx in shifts])


def take_apart(
    maps: dict[str, Tensor], epsilon: float, seed: int = 0
) -> dict[tuple[str, str], Decomposition]:
    """By estimator and response, from the entropies (M, M) of all rolls of one picture."""
    found = {}
    for estimator, H in maps.items():
        keep = kept(H, epsilon, seeded(seed, 8))
        keep &= (H > 0).any(dim=1, keepdim=True)  # else the one patch is chance's
        found[estimator, "entropy"] = decompose(H)
        found[estimator, "kept"] = decompose(keep)
    return found


# --- over a set ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One factor: its variance and its share of the total, means over images."""

    factor: str
    variance: Estimate
    share: Estimate


@dataclass(frozen=True)
class Bar:
    """One stacked bar: a set of pictures, one estimator, H itself or the kept mask (0 or 1).

    n            images; left_out: those in which nothing varies
    total        mean variance over all rolls
    noise        the share that a factor without effect has, 1 / (M + 1)
    common       share of the place's variance that all images have in common: mean product of the
                 effects of two images over mean square; None for a single image
    """

    pictures: str
    estimator: str
    response: str
    n: int
    left_out: int
    parts: tuple[Part, ...]
    total: Estimate | None
    noise: float
    common: float | None


@dataclass(frozen=True)
class ModelBars:
    """The bars of one model."""

    weights: str
    layout: str
    bars: tuple[Bar, ...]
    provenance: Provenance


@dataclass(frozen=True)
class PlaceShares:
    """The result file: the same pictures by each model."""

    epsilon: float
    models: tuple[ModelBars, ...]


def bar_of(pictures: str, estimator: str, response: str, found: Sequence[Decomposition]) -> Bar:
    """The stacked bar of several images."""
    counted = [one for one in found if one.shares is not None]
    M = len(found[0].effect_place)
    n, left_out = len(counted), len(found) - len(counted)
    if not counted:
        return Bar(pictures, estimator, response, 0, left_out, (), None, 1 / (M + 1), None)
    shares = torch.tensor([one.shares for one in counted])  # (n, 4)
    parts = [
        Part(
            factor,
            few_estimate(torch.tensor([getattr(one, factor) for one in counted])),
            few_estimate(shares[:, j]),
        )
        for j, factor in enumerate(FACTORS)
    ]
    effects = torch.stack([one.effect_place for one in counted])  # (n, M)
    return Bar(
        pictures,
        estimator,
        response,
        n,
        left_out,
        tuple(parts),
        few_estimate(torch.tensor([one.total for one in counted])),
        1 / (M + 1),
        common_share(effects),
    )


def common_share(effects: Tensor) -> float | None:
    """Mean inner product of the maps of two images over the mean square, effects (n, M)."""
    n, squares = len(effects), effects.square().sum()
    if n < 2 or squares == 0:
        return None
    across = effects.sum(dim=0).square().sum() - squares  # over pairs of different images
    return (across / (n - 1) / squares).item()


def pictures(photographs: Tensor, n: int, size: int, seed: int) -> dict[str, Tensor]:
    """What is rolled: photographs, and controls in which the seam of a roll is absent."""
    return {
        "photographs": photographs,
        "photographs, seamless": mirrored(photographs),
        "clouds": clouds(n, size, seed, tileable=False),
        "clouds, seamless": clouds(n, size, seed),
        "noise": noises(n, size, seed),
    }


def measure(
    model: TaTok,
    photographs: Tensor,
    k: int | None = None,
    epsilon: float = 0.15,
    seed: int = 0,
) -> tuple[Bar, ...]:
    """A bar for every set of pictures (as many of each as photographs), estimator and response."""
    sets = pictures(photographs, len(photographs), model.config.image_size, seed)
    bars = []
    total = sum(map(len, sets.values())) * model.config.num_patches
    with tqdm(total=total, unit="roll", dynamic_ncols=True) as bar:
        for name, images in sets.items():
            found: dict[tuple[str, str], list[Decomposition]] = {
                (e, response): [] for e in ESTIMATORS for response in RESPONSES
            }
            for x in images.split(1):
                maps = rolled_entropies(model, x, tuple(ESTIMATORS), k, bar=bar)
                for key, one in take_apart(maps, epsilon, seed).items():
                    found[key].append(one)
            bars += [bar_of(name, *key, of_images) for key, of_images in found.items()]
    return tuple(bars)


def markdown(bars: Sequence[Bar]) -> str:
    """Shares of the variance, one row for each bar."""
    head = ["pictures", "estimator", "of", "n", *FACTORS, "variance", "place, common"]
    return table(head, [_cells(bar) for bar in bars])


def _cells(bar: Bar) -> list[str]:
    cells = [bar.pictures, bar.estimator, bar.response, str(bar.n)]
    if bar.total is None:
        return [*cells, *["–"] * len(FACTORS), "0", "–"]
    shares = [shown(part.share, 3) for part in bar.parts]
    common = "–" if bar.common is None else f"{bar.common:.3f}"
    return [*cells, *shares, f"{bar.total.value:.3g}", common]
