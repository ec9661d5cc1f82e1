"""What the page may ask for, as plain values. Knows nothing of Gradio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from tatok import TokenizerConfig
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES

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
