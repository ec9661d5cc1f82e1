"""The tokenizer behind the page: pictures in, entropy maps and reconstructions out.

Every method is a pure function of its arguments. The caches only remember: a slider that moves ε
costs one decoding, not a new encoding.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from analysis.view.state import Settings
from tatok import Encoding, Selection, TaTok, Tokens, load_image
from tatok.report import Report, report
from tatok.tokenizer import Evidence

Box = tuple[int, int, int]  # left, top, side in pixels of the upright original
CACHED = 48  # entries per cache; at most a few megabytes each, so the caches stay below 200 MB


@dataclass(frozen=True)
class Square:
    """A picture as the model sees it: x (1, 3, S, S) in [-1, 1], told apart by its content."""

    key: str
    x: Tensor = field(compare=False, repr=False)


@dataclass(frozen=True)
class Result:
    """One picture through the tokenizer; image (1, 3, S, S) in [-1, 1]."""

    selection: Selection
    tokens: Tokens
    image: Tensor
    statistics: Report


class Engine:
    """A model with memory-capped caches, safe to call from several threads."""

    def __init__(self, model: TaTok) -> None:
        self.model = model
        self.square = lru_cache(CACHED)(self._square)
        self.encode = lru_cache(CACHED)(self._encode)
        self.codes = lru_cache(CACHED)(self._codes)
        self.measure = lru_cache(CACHED)(self._measure)

    def _square(self, path: str, box: Box | None) -> Square:
        """The square `box` of a picture file (None: the centre). Raises BadImage."""
        x = load_image(path, self.model.config.image_size, box)
        return Square(hashlib.sha256(x.numpy().tobytes()).hexdigest()[:16], x)

    @torch.inference_mode()
    def _encode(self, square: Square, k: int) -> Encoding:
        return self.model.encode(square.x, k)

    @torch.inference_mode()
    def _codes(self, square: Square, k: int) -> Tensor:
        """The code of every patch, (M,), kept or not."""
        encoding, M = self.encode(square, k), self.model.config.num_patches
        everything = self.model.select(encoding, count=M, estimator="gaussian")
        return self.model.quantize(encoding, everything).patch_codes[0]

    @torch.inference_mode()
    def _measure(
        self, square: Square, k: int, estimator: str, target_psnr: float | None
    ) -> Evidence:
        """H and T, which depend neither on ε nor on the policy."""
        return self.model.measure(self.encode(square, k), estimator, target_psnr)

    @torch.inference_mode()
    def select(self, square: Square, settings: Settings) -> Selection:
        """What `TaTok.select` returns for these settings, from the remembered entropies."""
        return self.model.filter(
            self.encode(square, settings.k),
            self.measure(square, settings.k, settings.estimator, settings.target_psnr),
            settings.epsilon,
            settings.policy,
        )

    @torch.inference_mode()
    def tokenize(self, square: Square, settings: Settings) -> Result:
        """Select, quantize, decode and measure."""
        selection = self.select(square, settings)
        tokens = self.model.quantize(self.encode(square, settings.k), selection)
        image = self.model.decode(tokens)
        return Result(selection, tokens, image, report(square.x, image, selection, tokens))
