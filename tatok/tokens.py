"""What the four steps hand on: Encoding, Evidence, and Tokens with their exact size in bits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, comb, log2

import torch
from torch import Tensor

from tatok.config import Layout

# How the decoder learns which places are kept. Only "sent" costs bits.
PLACES = ("sent", "prior", "first", "last", "uniform", "chain")


@dataclass(frozen=True)
class Encoding:
    """Patches p (B, M, D), globals G (B, k, D), and whatever else an estimator needs.

    decoded: images that were decoded from it once, by N = 0 or M, so that an estimator and T, or
    who shows what `gain` predicts, do not decode them again.
    """

    patches: Tensor
    globals: Tensor
    pixels: Tensor  # (B, 3, S, S), which `rate` compares with the image decoded from G
    target_psnr: float  # dB, the D0 of `rate`
    decoded: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        B, M, _ = self.patches.shape
        side, k = self.pixels.shape[-1], self.globals.shape[1]
        return f"Encoding({B} of {side} px: M = {M}, k = {k}, {self.patches.dtype})"

    def rows(self, index: Tensor) -> Encoding:
        """The encoding of some images of the batch."""
        return replace(
            self,
            patches=self.patches[index],
            globals=self.globals[index],
            pixels=self.pixels[index],
        )


@dataclass(frozen=True)
class Evidence:
    """What a selection rests on: entropy H (B, M) float64, T (B,) in its unit, and the estimator.

    rank (B, M): H before it was clamped at 0. It tells patches with H = 0 apart where a fixed
    `count` asks for more than those with H > 0.
    """

    entropy: Tensor
    minimum: Tensor
    estimator: str
    rank: Tensor

    def to(self, device: torch.device | str) -> Evidence:
        """The same on another device."""
        H, T, rank = (part.to(device) for part in (self.entropy, self.minimum, self.rank))
        return Evidence(H, T, self.estimator, rank)


@dataclass(frozen=True)
class Tokens:
    """What is stored, sent or generated: codes of the global tokens and of the kept patches.

    global_codes (B, k) and patch_codes (B, M) int64; -1 where a patch was dropped. `places` is
    "sent", or the rule that gives the kept places from N ("first", "last", "uniform") or from N
    and the global codes ("prior", "chain").
    """

    global_codes: Tensor
    patch_codes: Tensor
    layout: Layout
    codebook_size: int
    places: str = "sent"

    def __repr__(self) -> str:
        B, k = self.global_codes.shape
        M, N = self.patch_codes.shape[1], self.count.tolist()
        return f"Tokens({B}: k = {k}, N = {_few(N)} of M = {M}, bits {_few(self.bits().tolist())})"

    def to(self, device: torch.device | str) -> Tokens:
        """The same on another device."""
        codes = self.global_codes.to(device), self.patch_codes.to(device)
        return replace(self, global_codes=codes[0], patch_codes=codes[1])

    @property
    def keep(self) -> Tensor:
        """(B, M) bool."""
        return self.patch_codes >= 0

    @property
    def count(self) -> Tensor:
        """N, kept patches, (B,)."""
        return self.keep.sum(dim=1)

    def bits(self) -> Tensor:
        """Exact size in bits, (B,): codes, N, and in layout `grid` the kept places.

        log2 K (k + N) + ceil(log2(M + 1)) + ceil(log2 C(M, N)); the last term is absent in layout
        `sequence` (positions are not transmitted) and where a rule gives the places.
        """
        k, M = self.global_codes.shape[1], self.patch_codes.shape[1]
        return torch.tensor(
            [
                code_bits(self.codebook_size) * (k + N) + count_bits(M) + self._place_bits(M, N)
                for N in self.count.tolist()
            ]
        )

    def _place_bits(self, M: int, N: int) -> int:
        return place_bits(M, N) if self.layout == "grid" and self.places == "sent" else 0


def _few(values: list) -> str:
    """The first of the values, as text."""
    return ", ".join(map(str, values[:4])) + (", …" if len(values) > 4 else "")


def code_bits(codebook_size: int) -> int:
    """Bits of one code, ceil(log2 K)."""
    return ceil(log2(codebook_size))


def count_bits(M: int) -> int:
    """Bits of N in 0..M, ceil(log2(M + 1))."""
    return M.bit_length()


def place_bits(M: int, N: int) -> int:
    """Bits that name one of the C(M, N) sets of N places, ceil(log2 C(M, N)), exactly."""
    return (comb(M, N) - 1).bit_length()
