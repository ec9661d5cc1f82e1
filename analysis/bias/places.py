"""What the files of the positional-bias lab share: entropies of many images, places, rolls.

Places are counted in raster order, 0..M-1 on a g × g grid. A roll moves the picture's content down
by dy and right by dx patches, what leaves on one side comes in on the other; roll r of the M rolls
has (dy, dx) = divmod(r, g).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import BadData
from analysis.base.results import Estimate
from analysis.base.stats import mean_band
from tatok import filtering
from tatok.config import TokenizerConfig
from tatok.tokenizer import TaTok

RESOLUTION = 1e-5  # of an entropy, relative to the image's largest


def check_patches(config: TokenizerConfig) -> None:
    """BadData unless the picture is exactly its patches, so that patches can be moved about."""
    if config.overlap:
        raise BadData("Patches can only be moved about where they do not overlap.")


@torch.no_grad()
def entropies(
    model: TaTok,
    images: Tensor,
    estimators: Sequence[str],
    k: int | None = None,
    batch: int = 16,
    bar: tqdm | None = None,
) -> dict[str, Tensor]:
    """H(p_i | G) by each estimator, (n, M) float64 on the CPU, from one encoding of the images."""
    parts: dict[str, list[Tensor]] = {name: [] for name in estimators}
    for x in images.split(batch):
        encoding = model.encode(x.to(model.device), k)
        for name in estimators:
            parts[name].append(model.measure(encoding, name).entropy.cpu())
        if bar is not None:
            bar.update(len(x))
    return {name: torch.cat(of_batches) for name, of_batches in parts.items()}


def kept(
    entropy: Tensor, epsilon: float, generator: torch.Generator, count: int | None = None
) -> Tensor:
    """DTF's mask (B, M) for entropies (B, M), but in `order`. N is that of Eq. 6, or `count`."""
    if count is None:
        N = filtering.dtf(entropy, epsilon).count
    else:
        N = torch.full((len(entropy),), count)
    return filtering.keep_first(order(entropy, generator), N)


def order(entropy: Tensor, generator: torch.Generator) -> Tensor:
    """Places by falling entropy, (B, M) -> (B, M), with ties broken at random.

    For statistics about places, where the paper's rule (lower index first) would itself look like a
    bias. Entropies that differ by less than single precision resolves are tied: their order is the
    processor's.
    """
    largest = entropy.amax(dim=1, keepdim=True).clamp(min=1e-300)
    rounded = (entropy / (RESOLUTION * largest)).round()
    shuffled = torch.rand(entropy.shape, generator=generator).argsort(dim=1)
    ranks = rounded.gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    return shuffled.gather(1, ranks)


def untied(entropy: Tensor, generator: torch.Generator) -> Tensor:
    """`order` as entropies without ties, (B, M): M at its first place, 1 at its last."""
    B, M = entropy.shape
    ranks = torch.arange(M, 0, -1, dtype=entropy.dtype).expand(B, M)
    return torch.zeros_like(entropy).scatter(1, order(entropy, generator), ranks)


def roll_table(grid: int) -> Tensor:
    """Which content stands where: [r, p] is the upright place of what roll r shows at p, (M, M)."""
    line = torch.arange(grid)
    back = (line[None] - line[:, None]) % grid  # [d, p] = p - d
    table = back[:, None, :, None] * grid + back[None, :, None, :]  # [dy, dx, row, column]
    return table.reshape(grid * grid, grid * grid)


def mean_estimate(values: Tensor, seed: int = 0) -> Estimate:
    """Mean over images, values (n,), with its bootstrap interval; none for a single image."""
    return replace(mean_band(values.cpu(), seed), replicates=())


def few_estimate(values: Tensor) -> Estimate:
    """The same for a dozen images, with Student's interval: a bootstrap is a seventh narrower.

    It may reach below 0 or above 1 where the values cannot.
    """
    from scipy.stats import t  # slow to import, and the page starts without

    n, mean = len(values), values.double().mean().item()
    if n < 2:
        return Estimate(mean)
    half = t.ppf(0.975, n - 1) * values.double().std().item() / n**0.5
    return Estimate(mean, mean - half, mean + half)


def floats(values: Tensor) -> tuple[float, ...]:
    """A flat tensor as a result file holds it, to six digits."""
    return tuple(float(f"{value:.6g}") for value in values.flatten().tolist())
