"""The model card's table: PSNR, bits and rFD on a fixed list of validation images.

Every PSNR is the mean over images of the PSNR of an image, peak to peak 2, short side resized to S
and centre cropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from analysis.base.extractors import FeatureExtractor
from analysis.base.metrics import FrechetDistance, rfd
from analysis.base.provenance import ROOT
from analysis.base.runner import Result, Setting, bits_of_counts, run
from tatok.config import TokenizerConfig
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES
from tatok.images import load_image
from tatok.quality import psnr
from tatok.quantizer import kmeans, nearest
from tatok.tokenizer import TaTok
from tatok.tokens import code_bits
from tatok.training.data import ImageFile, list_images, spread
from tatok.training.tokenizer import perplexity
from tatok.transformer import patchify, unpatchify

EPSILONS = (0.05, 0.15)  # of the paper's table, and of its Figs. 7 and 8
THUMBNAILS = (2, 4)  # sides, px
FLOOR_IMAGES, FLOOR_PATCHES = 2_000, 100  # training images, and patches taken from each
REFERENCES, TOKENS = "References without a network", "Tokens"


VALIDATION = ROOT / "assets" / "validation.txt"


class BadData(ValueError):
    """Images, or a list of them, that cannot be evaluated; the message is one sentence."""


# --- the fixed list --------------------------------------------------------------------------


def validation_list(root: Path, n: int) -> list[str]:
    """n file names relative to `root`, the same number from each of its folders */val.

    Evenly spaced over the sorted names, so that every class has its share.
    """
    folders = sorted(path for path in root.glob("*/val") if path.is_dir())
    if not folders:
        raise BadData(f"There is no folder */val in {root}.")
    names = []
    for i, folder in enumerate(folders):
        share = n * (i + 1) // len(folders) - n * i // len(folders)
        files = list_images([folder])
        if not 1 <= share <= len(files):
            raise BadData(f"From {folder} 1 to {len(files)} images can be listed, not {share}.")
        names += [file.path.relative_to(root).as_posix() for file in spread(files, share)]
    return names


def read_list(path: Path, n: int | None = None) -> list[str]:
    """The names in a list, or n of them, evenly spaced."""
    try:
        names = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path.name} is not a list of file names that can be read.") from error
    names = [name for name in names if name.strip()]
    n = len(names) if n is None else n
    if not 2 <= n <= len(names):
        raise BadData(f"{path.name} names {len(names)} images; 2 or more can be used, not {n}.")
    return spread(names, n)


def find(names: Sequence[str], roots: Sequence[Path]) -> list[Path]:
    """The file of each name, below the first root that has it."""
    found = [
        next((root / name for root in roots if (root / name).is_file()), None) for name in names
    ]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        where = ", ".join(map(str, roots))
        raise BadData(
            f"{len(missing)} of the {len(names)} images on the list are not in {where}; "
            f"the first is {missing[0]}."
        )
    return found


# --- rows ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A row that is to be measured: where it stands in the table, and how the images are coded."""

    section: str
    name: str
    setting: Setting


@dataclass(frozen=True)
class SetPSNR:
    """Mean PSNR in dB over the n images of one set; the set "all" is every image."""

    set: str
    n: int
    psnr: float


@dataclass(frozen=True)
class Row:
    """A measured row: mean and standard deviation over images of N, mean bits, PSNR by set, rFD.

    None where there is no such thing (a thumbnail has no N) or it was not computed (rFD).
    """

    section: str
    name: str
    setting: Setting | None
    count: float | None
    count_deviation: float | None
    bits: float | None
    psnr: tuple[SetPSNR, ...]
    rfd: FrechetDistance | None


@dataclass(frozen=True)
class CodebookUse:
    """How evenly the images use a codebook: the share of its K codes that occur, and perplexity.

    `tokens` is how many were counted: no more codes than that can occur. The perplexity is exp of
    the entropy of the counts, K if all codes occur equally often.
    """

    codebook: str
    k: int
    tokens: int
    share: float
    perplexity: float


@dataclass(frozen=True)
class Report:
    """All that one evaluation found."""

    rows: tuple[Row, ...]
    codebooks: tuple[CodebookUse, ...]


def plan(model: TaTok) -> list[Line]:
    """The table's rows, M patches of which a quarter and a half are kept (64 and 128 of 256)."""
    config = model.config
    M, k, own = config.num_patches, config.k, config.estimator
    counts = (M // 4, M // 2)
    patches = [("all", M), (str(counts[0]), counts[0]), ("no", 0)]
    lines = []
    for name, N in patches:
        for tokens in dict.fromkeys((k, 0, config.k_max)):
            if tokens == config.k_max != k and 0 < N < M:
                continue
            setting = Setting(tokens, N, estimator=own, features=tokens == k)
            lines.append(Line(TOKENS, f"{name} patches, k = {tokens}", setting))
    for N in counts:
        for policy, estimator in _policies():
            features = policy != "dtf" or estimator == own
            setting = Setting(k, N, None, estimator, policy, features)
            lines.append(Line(f"Policies at N = {N}", setting.label, setting))
        budget = int(bits_of_counts(model, Setting(k, N, estimator=own))[N])
        for policy, estimator in _policies():
            features = policy != "dtf" or estimator == own
            setting = Setting(k, N, None, estimator, policy, features)
            n = int((bits_of_counts(model, setting) <= budget).nonzero().max())
            if n != N:
                section = f"Policies at {budget:,} bits, those of DTF ({own}) with N = {N}"
                lines.append(Line(section, setting.label, replace(setting, count=n)))
    for policy, estimator in _policies():  # what G adds is measured against the best without it
        setting = Setting(0, counts[0], None, estimator, policy)
        lines.append(Line(f"Policies at N = {counts[0]}, k = 0", setting.label, setting))
    for epsilon in EPSILONS:
        for estimator in ESTIMATORS:
            setting = Setting(k, epsilon=epsilon, estimator=estimator)
            lines.append(Line(f"N at ε = {epsilon}", setting.label, setting))
    return lines


def _policies() -> list[tuple[str, str | None]]:
    """Every policy with its estimators: only DTF has a choice where N is given."""
    rest = [(policy, None) for policy in POLICIES if policy != "dtf"]
    return [*(("dtf", estimator) for estimator in ESTIMATORS), *rest]


# --- measuring -------------------------------------------------------------------------------


def evaluate(
    model: TaTok,
    images: Tensor,
    sets: Sequence[str],
    extractor: FeatureExtractor,
    train: Sequence[ImageFile],
    seed: int = 0,
) -> Report:
    """The whole table for images (n, 3, S, S), image i of the set sets[i].

    The floor is fitted to `train` files; without any its row is left out.
    """
    rows = references(images, sets, model.config, train, seed)
    lines = plan(model)
    measured = run(model, images, [line.setting for line in lines], extractor, seed)
    books = []
    for line in lines:
        result = measured.results[line.setting]
        distance = None
        if result.features is not None:
            distance = rfd(measured.features, result.features, extractor)
        rows.append(_row(line, result, sets, distance))
        if line.section == TOKENS and line.setting.count == model.config.num_patches:
            books += codebook_use(line.setting.k, result)
    return Report(tuple(rows), tuple(books))


def references(
    images: Tensor,
    sets: Sequence[str],
    config: TokenizerConfig,
    train: Sequence[ImageFile],
    seed: int,
) -> list[Row]:
    """Rows without a network: the floor, and thumbnails, whose numbers are not quantized."""
    rows = []
    if train:
        M = config.num_patches
        centres = floor_centres(train, config, torch.Generator().manual_seed(seed))
        parts = [psnr(x, nearest_patches(x, centres, config)) for x in images.split(8)]
        bits = float(code_bits(config.codebook_size) * M)
        name = f"floor: nearest of {config.codebook_size} raw patches"
        means = _by_set(torch.cat(parts), sets)
        rows.append(Row(REFERENCES, name, None, float(M), 0.0, bits, means, None))
    for side in THUMBNAILS:
        means = _by_set(psnr(images, thumbnails(images, side)), sets)
        name = f"thumbnail {side}×{side}, not quantized"
        rows.append(Row(REFERENCES, name, None, None, None, None, means, None))
    return rows


def floor_centres(
    files: Sequence[ImageFile], config: TokenizerConfig, generator: torch.Generator
) -> Tensor:
    """K k-means centres of raw patches, (K, 3 s s), from evenly spaced files; no network."""
    parts = []
    sample = spread(files, min(FLOOR_IMAGES, len(files)))
    for file in tqdm(sample, desc="patches", unit="image", dynamic_ncols=True):
        patches = patchify(load_image(file.open(), size=config.image_size), config)[0]  # (M, 3 s s)
        parts.append(patches[torch.randperm(len(patches), generator=generator)[:FLOOR_PATCHES]])
    points = torch.cat(parts)
    if len(points) < config.codebook_size:
        raise BadData(
            f"The floor needs at least {config.codebook_size} training patches, not {len(points)}."
        )
    return kmeans(points, config.codebook_size, generator)


def nearest_patches(x: Tensor, centres: Tensor, config: TokenizerConfig) -> Tensor:
    """Images (B, 3, S, S) with every patch replaced by the nearest of the centres."""
    patches = patchify(x, config)  # (B, M, 3 s s)
    codes = nearest(patches.flatten(0, 1), centres)
    return unpatchify(centres[codes].view_as(patches), config)


def thumbnails(x: Tensor, side: int) -> Tensor:
    """Images (B, 3, S, S) averaged over areas to side × side and scaled up, bicubic."""
    small = F.interpolate(x, (side, side), mode="area")
    return F.interpolate(small, x.shape[2:], mode="bicubic", align_corners=False).clamp(-1, 1)


def codebook_use(k: int, result: Result) -> list[CodebookUse]:
    """Use of both codebooks in a result of k global tokens; of one where no global was sent."""
    return [
        CodebookUse(name, k, int(use.sum()), (use > 0).float().mean().item(), perplexity(use))
        for name, use in (("patch", result.patch_use), ("global", result.global_use))
        if use.any()
    ]


def _row(line: Line, result: Result, sets: Sequence[str], distance: FrechetDistance | None) -> Row:
    N = result.count.double()
    return Row(
        line.section,
        line.name,
        line.setting,
        N.mean().item(),
        N.std().item(),
        result.bits.double().mean().item(),
        _by_set(result.psnr, sets),
        distance,
    )


def _by_set(values: Tensor, sets: Sequence[str]) -> tuple[SetPSNR, ...]:
    """Means over each set in order of appearance, and over all images if there are several."""
    names = list(dict.fromkeys(sets))
    groups = [(name, torch.tensor([s == name for s in sets])) for name in names]
    if len(names) > 1:
        groups.append(("all", torch.ones(len(sets), dtype=torch.bool)))
    return tuple(
        SetPSNR(name, int(rows.sum()), values[rows].double().mean().item()) for name, rows in groups
    )


# --- the table -------------------------------------------------------------------------------


def markdown(report: Report) -> str:
    """The report as Markdown: one table for each section, then the codebooks."""
    label = next((row.rfd.label for row in report.rows if row.rfd), "rFD")
    names = [f"PSNR {part.set} (n={part.n})" for part in report.rows[0].psnr]
    head = ["", "N", "bits", *names, label]
    tables = []
    for section in dict.fromkeys(row.section for row in report.rows):
        cells = [_cells(row) for row in report.rows if row.section == section]
        tables.append(f"**{section}**\n\n{table(head, cells)}")
    head = ["codebook", "k", "tokens", "codes used", "perplexity"]
    cells = [
        [b.codebook, str(b.k), f"{b.tokens:,}", f"{100 * b.share:.1f} %", f"{b.perplexity:,.0f}"]
        for b in report.codebooks
    ]
    tables.append(f"**Codebooks, all patches kept**\n\n{table(head, cells)}")
    return "\n\n".join(tables)


def _cells(row: Row) -> list[str]:
    count = "–" if row.count is None else f"{row.count:.0f}"
    if row.setting and row.setting.epsilon is not None:
        count = f"{row.count:.1f} ± {row.count_deviation:.1f}"
    bits = "–" if row.bits is None else f"{row.bits:,.0f}"
    distance = "–" if row.rfd is None else f"{row.rfd.value:.1f}"
    return [row.name, count, bits, *(f"{part.psnr:.2f}" for part in row.psnr), distance]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown; all columns but the first are numbers."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])
