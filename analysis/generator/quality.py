"""The generator's part of the model card: gFD, memorising, and what a classifier makes of it.

All pictures are compared at the generator's S × S, as many of each class. Beside every number of
the generated pictures stand those of held-out pictures and of their reconstructions, which no
generator of these tokens can be expected to beat.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import BadData, table
from analysis.base.extractors import Lite0
from analysis.base.metrics import FrechetDistance, frechet_distance, gfd
from analysis.base.provenance import Provenance
from tatok.files import write_tensors
from tatok.generator import MaskGIT
from tatok.images import BadImage, load_image
from tatok.sampling import SamplingOptions, sample
from tatok.tokenizer import TaTok
from tatok.training.data import ImageFile, list_images, spread

BATCH = 8
HALF = 0.5  # of the top-1 of the reconstructions: less and a class can hardly be told
Batch = tuple[Tensor, Tensor | None]  # images (B, 3, S, S), and N (B,) where they came from tokens
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One set of pictures, compared with the training pictures.

    options      how they were drawn; None: they are real, or reconstructions
    distance     Fréchet distance of their features to those of the training pictures
    memorised    share of which the nearest training picture, by features, is nearer to them, or to
                 their mirror images, than to its own nearest neighbour in the training set
    top1         share of those of an ImageNet class that Lite0 tells rightly among these classes
    count        mean N, and its standard deviation; None without tokens
    """

    name: str
    options: SamplingOptions | None
    distance: FrechetDistance
    memorised: float
    top1: float | None
    count: float | None
    count_deviation: float | None


@dataclass(frozen=True)
class Generation:
    """The result file: `generated` from the smallest gFD to the largest, then the references.

    chosen: the one of `choose` drawn anew, with another seed. Being the best of several, the
    numbers that chose it are too good; the new ones had no part in the choice.
    halves: distance of two disjoint halves of training pictures, real against real; epsilon: of the
    reconstructions; imagenet_classes: how many top1 tells apart; tokenizer: fingerprint.
    """

    generated: tuple[Row, ...]
    chosen: Row
    held_out: Row
    reconstructed: Row
    halves: FrechetDistance
    epsilon: float
    imagenet_classes: int
    tokenizer: str
    provenance: Provenance


# --- the pictures ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Pictures:
    """Training files, and n held-out files of which the i-th is of class i mod C."""

    training: tuple[ImageFile, ...]
    held_out: tuple[ImageFile, ...]

    @property
    def sha256(self) -> str:
        """Of the names, the training pictures' and the others', without the folder above."""
        return sha256_of(self.training + self.held_out)


def find_pictures(root: Path, folders: Sequence[str], n: int, limit: int | None) -> Pictures:
    """The files in root/*/train and root/*/val of the classes' folders; BadData if some lack.

    limit: use so many training pictures only, evenly spaced.
    """
    if n < 2 or (limit is not None and limit < 4):
        raise BadData("At least two generated and four training pictures are compared.")
    training = _of_classes(root, "train", folders)
    training = training if limit is None else spread(training, limit)
    return Pictures(tuple(training), held_out(root, folders, n))


def held_out(root: Path, folders: Sequence[str], n: int) -> tuple[ImageFile, ...]:
    """n files in root/*/val, the i-th of class i mod C; BadData if some lack."""
    files = _of_classes(root, "val", folders)
    found: list[ImageFile | None] = [None] * n
    for place, folder in enumerate(folders):
        own = [file for file in files if file.label == folder]
        share = len(found[place :: len(folders)])
        if share > len(own):
            raise BadData(f"--n {n} takes {share} held-out pictures of {folder}, of {len(own)}.")
        found[place :: len(folders)] = spread(own, share)
    return tuple(found)


def _of_classes(root: Path, part: str, folders: Sequence[str]) -> list[ImageFile]:
    """The files in root/*/part of the classes' folders; BadData for a class without any."""
    found = list_images(sorted(path for path in root.glob(f"*/{part}") if path.is_dir()))
    files = [file for file in found if file.label in folders]
    for folder in folders:
        if not any(file.label == folder for file in files):
            raise BadData(f"There are no pictures of the class {folder} in {root}/*/{part}.")
    return files


def sha256_of(files: Sequence[ImageFile]) -> str:
    """Of the files' names, without the folder above."""
    parts = ["/".join(file.path.parts[-4:]) for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def training_features(
    files: Sequence[ImageFile], size: int, extractor: Lite0, cache: Path | None
) -> np.ndarray:
    """Features (m, d) of the files that can be read, at size × size; kept in the folder `cache`.

    Under a name made of the extractor, the size and all content, so that what has changed is read.
    """
    digest = hashlib.sha256(f"{extractor.name} {size}".encode())
    for file in files:
        digest.update(hashlib.sha256(file.path.read_bytes()).digest())
    path = cache and cache / f"features-{digest.hexdigest()[:16]}"
    if path and path.exists():
        return load_file(path)["features"].double().numpy()
    parts = []
    for file in tqdm(files, desc="training pictures", unit="image", dynamic_ncols=True):
        try:
            parts.append(extractor(load_image(file.path, size=size)).features.cpu())
        except BadImage as error:
            log.warning("skipped: %s", error)
    if not parts:
        raise BadData("None of the training pictures can be read.")
    features = torch.cat(parts)
    if path:
        write_tensors(path, {"features": features})
    return features.double().numpy()


# --- what is measured ------------------------------------------------------------------------


def memorised(training: Tensor, features: Tensor) -> Tensor:
    """Which rows y of (n, d) have |y - x| < |x - x'|, (n,) bool: x the row of training (m, d)
    nearest to y, x' the other row nearest to x."""
    distance, x = _nearest(features, training)
    own, _ = _nearest(training[x], training, x)
    return distance < own


def _nearest(rows: Tensor, of: Tensor, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Distance and index of the nearest row in `of`; not of[without[i]] for row i."""
    parts = []
    for start in range(0, len(rows), 256):
        distance = torch.cdist(rows[start : start + 256], of)
        if without is not None:
            distance.scatter_(1, without[start : start + 256, None], torch.inf)
        parts.append(distance.min(dim=1))
    return tuple(torch.cat(values) for values in zip(*parts, strict=True))


def top1(logits: Tensor, labels: Tensor, imagenet: Sequence[int | None]) -> float | None:
    """Share of rows told rightly among the classes c with an ImageNet index imagenet[c].

    logits (n, 1000), labels (n,); rows of other classes do not count. None with fewer than two.
    """
    known = [c for c, index in enumerate(imagenet) if index is not None]
    if len(known) < 2:
        return None
    rows = torch.isin(labels, torch.tensor(known))
    picked = logits[rows][:, [imagenet[c] for c in known]].argmax(dim=1)
    return (torch.tensor(known)[picked] == labels[rows]).double().mean().item()


@dataclass(frozen=True)
class Judge:
    """Compares sets of pictures, of which the i-th is of class i mod C, with training features."""

    extractor: Lite0
    training: np.ndarray
    imagenet: tuple[int | None, ...]

    def row(
        self, name: str, batches: Iterable[Batch], options: SamplingOptions | None = None
    ) -> Row:
        """Every number of one set."""
        features, mirrored, logits, counts = [], [], [], []
        for images, count in batches:
            seen = self.extractor(images)
            features.append(seen.features.cpu())
            mirrored.append(self.extractor(images.flip(3)).features.cpu())
            logits.append(seen.logits.cpu())
            if count is not None:
                counts.append(count.cpu())
        X, Y = torch.from_numpy(self.training), torch.cat(features).double()
        copied = memorised(X, Y) | memorised(X, torch.cat(mirrored).double())
        N = torch.cat(counts).double() if counts else None
        return Row(
            name,
            options,
            gfd(self.training, Y.numpy(), self.extractor)
            if options
            else self.fd(self.training, Y.numpy()),
            copied.double().mean().item(),
            top1(torch.cat(logits), torch.arange(len(Y)) % len(self.imagenet), self.imagenet),
            None if N is None else N.mean().item(),
            None if N is None else N.std().item(),
        )

    def halves(self, n: int) -> FrechetDistance:
        """Of two disjoint, evenly spaced sets of min(n, m / 2) training pictures."""
        m = len(self.training)
        half = min(n, m // 2)
        rows = spread(list(range(m)), 2 * half)
        return self.fd(self.training[rows[0::2]], self.training[rows[1::2]])

    def fd(self, X: np.ndarray, Y: np.ndarray) -> FrechetDistance:
        """Of two sets of which none is generated."""
        label = f"FD ({self.extractor.name}, N={len(Y)} against {len(X)})"
        return FrechetDistance(frechet_distance(X, Y), len(Y), label)


def originals(files: Sequence[ImageFile], size: int) -> Iterator[Batch]:
    """The files in batches."""
    for start in range(0, len(files), BATCH):
        part = files[start : start + BATCH]
        yield torch.cat([load_image(file.path, size=size) for file in part]), None


def reconstructions(
    batches: Iterable[Batch], tokenizer: TaTok, generator: MaskGIT, epsilon: float
) -> Iterator[Batch]:
    """The pictures coded as the generator's training pictures were."""
    for x, _ in batches:
        encoding = tokenizer.encode(x.to(tokenizer.device), generator.config.k)
        selection = tokenizer.select(encoding, epsilon, generator.config.estimator)
        yield tokenizer.decode(tokenizer.quantize(encoding, selection)), selection.count


def generated(
    tokenizer: TaTok, generator: MaskGIT, n: int, options: SamplingOptions
) -> Iterator[Batch]:
    """n pictures, the i-th of class i mod C, from the stream (seed, i)."""
    classes = generator.config.classes
    for start in range(0, n, BATCH):
        labels = [i % len(classes) for i in range(start, min(n, start + BATCH))]
        for step in sample(generator, labels, None, tokenizer, start, **asdict(options)):
            tokens = step.tokens
        yield tokenizer.decode(tokens), tokens.count


# --- all of it -------------------------------------------------------------------------------


def class_folders(generator: MaskGIT, record: dict) -> tuple[str, ...]:
    """The folder of each class, from the training record; of an older one: folders named so."""
    return tuple(record.get("folders") or generator.config.classes)


@torch.inference_mode()
def measure(
    tokenizer: TaTok,
    generator: MaskGIT,
    judge: Judge,
    files: Sequence[ImageFile],
    settings: Sequence[SamplingOptions],
    provenance: Provenance,
) -> Generation:
    """Measure every setting on as many pictures as are held out, with a bar that tells the time.

    files: `Pictures.held_out`. The reconstructions are at the settings' ε, the same in all.
    """
    size, n = generator.side(tokenizer), len(files)
    (epsilon,) = {options.epsilon for options in settings}
    with tqdm(total=n * (3 + len(settings)), unit="image", dynamic_ncols=True) as bar:

        def counted(batches: Iterable[Batch]) -> Iterator[Batch]:
            for batch in batches:
                yield batch
                bar.update(len(batch[0]))

        held_out = judge.row("held-out pictures", counted(originals(files, size)))
        again = reconstructions(originals(files, size), tokenizer, generator, epsilon)
        reconstructed = judge.row("their reconstructions", counted(again))

        def draw(options: SamplingOptions, more: str = "") -> Row:
            batches = generated(tokenizer, generator, n, options)
            return judge.row(setting(options) + more, counted(batches), options)

        drawn = sorted(map(draw, settings), key=lambda row: row.distance.value)
        best = choose(drawn, reconstructed).options
        chosen = draw(replace(best, seed=best.seed + 1), ", drawn anew")
    return Generation(
        tuple(drawn),
        chosen,
        held_out,
        reconstructed,
        judge.halves(n),
        epsilon,
        sum(index is not None for index in judge.imagenet),
        tokenizer.fingerprint,
        provenance,
    )


def setting(options: SamplingOptions) -> str:
    """What tells one setting from another; global codes / patches where the two differ."""
    each = lambda pair: " / ".join(dict.fromkeys(f"{value:g}" for value in pair))  # noqa: E731
    return (
        f"guidance {each(options.guidances)} ({options.guidance_schedule}), temperature "
        f"{each(options.temperatures)}, choice temperature {options.choice_temperature:g}"
    )


def choose(drawn: Sequence[Row], reconstructed: Row) -> Row:
    """Of the smallest gFD among those that reach HALF the reconstructions' top-1, if any does."""
    ceiling = reconstructed.top1
    known = [row for row in drawn if ceiling and row.top1 >= HALF * ceiling]
    return min(known or drawn, key=lambda row: row.distance.value)


def markdown(result: Generation) -> str:
    """The table of the model card, and what has to be read with it."""
    best = result.chosen
    head = [
        "",
        best.distance.label,
        "nearer than the neighbour",
        f"top-1 of {result.imagenet_classes}",
        "N",
    ]
    rows = (*result.generated, result.held_out, result.reconstructed)
    cells = [_cells(f"**chosen**: {best.name}", best), *(_cells(row.name, row) for row in rows)]
    lines = [
        table(head, cells),
        f"The setting was chosen by these very numbers, of {len(result.generated)}: the smallest "
        "gFD of those with half the reconstructions' top-1, or of all if none has it. The first "
        f"row draws it anew, with seed {best.options.seed} for "
        f"{result.generated[0].options.seed}, and had no part in the choice.",
        f"Real against real: two halves of the training pictures are {result.halves.value:.1f} "
        f"apart, {result.halves.label}.",
        f"{best.options.steps} steps, ε = {result.epsilon:g}. Nearer than the neighbour: share of "
        "pictures whose nearest training picture, by Lite0's features, is nearer to them, or to "
        "their mirror images, than to its own nearest neighbour.",
    ]
    if best.top1 is not None and result.reconstructed.top1:
        share = best.top1 / result.reconstructed.top1
        lines.append(f"Top-1 of the chosen setting is {share:.0%} of the reconstructions'.")
    return "\n\n".join(lines)


def _cells(name: str, row: Row) -> list[str]:
    top = "–" if row.top1 is None else f"{row.top1:.1%}"
    count = "–" if row.count is None else f"{row.count:.1f} ± {row.count_deviation:.1f}"
    return [name, f"{row.distance.value:.1f}", f"{row.memorised:.1%}", top, count]
