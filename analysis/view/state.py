"""What the page asks for and what it shows, as plain values. Knows nothing of Gradio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from torch import Tensor

from analysis.metrics import psnr, ssim
from tatok import Selection, TokenizerConfig, Tokens
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES

REFERENCE_TOKENS = 256  # what the usual 16 x 16 tokenizers spend on a 256 x 256 picture
TARGET_PSNR = (5.0, 60.0)  # dB, the range that the page accepts


class BadSetting(ValueError):
    """A setting out of range; the message is one sentence for the user."""


@dataclass(frozen=True)
class Settings:
    """The knobs of the tokenizer; `target_psnr` in dB, or None for no lower bound T."""

    epsilon: float
    k: int
    estimator: str
    policy: str
    target_psnr: float | None = None

    @classmethod
    def parse(cls, values: Mapping, config: TokenizerConfig) -> Settings:
        """Settings from untrusted values. Raises BadSetting with one sentence."""
        epsilon = _number(values.get("epsilon"), "ε")
        if not 0 <= epsilon < 1:
            raise BadSetting("ε must lie in [0, 1).")
        k = _number(values.get("k"), "k")
        if k != int(k) or not 0 <= k <= config.k_max:
            raise BadSetting(f"k must be a whole number in 0..{config.k_max}.")
        target = values.get("target_psnr")
        if target is not None:
            target = _number(target, "The target PSNR")
            low, high = TARGET_PSNR
            if not low <= target <= high:
                raise BadSetting(f"The target PSNR must lie in {low:g}..{high:g} dB.")
        return cls(
            epsilon=epsilon,
            k=int(k),
            estimator=_name(values.get("estimator"), "The estimator", ESTIMATORS),
            policy=_name(values.get("policy"), "The policy", POLICIES),
            target_psnr=target,
        )


def _number(value: object, what: str) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # JSON knows whole numbers of any length
            number = float(value)
    if not math.isfinite(number):
        raise BadSetting(f"{what} must be a number.")
    return number


def _name(value: object, what: str, names) -> str:
    if not isinstance(value, str) or value not in names:
        raise BadSetting(f"{what} must be one of {', '.join(names)}.")
    return value


@dataclass(frozen=True)
class Statistics:
    """The numbers under the figure, for one picture.

    kept (N) of `patches` (M); tokens k + N; the ratios are tokens per M and per 256; bits by
    Tokens.bits, and per pixel of the S x S picture; psnr in dB (None: the pixels are equal) and
    ssim of the clipped pictures; `binding` is the constraint of Eq. 5 that fixes N; tau, H_total
    and T in `unit`.
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
    epsilon: float
    estimator: str
    policy: str


def statistics(
    selection: Selection, tokens: Tokens, x: Tensor, y: Tensor, epsilon: float
) -> Statistics:
    """Numbers of one picture x and its reconstruction y, (1, 3, S, S) in [-1, 1], clipped."""
    N, M, k = int(tokens.count[0]), tokens.patch_codes.shape[1], tokens.global_codes.shape[1]
    bits, decibels = int(tokens.bits()[0]), float(psnr(x, y)[0])
    return Statistics(
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
        epsilon=epsilon,
        estimator=selection.estimator,
        policy=selection.policy,
    )
