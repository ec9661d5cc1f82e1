"""Runs a list of settings over images: where the model card's table and the curves come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from analysis.extractors import FeatureExtractor
from tatok.filtering import Selection
from tatok.quality import psnr
from tatok.tokenizer import Evidence, TaTok


@dataclass(frozen=True)
class Setting:
    """One way to code an image: k global tokens, and `count` = N patches or as many as ε leaves.

    `estimator` ranks the patches of policy "dtf" and gives N where ε is set (None: the model's
    own). `features`: extract features of the reconstructions too, which costs more than decoding.
    """

    k: int
    count: int | None = None
    epsilon: float | None = None
    estimator: str | None = None
    policy: str = "dtf"
    features: bool = False

    def __post_init__(self) -> None:
        if (self.count is None) == (self.epsilon is None):
            raise ValueError("A setting has either a count or an epsilon.")


@dataclass(frozen=True)
class Result:
    """What one setting gave, per image and in the order of the images.

    psnr       (n,) dB, of the decoded image clipped to [-1, 1]
    bits       (n,) exact size of the tokens
    count      (n,) N
    patch_use  (K,) how often each patch code was sent; global_use (K,) likewise
    features   (n, d) of the reconstructions, where the setting asks for them
    """

    psnr: Tensor
    bits: Tensor
    count: Tensor
    patch_use: Tensor
    global_use: Tensor
    features: np.ndarray | None


@dataclass(frozen=True)
class Run:
    """The result of each setting, and the features (n, d) of the images if any setting has some."""

    results: dict[Setting, Result]
    features: np.ndarray | None


@torch.no_grad()
def run(
    model: TaTok,
    images: Tensor,
    settings: Sequence[Setting],
    extractor: FeatureExtractor | None = None,
    seed: int = 0,
    batch: int = 8,
) -> Run:
    """Measure every setting on images (n, 3, S, S) in [-1, 1], with a bar that tells the time left.

    A batch is encoded once for each k. A setting named twice is measured once. Policy "random"
    draws from `seed`, for each setting anew and independent of `batch`. ValueError where the model
    refuses a setting, or one asks for features and no extractor is given.
    """
    settings = tuple(dict.fromkeys(settings))
    wanted = any(setting.features for setting in settings)
    if wanted and extractor is None:
        raise ValueError("A setting with features needs an extractor.")
    device = next(model.parameters()).device
    draws = {setting: torch.Generator().manual_seed(seed) for setting in settings}
    parts: dict[Setting, list[Result]] = {setting: [] for setting in settings}
    originals: list[np.ndarray] = []
    with tqdm(total=len(images) * len(settings), unit="image", dynamic_ncols=True) as bar:
        for x in images.split(batch):
            x = x.to(device)
            encoded = {k: _Encoded(model, x, k) for k in {setting.k for setting in settings}}
            if wanted:
                originals.append(_features(extractor, x))
            for setting in settings:
                part = encoded[setting.k].measure(setting, draws[setting], extractor)
                parts[setting].append(part)
                bar.update(len(x))
    results = {setting: _joined(of_batches) for setting, of_batches in parts.items()}
    return Run(results, np.concatenate(originals) if wanted else None)


class _Encoded:
    """A batch encoded with k global tokens; entropies are computed once for all settings."""

    def __init__(self, model: TaTok, x: Tensor, k: int) -> None:
        self.model, self.x = model, x
        self.encoding = model.encode(x, k)
        self.evidence: dict[str, Evidence] = {}  # by estimator

    def measure(
        self, setting: Setting, generator: torch.Generator, extractor: FeatureExtractor | None
    ) -> Result:
        """One setting on this batch."""
        tokens = self.model.quantize(self.encoding, self.select(setting, generator))
        y = self.model.decode(tokens)
        use = [
            torch.bincount(codes.cpu().flatten(), minlength=tokens.codebook_size)
            for codes in (tokens.patch_codes[tokens.keep], tokens.global_codes)
        ]
        features = _features(extractor, y) if setting.features else None
        return Result(psnr(self.x, y).cpu(), tokens.bits(), tokens.count.cpu(), *use, features)

    def select(self, setting: Setting, generator: torch.Generator) -> Selection:
        """What `model.select` gives for the setting, with H computed once for each estimator."""
        name = setting.estimator or self.model.config.estimator
        if name not in self.evidence:
            self.evidence[name] = self.model.measure(self.encoding, name)
        epsilon = 0.0 if setting.epsilon is None else setting.epsilon  # has no part in a given N
        return self.model.filter(
            self.encoding, self.evidence[name], epsilon, setting.policy, setting.count, generator
        )


def _features(extractor: FeatureExtractor, x: Tensor) -> np.ndarray:
    return extractor.features(x).cpu().double().numpy()


def _joined(parts: list[Result]) -> Result:
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
    )
