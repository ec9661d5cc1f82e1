"""Sizes as data. A size is a frozen dataclass; the same code runs all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, isqrt
from typing import Literal

from torch import Tensor

from tatok import checks

Layout = Literal["sequence", "grid"]


def check_widths(dim: int, heads: int, head_dim: int) -> None:
    """ValueError unless attention heads, and sines and cosines of two axes, divide the widths."""
    if min(dim, heads, head_dim) < 1 or dim % heads or dim % 4 or head_dim % 4:
        raise ValueError(
            f"dim = {dim} must be a multiple of 4 and of heads = {heads}, and the width of the "
            f"head beside it, {head_dim}, of 4."
        )


EPSILON = 0.05  # the paper's, where nobody and no weights name another
EPSILONS = 0.02, 0.6  # lowest and highest at which tokenizer and generator are trained


def check_epsilon(epsilon: float | Tensor) -> None:
    """ValueError unless the information loss rate, or each of a tensor of them, is in [0, 1)."""
    values = epsilon.flatten().tolist() if isinstance(epsilon, Tensor) else [epsilon]
    for value in values:
        value = checks.number(value, "epsilon")
        if not 0 <= value < 1:
            raise ValueError(f"epsilon must lie in [0, 1), not {value:g}.")


def check_positive(config: object, *names: str) -> None:
    """ValueError where a field of that name is not above 0."""
    for name in names:
        if not getattr(config, name) > 0:
            raise ValueError(f"{name} must be above 0, not {getattr(config, name)}.")


def middle(sides: Sequence[int]) -> int:
    """The side that is nearest to half of the largest; the only one, if there is one."""
    return min(sides, key=lambda side: abs(2 * side - sides[-1]))


@dataclass(frozen=True)
class TokenizerConfig:
    """Everything that fixes the shape and the defaults of a tokenizer; saved beside its weights.

    The letters are the paper's: S image side, s patch side, o overlap, D width, K codebook size,
    d_p and d_g codebook dimensions, M number of patches.
    """

    image_size: int = 128  # S where the caller names none; the grid of the tables of places
    patch_size: int = 8  # s
    overlap: float = 0.0  # o in [0, 1); the stride is s(1 - o)
    dim: int = 256  # D
    depth: int = 3  # blocks in the encoder, and in the decoder
    decoder_depth: int | None = None  # blocks in the decoder; None: depth
    heads: int = 4
    mlp_ratio: float = 2.0
    k: int = 16  # global tokens used when the caller names no number
    k_max: int = 32  # global tokens the weights hold
    codebook_size: int = 4096  # K, both codebooks
    patch_code_dim: int = 8  # d_p
    global_code_dim: int = 12  # d_g
    predictor_dim: int = 128  # width of the head that predicts patches from G (entropy)
    thumbnail: int = 4  # side of the holistic descriptor G(x) of L_glob
    backbone_dim: int | None = None  # numbers in G(x) where a pretrained network gives it
    layout: Layout = "grid"
    estimator: str = "rate"  # which H(p_i | G) ranks when the caller names none
    epsilon: float = EPSILON  # information loss rate when the caller names none
    target_psnr: float = 20.0  # dB; sets D0 of the `rate` estimator
    min_side: int | None = None  # smallest and largest side of a picture; None: image_size
    max_side: int | None = None

    def __post_init__(self) -> None:
        if self.layout not in ("sequence", "grid"):
            raise ValueError(f"layout must be 'sequence' or 'grid', not {self.layout!r}.")
        check_epsilon(self.epsilon)
        check_positive(self, "image_size", "patch_size", "depth", "codebook_size", "patch_code_dim")
        check_positive(self, "global_code_dim", "mlp_ratio", "decoder_blocks")
        check_positive(self, "thumbnail", "descriptor_dim")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"overlap must lie in [0, 1), not {self.overlap}.")
        if abs(self.patch_size * (1 - self.overlap) - self.stride) > 1e-9 or self.stride < 1:
            raise ValueError("patch_size * (1 - overlap) must be a whole number of pixels.")
        if self.overlap == 0 and self.image_size % self.patch_size:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}."
            )
        if not self.smallest <= self.image_size <= self.largest:
            raise ValueError(
                f"image_size {self.image_size} must lie in {self.smallest}..{self.largest}."
            )
        if self.layout == "sequence" and len(self.sides) > 1:
            raise ValueError("layout 'sequence' takes one side: it has places in a sequence.")
        if self.image_size not in self.sides:
            raise ValueError(
                f"min_side {self.smallest} and image_size {self.image_size} must be whole steps of "
                f"{self.stride} apart."
            )
        if not 0 <= self.k <= self.k_max:
            raise ValueError(f"k = {self.k} is not in 0..k_max = {self.k_max}.")
        check_widths(self.dim, self.heads, self.predictor_dim)

    @property
    def stride(self) -> int:
        """Pixels from one patch to the next, s(1 - o)."""
        return round(self.patch_size * (1 - self.overlap))

    @property
    def open_fields(self) -> dict[str, object]:
        """The fields that weights can change: see `TaTok.reshaped`."""
        names = "image_size min_side max_side decoder_depth estimator epsilon target_psnr"
        return {name: getattr(self, name) for name in names.split()}

    @property
    def decoder_blocks(self) -> int:
        """Blocks in the decoder."""
        return self.depth if self.decoder_depth is None else self.decoder_depth

    @property
    def smallest(self) -> int:
        """The smallest side of a picture."""
        return self.image_size if self.min_side is None else self.min_side

    @property
    def largest(self) -> int:
        """The largest side of a picture."""
        return self.image_size if self.max_side is None else self.max_side

    @property
    def sides(self) -> range:
        """The sides S that the weights take, in steps of the stride."""
        return range(self.smallest, self.largest + 1, self.stride)

    @property
    def middle(self) -> int:
        """The small side that training draws often; `chain` has its correlation from there."""
        return middle(self.sides)

    def grid_of(self, side: int) -> int:
        """Patches along a side of S pixels, ceil((S - so) / (s(1 - o)))."""
        return ceil((side - self.patch_size + self.stride) / self.stride)

    def side_of(self, grid: int) -> int:
        """S in pixels of a picture of grid x grid patches."""
        return self.image_size + (grid - self.grid) * self.stride

    def grid_of_patches(self, M: int) -> int:
        """Patches along one side of a picture of M patches. ValueError for another model's M."""
        if not self.has_patches(M):
            raise ValueError(f"This model has no picture of {M} patches.")
        return isqrt(M)

    def has_patches(self, M: int) -> bool:
        """Whether a picture of one of the sides has M patches."""
        return isqrt(M) ** 2 == M and self.side_of(isqrt(M)) in self.sides

    @property
    def grid(self) -> int:
        """Patches along one side where S is image_size."""
        return self.grid_of(self.image_size)

    @property
    def num_patches(self) -> int:
        """M where S is image_size."""
        return self.grid**2

    @property
    def descriptor_dim(self) -> int:
        """Numbers in the holistic descriptor G(x)."""
        return 3 * self.thumbnail**2 if self.backbone_dim is None else self.backbone_dim

    @property
    def patch_dim(self) -> int:
        """Numbers in one RGB patch, s * s * 3."""
        return self.patch_size**2 * 3


_any_grid = partial(
    TokenizerConfig, image_size=256, min_side=64, max_side=256, estimator="gain", epsilon=0.125
)
SIZES: dict[str, TokenizerConfig] = {
    "paper": TokenizerConfig(
        image_size=336, patch_size=16, dim=768, heads=12, mlp_ratio=4.0, k_max=16, predictor_dim=256
    ),
    "base": _any_grid(dim=384, depth=6, heads=6, mlp_ratio=3.0, predictor_dim=192),
    "demo": _any_grid(decoder_depth=5),
}


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of a MaskGIT-ViT, and the facts of the tokenizer whose tokens it draws."""

    classes: tuple[str, ...]  # names, in the order of the labels
    tokenizer: str  # fingerprint of the tokenizer's weights
    num_patches: int = 256  # M
    k: int = 16
    codebook_size: int = 4096  # K
    layout: Layout = "grid"
    estimator: str = "rate"  # whose ranking chose the places
    dim: int = 256
    depth: int = 8
    heads: int = 4
    mlp_ratio: float = 4.0
    place_dim: int = 128  # width of the head that chooses N and the places
    # s * s * 3: a patch token sees the picture decoded so far at its place, a departure; 0: nothing
    picture_dim: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))  # JSON has only lists
        check_positive(self, "num_patches", "depth", "codebook_size", "mlp_ratio")
        if round(self.num_patches**0.5) ** 2 != self.num_patches:
            raise ValueError(f"num_patches {self.num_patches} is not a square.")
        check_widths(self.dim, self.heads, self.place_dim)

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return round(self.num_patches**0.5)


# What is named by a size of the generator: its width and depth.
GENERATOR_SIZES: dict[str, dict] = {
    "paper": {"dim": 768, "depth": 24, "heads": 12},  # 177M parameters
    "demo": {"dim": 384, "depth": 4, "heads": 6},
}


GONE = {"predictive": False}  # fields of earlier versions, with the value that changes nothing


def from_dict(kind: type, values: dict) -> object:
    """Build the frozen dataclass `kind` from a JSON object, naming what is unknown or missing."""
    values = {name: v for name, v in values.items() if GONE.get(name, not v) != v}
    names = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - names):
        raise ValueError(f"The configuration has fields this version does not know: {unknown}.")
    return kind(**values)
