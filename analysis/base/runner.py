"""Runs a list of settings over images: where the model card's table and the curves come from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from analysis.base.extractors import FeatureExtractor
from tatok.filtering import Selection
from tatok.quality import psnr
from tatok.tokenizer import TaTok
from tatok.tokens import Encoding, Evidence


@dataclass(frozen=True)
class Seconds:
    """Wall clock of each part, over all images and settings.

    `select` holds entropies, filtering and quantization; `statistics` distances and intervals.
    """

    load: float = 0.0
    encode: float = 0.0
    select: float = 0.0
    decode: float = 0.0
    features: float = 0.0
    statistics: float = 0.0

    def __add__(self, other: Seconds) -> Seconds:
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return Seconds(*(a + b for a, b in pairs))

    def line(self) -> str:
        """One line to print."""
        return ", ".join(f"{name} {value:.0f} s" for name, value in asdict(self).items())


class Stopwatch:
    """Adds up wall clock by part: `with watch("decode"): …`."""

    def __init__(self) -> None:
        self._parts = dict.fromkeys((field.name for field in fields(Seconds)), 0.0)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._parts[part] += time.perf_counter() - start

    def lap(self) -> Seconds:
        """What has passed since the last lap."""
        taken = Seconds(**self._parts)
        self._parts = dict.fromkeys(self._parts, 0.0)
        return taken


@dataclass(frozen=True)
class Like:
    """N as another selection has it: DTF's with `estimator` at ε (None: the model's own).

    bits: not its N, but the most patches that take no more bits than its tokens do.
    """

    epsilon: float
    estimator: str | None = None
    bits: bool = False


@dataclass(frozen=True)
class Setting:
    """One way to code an image: k global tokens, and N patches.

    N is `count`, or as many as ε leaves, or as in `like`: one of the three. `estimator` ranks the
    patches of policy "dtf" and gives N where ε is set (None: the model's own). `features`: extract
    features of the reconstructions too, which costs more than decoding.
    """

    k: int
    count: int | None = None
    epsilon: float | None = None
    estimator: str | None = None
    policy: str = "dtf"
    features: bool = False
    like: Like | None = None

    def __post_init__(self) -> None:
        if [self.count, self.epsilon, self.like].count(None) != 2:
            raise ValueError("A setting has either a count or an epsilon or is like another.")

    @property
    def label(self) -> str:
        """The policy, and the estimator if it ranks."""
        return f"DTF, {self.estimator}" if self.policy == "dtf" else self.policy


@dataclass(frozen=True)
class Result:
    """What one setting gave, per image and in the order of the images.

    psnr       (n,) dB, of the decoded image clipped to [-1, 1]
    bits       (n,) exact size of the tokens
    count      (n,) N
    patch_use  (K,) how often each patch code was sent; global_use (K,) likewise
    features   (n, d) of the reconstructions, where the setting asks for them
    seconds    what it took; what several settings share counts for the first of them
    """

    psnr: Tensor
    bits: Tensor
    count: Tensor
    patch_use: Tensor
    global_use: Tensor
    features: np.ndarray | None
    seconds: Seconds


@dataclass(frozen=True)
class Run:
    """The result of each setting, and the features (n, d) of the images if any setting has some."""

    results: dict[Setting, Result]
    features: np.ndarray | None


def run(
    model: TaTok,
    images: Tensor,
    settings: Sequence[Setting],
    extractor: FeatureExtractor | None = None,
    seed: int = 0,
    batch: int = 8,
) -> Run:
    """Measure every setting on images (n, 3, S, S) in [-1, 1], with a bar that tells the time left.

    A setting named twice is measured once. See `Runner.measure`.
    """
    settings = tuple(dict.fromkeys(settings))
    runner = Runner(model, extractor, seed, batch)
    with tqdm(total=len(images) * len(settings), unit="image", dynamic_ncols=True) as bar:
        results = runner.measure(images, settings, progress=bar.update)
    wanted = any(setting.features for setting in settings)
    return Run(results, runner.features(images) if wanted else None)


@dataclass(frozen=True)
class Runner:
    """Measures settings with one model and extractor; policy "random" draws from `seed`."""

    model: TaTok
    extractor: FeatureExtractor | None = None
    seed: int = 0
    batch: int = 8
    _bits: dict[Setting, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def measure(
        self,
        images: Tensor,
        settings: Sequence[Setting],
        first: int = 0,
        progress: Callable[[int], object] = lambda n: None,
    ) -> dict[Setting, Result]:
        """Every setting on images (n, 3, S, S) in [-1, 1], which stand at `first` … in their set.

        A batch is encoded once for each k. Policy "random" draws for each setting anew; what it
        draws for an image depends on the seed and on the image's place in the set alone.
        `progress` is told how many images a setting has just finished; what it raises passes on.
        ValueError where the model refuses a setting, or one asks for features and there is no
        extractor.
        """
        if self.extractor is None and any(setting.features for setting in settings):
            raise ValueError("A setting with features needs an extractor.")
        draws = {setting: self._generator(setting, first) for setting in settings}
        parts: dict[Setting, list[Result]] = {setting: [] for setting in settings}
        for x in images.split(self.batch):
            encoded = _Encoded(self, x.to(self.model.device))
            for setting in settings:
                parts[setting].append(encoded.measure(setting, draws[setting]))
                progress(len(x))
        return {setting: joined(of_batches) for setting, of_batches in parts.items()}

    def features(self, images: Tensor) -> np.ndarray:
        """Features of images (n, 3, S, S): (n, d), float64."""
        return np.concatenate(
            [_features(self.extractor, x.to(self.model.device)) for x in images.split(self.batch)]
        )

    def bits_of_counts(self, setting: Setting) -> Tensor:
        """`bits_of_counts` of the model, remembered."""
        key = Setting(setting.k, 0, estimator=setting.estimator, policy=setting.policy)
        if key not in self._bits:
            self._bits[key] = bits_of_counts(self.model, key)
        return self._bits[key]

    def _generator(self, setting: Setting, first: int) -> torch.Generator:
        generator = torch.Generator().manual_seed(self.seed)
        if setting.policy == "random":  # the draws of the images before
            torch.rand(first, self.model.config.num_patches, generator=generator)
        return generator


def bits_of_counts(model: TaTok, setting: Setting) -> Tensor:
    """Bits with N = 0..M patches, (M + 1,), kept by the setting's policy and estimator.

    They depend on N and on who tells the decoder the places, which any image shows.
    """
    M, S = model.config.num_patches, model.config.image_size
    with torch.no_grad():
        encoding = model.encode(torch.zeros(1, 3, S, S, device=model.device), setting.k)
        none = model.select(encoding, estimator=setting.estimator, policy=setting.policy, count=0)
        tokens = model.quantize(encoding, none)
    kept = torch.ones(M + 1, M, dtype=torch.bool).tril(-1)  # row N keeps N patches
    return replace(
        tokens,
        global_codes=tokens.global_codes.expand(M + 1, -1),
        patch_codes=torch.where(kept, 0, -1),
    ).bits()


class _Encoded:
    """A batch; it is encoded once for each k, and H computed once for each estimator."""

    def __init__(self, runner: Runner, x: Tensor) -> None:
        self.runner, self.model, self.x = runner, runner.model, x
        self.encodings: dict[int, Encoding] = {}
        self.evidence: dict[tuple[int, str], Evidence] = {}
        self.watch = Stopwatch()

    def measure(self, setting: Setting, generator: torch.Generator) -> Result:
        """One setting on this batch."""
        with self.watch("encode"):
            if setting.k not in self.encodings:
                self.encodings[setting.k] = self.model.encode(self.x, setting.k)
        encoding = self.encodings[setting.k]
        with self.watch("select"):
            tokens = self.model.quantize(encoding, self.select(setting, generator))
        with self.watch("decode"):
            y = self.model.decode(tokens)
            decibels = psnr(self.x, y).cpu()
        use = [
            torch.bincount(codes.cpu().flatten(), minlength=tokens.codebook_size)
            for codes in (tokens.patch_codes[tokens.keep], tokens.global_codes)
        ]
        with self.watch("features"):
            features = _features(self.runner.extractor, y) if setting.features else None
        counts = tokens.count.cpu()
        return Result(decibels, tokens.bits(), counts, *use, features, self.watch.lap())

    def select(self, setting: Setting, generator: torch.Generator | None) -> Selection:
        """What `model.select` gives for the setting, with H computed once for each estimator."""
        encoding = self.encodings[setting.k]
        name = setting.estimator or self.model.config.estimator
        if (setting.k, name) not in self.evidence:
            self.evidence[setting.k, name] = self.model.measure(encoding, name)
        return self.model.filter(
            encoding,
            self.evidence[setting.k, name],
            0.0 if setting.epsilon is None else setting.epsilon,  # has no part in a given N
            setting.policy,
            self._count_like(setting) if setting.like else setting.count,
            generator,
        )

    def _count_like(self, setting: Setting) -> Tensor:
        """N of each image by `setting.like`, (B,)."""
        like = setting.like
        other = Setting(setting.k, epsilon=like.epsilon, estimator=like.estimator)
        N = self.select(other, None).count
        if not like.bits:
            return N
        budget = self.runner.bits_of_counts(other)[N.cpu()]  # (B,)
        fits = self.runner.bits_of_counts(setting) <= budget[:, None]  # (B, M + 1)
        return (fits * torch.arange(fits.shape[1])).amax(dim=1)


def _features(extractor: FeatureExtractor, x: Tensor) -> np.ndarray:
    return extractor.features(x).cpu().double().numpy()


def joined(parts: list[Result]) -> Result:
    """Results of consecutive batches as one."""
    return Result(
        psnr=torch.cat([part.psnr for part in parts]),
        bits=torch.cat([part.bits for part in parts]),
        count=torch.cat([part.count for part in parts]),
        patch_use=torch.stack([part.patch_use for part in parts]).sum(0),
        global_use=torch.stack([part.global_use for part in parts]).sum(0),
        features=(
            None if parts[0].features is None else np.concatenate([p.features for p in parts])
        ),
        seconds=sum((part.seconds for part in parts), Seconds()),
    )
