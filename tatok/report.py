"""What one reconstruction cost and how good it is: the numbers that page and command line show."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from tatok.filtering import Selection
from tatok.quality import psnr, ssim
from tatok.tokens import Tokens

REFERENCE_TOKENS = 256  # what the usual 16 x 16 tokenizers spend on a 256 x 256 picture


@dataclass(frozen=True)
class Report:
    """The numbers of one picture.

    kept (N) of `patches` (M); tokens k + N; the ratios are tokens per M and per 256; bits by
    Tokens.bits, and per pixel of the S x S picture; psnr in dB (None: the pixels are equal) and
    ssim of the clipped pictures; `binding` is the constraint of Eq. 5 that fixes N; tau (NaN where
    N was given by hand), H_total and T in `unit`.
    """

    kept: int
    patches: int
    k: int
    tokens: int
    ratio_patches: float
    ratio_256: float
    bits: int
    bits_per_pixel: float
    psnr: float | None
    ssim: float
    binding: str
    threshold: float
    total: float
    minimum: float
    unit: str
    estimator: str
    policy: str


def report(x: Tensor, y: Tensor, selection: Selection, tokens: Tokens) -> Report:
    """Numbers of one picture x and its reconstruction y, (1, 3, S, S) in [-1, 1], clipped."""
    N, M, k = int(tokens.count[0]), tokens.patch_codes.shape[1], tokens.global_codes.shape[1]
    bits, decibels = int(tokens.bits()[0]), float(psnr(x, y)[0])
    return Report(
        kept=N,
        patches=M,
        k=k,
        tokens=k + N,
        ratio_patches=(k + N) / M,
        ratio_256=(k + N) / REFERENCE_TOKENS,
        bits=bits,
        bits_per_pixel=bits / (x.shape[2] * x.shape[3]),
        psnr=decibels if math.isfinite(decibels) else None,
        ssim=float(ssim(x, y)[0]),
        binding=selection.binding[0],
        threshold=float(selection.threshold[0]),
        total=float(selection.total[0]),
        minimum=float(selection.minimum[0]),
        unit=selection.unit,
        estimator=selection.estimator,
        policy=selection.policy,
    )
