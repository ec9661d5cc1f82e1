"""What one reconstruction cost and how good it is: the numbers that page and command line print."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tatok.filtering import Selection
from tatok.quality import psnr, ssim
from tatok.tokens import Tokens


@dataclass(frozen=True)
class Report:
    """Numbers of one picture. Ratios are how many times fewer tokens than M, and than 256."""

    patches: int  # N
    global_tokens: int  # k
    tokens: int  # k + N
    ratio_to_all: float  # M / (k + N); infinite if there is no token
    ratio_to_256: float
    bits: int
    bits_per_pixel: float
    psnr: float  # dB
    ssim: float
    total: float  # H_total, in the estimator's unit
    threshold: float  # tau; NaN where N was given by hand
    binding: str
    unit: str


def report(x: Tensor, y: Tensor, selection: Selection, tokens: Tokens, row: int = 0) -> Report:
    """Numbers of one image of a batch: x and y (B, 3, S, S) in [-1, 1]."""
    x, y = x[row : row + 1], y[row : row + 1]
    M, k, N = tokens.patch_codes.shape[1], tokens.global_codes.shape[1], int(tokens.count[row])
    bits = int(tokens.bits()[row])
    return Report(
        patches=N,
        global_tokens=k,
        tokens=k + N,
        ratio_to_all=M / (k + N) if k + N else float("inf"),
        ratio_to_256=256 / (k + N) if k + N else float("inf"),
        bits=bits,
        bits_per_pixel=bits / (x.shape[2] * x.shape[3]),
        psnr=psnr(x, y).item(),
        ssim=ssim(x, y).item(),
        total=selection.total[row].item(),
        threshold=selection.threshold[row].item(),
        binding=selection.binding[row],
        unit=selection.unit,
    )
