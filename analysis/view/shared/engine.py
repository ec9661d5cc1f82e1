"""The tokenizer behind the page: pictures in, entropy maps and reconstructions out.

Every method is a pure function of its arguments. The caches only remember: a slider that moves ε
costs one decoding, not a new encoding.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
from torch import Tensor

from analysis.view.shared.settings import Settings
from tatok import Encoding, Selection, TaTok, Tokens, load_image
from tatok.bench.products import seconds
from tatok.entropy import patch_errors
from tatok.images import open_image
from tatok.report import Report, report
from tatok.tokens import Evidence

Box = tuple[int, int, int]  # left, top, side in pixels of the upright original
CACHED = 48  # entries per cache; at most a few megabytes each, so the caches stay below 200 MB
OPENED = 2  # pictures as large as they came, 36 MB each at 12 megapixels


@torch.inference_mode()
def decode_seconds(model: TaTok, half: bool) -> float:
    """What it takes here to decode a picture of config.image_size, measured for a fifth of a
    second; half as in `Engine`."""
    c, engine = model.config, Engine(model, half=half)
    codes = (torch.zeros(1, n, dtype=torch.long) for n in (c.k, c.num_patches))
    tokens = Tokens(*codes, c.layout, c.codebook_size)
    return seconds(lambda: engine.image(tokens), 0.2)


@dataclass(frozen=True)
class Square:
    """A picture as the model sees it: x (1, 3, S, S) in [-1, 1], told apart by its content."""

    key: str
    x: Tensor = field(compare=False, repr=False)

    @classmethod
    def of(cls, x: Tensor) -> Square:
        """From its pixels."""
        return cls(hashlib.sha256(x.numpy().tobytes()).hexdigest()[:16], x)


@dataclass(frozen=True)
class Result:
    """One picture through the tokenizer; image (1, 3, S, S) in [-1, 1]."""

    selection: Selection
    tokens: Tokens
    image: Tensor
    statistics: Report


class Engine:
    """A model with memory-capped caches, safe to call from several threads.

    The model computes on its device. Pictures come from the CPU, and all but an Encoding is back
    there.
    """

    def __init__(self, model: TaTok, side: int | None = None, half: bool = False) -> None:
        """side: of a picture where none is named, pixels (None: the model's image_size). half:
        pictures to look at are decoded in bfloat16; tokens and entropies never depend on it."""
        self.model, self.half = model, half
        self.side = side or model.config.image_size
        self.open = lru_cache(OPENED)(open_image)
        self.square = lru_cache(CACHED)(self._square)
        self.encode = lru_cache(CACHED)(self._encode)
        self.quantize = lru_cache(CACHED)(self._quantize)
        self.measure = lru_cache(CACHED)(self._measure)

    def _square(self, path: str, box: Box | None, side: int | None = None) -> Square:
        """The square `box` of a picture file (None: the centre), `side` pixels wide (None: the
        engine's). Raises BadImage."""
        return Square.of(load_image(self.open(path), side or self.side, box))

    def grid(self, square: Square) -> int:
        """Patches along its side."""
        return self.model.config.grid_of(square.x.shape[-1])

    @torch.inference_mode()
    def _encode(self, square: Square, k: int) -> Encoding:
        return self.model.encode(square.x.to(self.model.device), k)

    @torch.inference_mode()
    def _quantize(self, square: Square, k: int) -> Tokens:
        """The codes of the k global tokens and of every patch, kept or not."""
        return self.model.quantize(self.encode(square, k)).to("cpu")

    @torch.inference_mode()
    def _measure(
        self, square: Square, k: int, estimator: str, target_psnr: float | None
    ) -> Evidence:
        """H and T, which depend neither on ε nor on the policy."""
        return self.model.measure(self.encode(square, k), estimator, target_psnr).to("cpu")

    @torch.inference_mode()
    def error_of_all(self, square: Square, k: int) -> float:
        """sum_i D_i of the image decoded from all patches: see `predicted_loss`."""
        image = self.model.decode_all(self.encode(square, k)).cpu()
        return float(patch_errors(square.x, image, self.model.config).sum())

    @torch.inference_mode()
    def select(self, square: Square, settings: Settings) -> Selection:
        """What `TaTok.select` returns for these settings, then what is forced by hand."""
        selection = self.model.filter(
            self.encode(square, settings.k),
            self.measure(square, settings.k, settings.estimator, settings.target_psnr),
            settings.epsilon,
            settings.policy,
        )
        if not settings.forced:
            return selection
        keep = selection.keep.clone()
        keep[:, list(settings.forced_in)] = True
        keep[:, list(settings.forced_out)] = False
        return replace(selection, keep=keep, count=keep.sum(dim=1))

    def tokens(self, square: Square, settings: Settings, selection: Selection) -> Tokens:
        """The codes of what is kept."""
        codes = self.quantize(square, settings.k)
        return replace(
            codes,
            patch_codes=codes.patch_codes.masked_fill(~selection.keep, -1),
            # No rule gives the places where one of them was forced.
            places="sent" if settings.forced else self.model.places_rule(selection),
        )

    @torch.inference_mode()
    def tokenize(self, square: Square, settings: Settings) -> Result:
        """Select, take the codes, decode and measure."""
        selection = self.select(square, settings)
        tokens = self.tokens(square, settings, selection)
        image = self.image(tokens)
        return Result(selection, tokens, image, report(square.x, image, selection, tokens))

    @torch.inference_mode()
    def decode(self, square: Square, k: int, patch_codes: Tensor) -> Tensor:
        """B rows of patch codes (B, M), -1 where dropped, decoded with the picture's k global
        tokens: (B, 3, S, S) in [-1, 1]."""
        tokens = self.quantize(square, k)
        global_codes = tokens.global_codes.expand(len(patch_codes), -1)
        return self.image(replace(tokens, global_codes=global_codes, patch_codes=patch_codes))

    def image(self, tokens: Tokens, keep: Tensor | None = None) -> Tensor:
        """What the model decodes, (B, 3, S, S) in [-1, 1]; keep as in `TaTok.decode`."""
        device = self.model.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.half):
            return self.model.decode(tokens.to(device), keep).float().cpu()
