"""The paper's protocol on a whole validation set, shared among processes: rFD, PSNR, N and bits.

Pictures are squares of the tokenizer's side S, short side to S and centre cropped, in the order of
their names and in batches that do not depend on how many processes share them: the numbers of
several are those of one, bit for bit. Features are of originals and reconstructions alike, which
the extractor brings to the side where the paper compares (`extractors.Inception`: 256 px).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from analysis.base.evaluate import BadData, table
from analysis.base.metrics import FrechetDistance, rfd
from analysis.base.provenance import Provenance
from analysis.base.runner import Result, Runner, Setting, joined
from tatok.config import EPSILON, TokenizerConfig
from tatok.training.data import EmptyFolder, ImageFile, load_batch
from tatok.training.world import World


@dataclass(frozen=True)
class WholeRow:
    """Means over the pictures: N and its standard deviation, bits, PSNR in dB; and the rFD."""

    name: str
    setting: Setting
    count: float
    count_deviation: float
    bits: float
    psnr: float
    rfd: FrechetDistance


@dataclass(frozen=True)
class WholeSet:
    """The file of `python -m analysis rfid`."""

    image_size: int  # S, px
    rows: tuple[WholeRow, ...]
    provenance: Provenance


def settings(config: TokenizerConfig) -> dict[str, Setting]:
    """All patches without and with global tokens, DTF at the weights' own ε and at the paper's."""
    k, M = config.k, config.num_patches
    made = {
        f"all {M} patches": Setting(0, count=M, features=True),
        f"all {M} patches, {k} global": Setting(k, count=M, features=True),
    }
    for epsilon in dict.fromkeys((config.epsilon, EPSILON)):
        made[f"DTF, ε = {epsilon:g}, {k} global"] = Setting(k, epsilon=epsilon, features=True)
    return made


def measure(
    runner: Runner,
    files: Sequence[ImageFile],
    asked: Sequence[Setting],
    world: World,
) -> tuple[dict[Setting, Result], np.ndarray] | None:
    """Results of all files and features of the originals (n, d); in the first process alone.

    A file that cannot be read is named in the log and left out. BadData where fewer than 2 remain.
    """
    size = runner.batch
    batches = [files[first : first + size] for first in range(0, len(files), size)]
    mine = {}
    bar = tqdm(range(world.rank, len(batches), world.size), unit="batch", disable=world.rank > 0)
    for number in bar:
        try:
            x = load_batch(list(batches[number]), runner.model.config.image_size)
        except EmptyFolder:  # of this batch nothing is left
            continue
        mine[number] = (runner.measure(x, asked, first=number * size), runner.features(x))
    found = {number: part for share in world.gather(mine) for number, part in share.items()}
    if world.rank:
        return None
    parts = [found[number] for number in sorted(found)]
    if sum(len(features) for _, features in parts) < 2:
        raise BadData("2 or more pictures that can be read are needed.")
    results = {setting: joined([part[setting] for part, _ in parts]) for setting in asked}
    return results, np.concatenate([features for _, features in parts])


def rows(
    runner: Runner, asked: dict[str, Setting], found: dict[Setting, Result], features: np.ndarray
) -> tuple[WholeRow, ...]:
    """Means and distances, a row for each setting."""
    made = []
    for name, setting in asked.items():
        result = found[setting]
        N = result.count.double()
        made.append(
            WholeRow(
                name,
                setting,
                N.mean().item(),
                N.std().item(),
                result.bits.double().mean().item(),
                result.psnr.double().mean().item(),
                rfd(features, result.features, runner.extractor),
            )
        )
    return tuple(made)


def markdown(whole: WholeSet) -> str:
    """The rows as a table."""
    head = ["", "N", "bits", "PSNR", whole.rows[0].rfd.label]
    cells = [
        [
            row.name,
            f"{row.count:.1f} ± {row.count_deviation:.1f}",
            f"{row.bits:,.0f}",
            f"{row.psnr:.2f}",
            f"{row.rfd.value:.2f}",
        ]
        for row in whole.rows
    ]
    return table(head, cells)
