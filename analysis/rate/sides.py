"""Do more pixels need more tokens? N, bits and loss of the same pictures at several sides.

Every picture is squared once for each side; patches keep their size in pixels, so that M grows with
the side. The same numbers over ε at the largest side tell what an estimator's ε costs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import BadData, table
from analysis.base.provenance import Data, Provenance
from analysis.base.results import Estimate, shown
from analysis.base.stats import mean_band
from tatok.config import TokenizerConfig
from tatok.images import load_image
from tatok.quality import psnr
from tatok.tokenizer import TaTok
from tatok.training.data import large_enough, list_images, spread

SIDES = (64, 96, 128, 160, 192, 224, 256)  # px, as far as the weights take them
EPSILONS = (0.0, 0.02, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.3)  # at the largest side
ESTIMATORS = ("gain", "rate", "residual")


@dataclass(frozen=True)
class SidePoint:
    """One side, estimator and ε, over all pictures.

    count, share    N, and N / M
    bits, psnr      exact size of the tokens; dB
    loss, worst     PSNR below that with all M patches, dB: mean with its interval, and the most
    """

    side: int
    patches: int
    estimator: str
    epsilon: float
    count: Estimate
    share: Estimate
    bits: Estimate
    psnr: Estimate
    loss: Estimate
    worst: float


@dataclass(frozen=True)
class Sides:
    """The result file. epsilon: of the points of all sides; the largest side has EPSILONS too."""

    id: str
    epsilon: float
    points: tuple[SidePoint, ...]
    provenance: Provenance

    @property
    def largest(self) -> int:
        """The largest side."""
        return max(point.side for point in self.points)

    def over_sides(self, estimator: str) -> list[SidePoint]:
        """The estimator's points at `epsilon`, by side."""
        found = [p for p in self.points if (p.estimator, p.epsilon) == (estimator, self.epsilon)]
        return sorted(found, key=lambda p: p.side)

    def over_epsilon(self, estimator: str) -> list[SidePoint]:
        """The estimator's points at the largest side, by ε."""
        found = [p for p in self.points if (p.estimator, p.side) == (estimator, self.largest)]
        return sorted(found, key=lambda p: p.epsilon)


def large_pictures(folder: Path, n: int, side: int) -> tuple[list[Path], Data]:
    """n pictures of a folder (of its */val, if it has some) that `side` does not enlarge much."""
    folders = [path for path in sorted(folder.glob("*/val")) if path.is_dir()] or [folder]
    files = spread(large_enough(list_images(folders), side), n)
    if len(files) < 2:
        raise BadData(f"2 or more images can be used, not {len(files)}.")
    names = "".join(f"{file.path.relative_to(folder).as_posix()}\n" for file in files)
    called = (
        f"{folder.resolve().name}{'/*/val' if folders != [folder] else ''}, {side} px or nearly"
    )
    return [file.path for file in files], Data(
        called, hashlib.sha256(names.encode()).hexdigest(), len(files)
    )


def sides_of(config: TokenizerConfig) -> list[int]:
    """SIDES as far as the weights take them; their own, if they take none of these."""
    return [side for side in SIDES if side in config.sides] or [config.image_size]


@torch.inference_mode()
def measure(
    model: TaTok, paths: Sequence[Path], origin: Provenance, seed: int = 0, batch: int = 4
) -> Sides:
    """All points; a bar tells the time left."""
    sides, own = sides_of(model.config), model.config.epsilon
    points = []
    with tqdm(total=len(sides) * len(paths), unit="image", dynamic_ncols=True) as bar:
        for side in sides:
            epsilons = sorted({*EPSILONS, own}) if side == sides[-1] else [own]
            found: dict[tuple[str, float], list[Tensor]] = {}
            for start in range(0, len(paths), batch):
                some = paths[start : start + batch]
                x = torch.cat([load_image(path, size=side) for path in some])
                for key, rows in _rows(model, x.to(model.device), epsilons).items():
                    found.setdefault(key, []).append(rows)
                bar.update(len(some))
            M = model.config.grid_of(side) ** 2
            points += [_point(side, M, *key, torch.cat(rows), seed) for key, rows in found.items()]
    return Sides("sides", own, tuple(points), origin)


def _rows(model: TaTok, x: Tensor, epsilons: Sequence[float]) -> dict[tuple[str, float], Tensor]:
    """For each estimator and ε: N, bits, PSNR and loss of each picture, (B, 4)."""
    encoding = model.encode(x)
    full = psnr(x, model.decode_all(encoding))
    made = {}
    for name in ESTIMATORS:
        evidence = model.measure(encoding, name)
        for epsilon in epsilons:
            tokens = model.quantize(encoding, model.filter(encoding, evidence, epsilon))
            decibels = psnr(x, model.decode(tokens))
            columns = tokens.count, tokens.bits(), decibels, full - decibels
            made[name, epsilon] = torch.stack([c.double().cpu() for c in columns], dim=1)
    return made


def _point(side: int, M: int, estimator: str, epsilon: float, rows: Tensor, seed: int) -> SidePoint:
    N, bits, decibels, loss = rows.unbind(dim=1)
    means = (mean_band(values, seed) for values in (N, N / M, bits, decibels, loss))
    return SidePoint(side, M, estimator, epsilon, *means, worst=loss.max().item())


def markdown(result: Sides) -> str:
    """Two tables, over the sides and over ε, and how they were made."""
    head = ["estimator", "side", "ε", "N", "N / M", "bits", "PSNR, dB", "below all, dB", "worst"]
    by_side, by_epsilon = (
        [_cells(point) for name in ESTIMATORS for point in over(name)]
        for over in (result.over_sides, result.over_epsilon)
    )
    parts = [
        f"**Over the side, ε = {result.epsilon}**",
        table(head, by_side),
        f"**Over ε, {result.largest} px**",
        table(head, by_epsilon),
        result.provenance.line(),
    ]
    return "\n\n".join(parts)


def _cells(p: SidePoint) -> list[str]:
    return [
        p.estimator,
        str(p.side),
        f"{p.epsilon:g}",
        shown(p.count, 0),
        f"{p.share.value:.1%}",
        f"{p.bits.value:,.0f}",
        f"{p.psnr.value:.2f}",
        shown(p.loss, 2),
        f"{p.worst:.2f}",
    ]
