"""Does position live in the codes? Linear probes from patches to their row and their column.

A probe sees one patch and nothing else. In upright pictures content alone predicts place (skies are
above), so the telling case is `rolled`: every picture, of training and test, is first rolled by a
random number of patches, so that what is left to find is what the network put in. Beside the
networks' features stands the same probe on a feature without a network and of the same size:
k-means codes of raw patches, as many, in as many dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import BadData, table
from analysis.base.provenance import Provenance
from analysis.base.results import Estimate, shown
from analysis.bias.controls import random_rolls
from analysis.bias.places import check_patches, floats, mean_estimate
from tatok.config import TokenizerConfig
from tatok.quality import psnr
from tatok.quantizer import kmeans, nearest
from tatok.streams import seeded
from tatok.tokenizer import TaTok
from tatok.transformer import patchify

CONDITIONS = ("upright", "rolled")
TARGETS = ("row", "column")
RAW = "raw patches"
RIDGE = 1e-4  # weight of |W|² / 2 beside the cross-entropy in nats
STEPS = 60  # of L-BFGS; the loss is convex
KMEANS_POINTS = 60_000


@dataclass(frozen=True)
class Accuracy:
    """Share of the patches whose row (or column) is named, and what guessing gives.

    chance is that of guesses with the probe's own frequencies, so that a probe that favours the
    edges gains nothing there.
    """

    value: Estimate
    chance: float


@dataclass(frozen=True)
class Probed:
    """One probe on the test images.

    feature    see FEATURES; dimensions: how many numbers it has, or how many codes
    edge       on the first and last row (column), centre: on the others
    by_class   accuracy in each row (column), (g,)
    """

    condition: str
    target: str
    feature: str
    dimensions: int
    accuracy: Accuracy
    edge: Accuracy
    centre: Accuracy
    by_class: tuple[float, ...]


@dataclass(frozen=True)
class ModelProbes:
    """The probes of one network.

    patches_help: dB that a quarter of the patches adds to none on the test pictures. A decoder that
    gains nothing from them cannot be asked where they belong.
    """

    weights: str
    layout: str
    probes: tuple[Probed, ...]
    provenance: Provenance
    patches_help: Estimate | None = None


@dataclass(frozen=True)
class Difference:
    """Of two accuracies on rolled pictures: mean over the test images, paired by image.

    name: which less which, "sequence − raw patches"
    """

    feature: str
    target: str
    name: str
    estimate: Estimate


@dataclass(frozen=True)
class Probes:
    """The result file: the same images and probes for each model, and for raw patches."""

    n_train: int
    n_test: int
    models: tuple[ModelProbes, ...]
    raw: tuple[Probed, ...]
    differences: tuple[Difference, ...]


# --- features --------------------------------------------------------------------------------

# What a probe may look at: name -> with a network, without.
FEATURES = {
    "code": "the code's index, one-hot of K",
    "code vector": "the code's vector, d_p numbers",
    "latent": "what is quantized, d_p numbers",
    "token": "the encoder's output, D numbers; without a network the patch's 3 s s pixels",
}


@dataclass(frozen=True)
class RawCodes:
    """A codebook without a network: principal components of raw patches, then k-means on them."""

    mean: Tensor  # (3 s s,)
    components: Tensor  # (3 s s, d_p)
    centres: Tensor  # (K, d_p)

    @classmethod
    def fit(cls, patches: Tensor, size: int, dim: int, generator: torch.Generator) -> RawCodes:
        """From raw patches (n, 3 s s), n >= `size`: `size` codes of `dim` numbers."""
        if len(patches) < size:
            raise BadData(f"The probes need {size} training patches or more, not {len(patches)}.")
        sample = patches[torch.randperm(len(patches), generator=generator)[:KMEANS_POINTS]]
        mean = sample.mean(dim=0)
        components = torch.linalg.svd(sample - mean, full_matrices=False).Vh[:dim].T
        return cls(mean, components, kmeans((sample - mean) @ components, size, generator))

    def features(self, patches: Tensor) -> dict[str, Tensor]:
        """FEATURES of patches (n, M, 3 s s)."""
        latents = (patches - self.mean) @ self.components
        codes = nearest(latents.flatten(0, 1), self.centres).view(latents.shape[:2])
        return _named(codes, self.centres, latents, patches)


@torch.no_grad()
def network_features(model: TaTok, images: Tensor, batch: int = 16) -> dict[str, Tensor]:
    """FEATURES of the model's patches, (n, M) or (n, M, d) each."""
    encodings = [model.encode(x) for x in images.split(batch)]
    made = [model.quantize_patches(encoding) for encoding in encodings]
    codes = torch.cat([q.codes for q in made])
    latents = torch.cat([q.latents for q in made])
    tokens = torch.cat([encoding.patches for encoding in encodings])
    return _named(codes, model.patch_codebook.codes, latents, tokens)


def _named(codes: Tensor, vectors: Tensor, latents: Tensor, tokens: Tensor) -> dict[str, Tensor]:
    return dict(zip(FEATURES, (codes, vectors[codes], latents, tokens), strict=True))


# --- probes ----------------------------------------------------------------------------------

Predict = Callable[[Tensor], Tensor]  # features -> logits (..., classes)


def fit_codes(codes: Tensor, labels: Tensor, size: int, classes: int, seed: int = 0) -> Predict:
    """Logistic regression on one-hot codes (n,) of K, exactly: log-frequencies of the classes.

    One count is shared out over the classes of every code; equal counts are decided at random.
    """
    counts = torch.bincount(codes * classes + labels, minlength=size * classes).view(size, classes)
    share = (counts.double() + 1 / classes) / (counts.sum(dim=1, keepdim=True) + 1)
    unsure = 1e-9 * torch.rand(share.shape, generator=seeded(seed, 10), dtype=share.dtype)
    logits = share.log() + unsure.to(share.device)
    return lambda c: logits[c]


def fit_vectors(points: Tensor, labels: Tensor, classes: int) -> Predict:
    """Multinomial logistic regression on points (n, d), labels (n,), by L-BFGS on all of them."""
    mean, deviation = points.mean(dim=0), points.std(dim=0).clamp(min=1e-6)
    standard = (points - mean) / deviation
    weight = points.new_zeros(points.shape[1], classes).requires_grad_()
    bias = points.new_zeros(classes).requires_grad_()
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(standard @ weight + bias, labels)
        value = value + 0.5 * RIDGE * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    W, b = weight.detach(), bias.detach()
    return lambda p: (p - mean) / deviation @ W + b


def score(guess: Tensor, labels: Tensor, chosen: Tensor, classes: int, seed: int) -> Accuracy:
    """Of guesses (n, M) at labels (n, M) on the places of the classes `chosen` (classes,) bool."""
    counted = chosen[labels]  # (n, M)
    right = ((guess == labels) & counted).sum(dim=1) / counted.sum(dim=1)  # by image
    frequency = torch.bincount(guess.flatten(), minlength=classes) / guess.numel()
    return Accuracy(mean_estimate(right, seed), frequency[chosen].mean().item())


# --- over a set ------------------------------------------------------------------------------

Describe = Callable[[Tensor], dict[str, Tensor]]  # images (n, 3, S, S) -> FEATURES


@dataclass(frozen=True)
class Measured:
    """The probes of one network, or of raw patches.

    right: of each probe, the share of the patches named right, by test image (n,)
    """

    probes: tuple[Probed, ...]
    right: tuple[Tensor, ...]


@torch.no_grad()
def patches_help(model: TaTok, images: Tensor, seed: int = 0, batch: int = 16) -> Estimate:
    """PSNR with M / 4 patches, those that DTF ranks first, less that with none, in dB."""
    gains = []
    for x in images.split(batch):
        x = x.to(model.residual_scale.device)
        encoding = model.encode(x)
        few, none = (
            psnr(
                x,
                model.decode(model.quantize(encoding, model.select(encoding, count=N))),
            )
            for N in (model.config.num_patches // 4, 0)
        )
        gains.append((few - none).cpu())
    return mean_estimate(torch.cat(gains), seed)


def measure(
    models: Sequence[TaTok], train: Tensor, test: Tensor, seed: int = 0
) -> tuple[Measured, ...]:
    """Fit on the patches of train (n, 3, S, S), test on those of other images.

    One entry for each model, and the last for raw patches. Raises BadData for models that cut
    pictures into other patches than the first, or have codebooks of another size.
    """
    config, device = models[0].config, models[0].device
    check_patches(config)
    if len({_shape(model.config) for model in models}) > 1:
        raise BadData("Only models with the same patches and codebook sizes can be compared.")
    train, test = train.to(device), test.to(device)
    patches = patchify(train, config).flatten(0, 1)
    raw = RawCodes.fit(patches, config.codebook_size, config.patch_code_dim, seeded(seed, 11))
    sources: list[Describe] = [partial(network_features, model) for model in models]
    sources.append(lambda images: raw.features(patchify(images, config)))
    found: list[list[tuple[Probed, Tensor]]] = [[] for _ in sources]
    rounds = len(CONDITIONS) * len(sources) * len(FEATURES) * len(TARGETS)
    with tqdm(total=rounds, unit="probe", dynamic_ncols=True) as bar:
        for condition in CONDITIONS:
            sets = [train, test]
            if condition == "rolled":
                sets = [random_rolls(x, config.patch_size, seed + i) for i, x in enumerate(sets)]
            for describe, of_source in zip(sources, found, strict=True):
                features = [describe(images) for images in sets]
                for name in FEATURES:
                    parts = tuple(of_set[name] for of_set in features)
                    for target in TARGETS:
                        of_source.append(_probe(config, condition, target, name, parts, seed))
                        bar.update()
    return tuple(Measured(*zip(*of_source, strict=True)) for of_source in found)


def _shape(config: TokenizerConfig) -> tuple[float, ...]:
    """What has to be the same for the same raw patches and codes."""
    c = config
    return c.image_size, c.patch_size, c.overlap, c.codebook_size, c.patch_code_dim


def _probe(
    config: TokenizerConfig,
    condition: str,
    target: str,
    name: str,
    parts: tuple[Tensor, ...],
    seed: int,
) -> tuple[Probed, Tensor]:
    """One probe on the features of training and test images; and its `Measured.right`."""
    g, K = config.grid, config.codebook_size
    train, test = parts
    place = torch.arange(g * g, device=train.device)
    of_place = place // g if target == "row" else place % g  # (M,)
    labels = of_place.repeat(len(train))
    if name == "code":
        predict = fit_codes(train.flatten(), labels, K, g, seed)
    else:
        predict = fit_vectors(train.flatten(0, 1), labels, g)
    guess, truth = predict(test).argmax(dim=2), of_place.expand(len(test), -1)
    every = torch.ones(g, dtype=torch.bool, device=train.device)
    edge = torch.zeros_like(every)
    edge[[0, -1]] = True
    right = (guess == truth).double()  # (n, M)
    by_class = torch.stack([right[:, of_place == c].mean() for c in range(g)])
    probed = Probed(
        condition,
        target,
        name,
        K if name == "code" else train.shape[2],
        score(guess, truth, every, g, seed),
        score(guess, truth, edge, g, seed),
        score(guess, truth, ~edge, g, seed),
        floats(by_class),
    )
    return probed, right.mean(dim=1)


def differences(
    names: Sequence[str], layouts: Sequence[str], found: Sequence[Measured], seed: int = 0
) -> tuple[Difference, ...]:
    """Each network less raw patches, and each of layout `sequence` less each of `grid`.

    found: of `measure`, names and layouts: of its models.
    """
    *networks, raw = found
    named = list(zip(names, layouts, networks, strict=True))
    pairs = [(name, RAW, network, raw) for name, _, network in named]
    pairs += [
        (name, other_name, network, other)
        for name, layout, network in named
        for other_name, other_layout, other in named
        if (layout, other_layout) == ("sequence", "grid")
    ]
    return tuple(
        Difference(one.feature, one.target, f"{name} − {other}", mean_estimate(a - b, seed))
        for name, other, first, second in pairs
        for one, a, b in zip(first.probes, first.right, second.right, strict=True)
        if one.condition == "rolled"
    )


# --- as text ---------------------------------------------------------------------------------


def markdown(result: Probes) -> str:
    """Accuracies, one row for each probe, and their differences."""
    head = ["pictures", "target", "feature", "from", "accuracy", "chance", "edge", "centre"]
    rows = [_cells(one, source) for source, probes in by_source(result) for one in probes]
    pairs = [
        [one.target, one.feature, one.name, shown(one.estimate, 3)] for one in result.differences
    ]
    note = "Differences on rolled pictures, paired by test image:"
    names = ["target", "feature", "difference", "of accuracy"]
    return f"{table(head, rows)}\n\n{note}\n\n{table(names, pairs)}"


def by_source(result: Probes) -> list[tuple[str, tuple[Probed, ...]]]:
    """What probes looked at, as words, and the probes: the models, then raw patches."""
    models = [(f"{one.weights} ({one.layout})", one.probes) for one in result.models]
    return [*models, (RAW, result.raw)]


def _cells(one: Probed, source: str) -> list[str]:
    parts = [
        f"{part.value.value:.3f} (chance {part.chance:.3f})" for part in (one.edge, one.centre)
    ]
    named = [one.condition, one.target, one.feature, source]
    return [*named, shown(one.accuracy.value, 3), f"{one.accuracy.chance:.3f}", *parts]
