"""What it costs or gains to take the place out of the selection, or to keep the edges first.

All ways keep the same N, so that only the choice of places differs. DTF as the paper has it is the
reference. Where fewer than N patches have any H, as often by `rate`, the rest are drawn at random,
the same for all ways: the paper's rule (lower index first) would fill up from the top of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import table
from analysis.base.extractors import FeatureExtractor
from analysis.base.metrics import collect_features
from analysis.base.provenance import Provenance
from analysis.base.results import Estimate, shown
from analysis.base.stats import Originals, combine
from analysis.bias.controls import colours, noises, patterns, random_rolls
from analysis.bias.placement import regions
from analysis.bias.places import entropies, mean_estimate, untied
from analysis.paper.experiments import Images
from tatok.entropy import ESTIMATORS
from tatok.filtering import RULES, Correction
from tatok.quality import psnr
from tatok.streams import seeded
from tatok.tokenizer import TaTok

CONTENT_FREE = 32  # noises, and as many flat colours, behind the bias map


@dataclass(frozen=True)
class Way:
    """A way to choose N patches.

    bias: the pictures whose mean H by place the rule takes out, "content-free" or "rolled"
    (photographs rolled at random); None: nothing is taken out.
    """

    policy: str = "dtf"
    bias: str | None = None
    rule: str | None = None

    @property
    def name(self) -> str:
        """For a table."""
        if self.policy == "edges":
            return "edges first"
        return "the paper's" if self.bias is None else f"{self.rule}, {self.bias} pictures"


@dataclass(frozen=True)
class Cured:
    """One way at one N by one estimator, means over images.

    gain       dB of PSNR beyond the paper's way, image by image
    fd         rFD; fd_change: less that of the paper's way
    columns    share of the kept patches in the left and right columns
    limit_change   relative change of the rFD of infinitely many images; None of fewer than 2 d
    """

    estimator: str
    way: Way
    count: int
    psnr: Estimate
    gain: Estimate
    fd: Estimate
    fd_change: Estimate
    columns: float
    limit_change: Estimate | None = None


@dataclass(frozen=True)
class Cure:
    """The result file."""

    n: int
    fd_label: str
    rows: tuple[Cured, ...]
    provenance: Provenance


def content_free(size: int, seed: int = 0) -> Tensor:
    """White, black, flat colours and noises: the pictures of Fig. 8, (n, 3, S, S)."""
    flat = patterns(size)
    parts = [
        flat["white"],
        flat["black"],
        colours(CONTENT_FREE, size, seed + 1),
        noises(CONTENT_FREE, size, seed + 1),
    ]
    return torch.cat(parts)


def biases(
    model: TaTok, photographs: Tensor, k: int | None = None, seed: int = 0
) -> dict[str, dict[str, Tensor]]:
    """Mean H by place (M,): by the pictures behind it, then by estimator.

    photographs (n, 3, S, S): not those on which the cure is measured.
    """
    config = model.config
    sets = {
        "content-free": content_free(config.image_size, seed),
        "rolled": random_rolls(photographs, config.patch_size, seed),
    }
    return {
        name: {e: H.mean(dim=0) for e, H in entropies(model, x, tuple(ESTIMATORS), k).items()}
        for name, x in sets.items()
    }


def ways(maps: dict[str, Tensor]) -> list[tuple[Way, Correction | None]]:
    """The ways for one estimator, from its bias maps; without rules that a map does not allow."""
    found: list[tuple[Way, Correction | None]] = [(Way(), None), (Way("edges"), None)]
    for pictures, bias in maps.items():
        for rule in RULES:
            if rule == "subtract" or (bias > 0).all():
                found.append((Way("dtf", pictures, rule), Correction(bias, rule)))
    return found


Case = tuple[str, int, Way, Correction | None]  # estimator, N, and how N places are chosen
Measured = tuple[Tensor, np.ndarray, Tensor]  # of a batch: PSNR, features, share in outer columns


@torch.no_grad()
def measure(
    model: TaTok,
    images: Images,
    photographs: Tensor,
    extractor: FeatureExtractor,
    estimators: Sequence[str],
    counts: Sequence[int],
    k: int | None = None,
    seed: int = 0,
    batch: int = 8,
) -> tuple[Cured, ...]:
    """PSNR and rFD of `images` by every way at every N, the bias from other `photographs`."""
    maps = biases(model, photographs, k, seed)
    columns = regions(model.config.grid)["columns"]
    cases: list[Case] = [
        (estimator, N, way, correction)
        for estimator in estimators
        for N in counts
        for way, correction in ways({name: by[estimator] for name, by in maps.items()})
    ]
    parts: list[list[Measured]] = [[] for _ in cases]
    originals = []
    with tqdm(total=len(images) * len(cases), unit="image", dynamic_ncols=True) as bar:
        for part, start in enumerate(range(0, len(images), batch)):
            x = images[start : start + batch].to(model.device)
            originals.append(collect_features([x], extractor))
            encoding = model.encode(x, k)
            evidence = {name: model.measure(encoding, name) for name in estimators}
            for case, (estimator, N, way, correction) in enumerate(cases):
                H = evidence[estimator].entropy.cpu()
                H = H if correction is None else correction(H)
                H = untied(H, seeded(seed, 14, part)).to(x.device)
                ranked = replace(evidence[estimator], entropy=H, rank=H)
                selection = model.filter(encoding, ranked, 0.0, way.policy, N)
                y = model.decode(model.quantize(encoding, selection))
                outer = selection.keep.cpu()[:, columns].sum(dim=1) / N
                parts[case].append((psnr(x, y).cpu(), collect_features([y], extractor), outer))
                bar.update(len(x))
    return _rows(cases, parts, np.concatenate(originals), seed)


def _rows(
    cases: list[Case], parts: list[list[Measured]], originals: np.ndarray, seed: int
) -> tuple[Cured, ...]:
    references, rows = Originals(originals), []
    for (estimator, N, way, _), of_batches in zip(cases, parts, strict=True):
        decibels, features, outer = zip(*of_batches, strict=True)
        decibels = torch.cat(decibels)
        fd, limit = references.distances(np.concatenate(features))
        if way == Way():
            paper = decibels, fd, limit
        changed = None
        if limit is not None:
            changed = combine(lambda a, b: b / a - 1, paper[2].estimate, limit.estimate)
            changed = replace(changed, replicates=())
        rows.append(
            Cured(
                estimator,
                way,
                N,
                mean_estimate(decibels, seed),
                mean_estimate(decibels - paper[0], seed),
                replace(fd, replicates=()),
                replace(combine(lambda a, b: b - a, paper[1], fd), replicates=()),
                torch.cat(outer).mean().item(),
                changed,
            )
        )
    return tuple(rows)


def markdown(cure: Cure) -> str:
    """One row for each way, N and estimator."""
    head = ["way", "estimator", "N", "PSNR", "gain, dB", cure.fd_label, "change", "outer columns"]
    rows = [
        [
            row.way.name,
            row.estimator,
            str(row.count),
            shown(row.psnr, 2),
            shown(row.gain, 2),
            shown(row.fd, 1),
            shown(row.fd_change, 1),
            f"{row.columns:.3f}",
        ]
        for row in cure.rows
    ]
    return table(head, rows)
