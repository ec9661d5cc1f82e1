"""What the page may ask for, as plain values. Knows nothing of Gradio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from tatok import TokenizerConfig
from tatok.config import check_epsilon
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES

TARGET_PSNR = (5.0, 60.0)  # dB, the range that the page accepts


class BadSetting(ValueError):
    """A setting out of range; the message is one sentence for the user."""


@dataclass(frozen=True)
class Settings:
    """The knobs of the tokenizer; `target_psnr` in dB, or None for no lower bound T.

    side: S in pixels, after `parse`; None where the caller has the square itself.

    forced_in and forced_out: patches that are kept or dropped by hand after the policy has chosen.
    """

    epsilon: float
    k: int
    estimator: str
    policy: str
    target_psnr: float | None = None
    forced_in: tuple[int, ...] = ()
    forced_out: tuple[int, ...] = ()
    side: int | None = None

    @property
    def forced(self) -> bool:
        """Is any patch kept or dropped by hand?"""
        return bool(self.forced_in or self.forced_out)

    @classmethod
    def parse(cls, values: Mapping, config: TokenizerConfig) -> Settings:
        """Settings from untrusted values. Raises BadSetting with one sentence."""
        k = parse_number(values.get("k"), "k")
        if k != int(k) or not 0 <= k <= config.k_max:
            raise BadSetting(f"k must be a whole number in 0..{config.k_max}.")
        target = values.get("target_psnr")
        if target is not None:
            target = parse_number(target, "The target PSNR")
            low, high = TARGET_PSNR
            if not low <= target <= high:
                raise BadSetting(f"The target PSNR must lie in {low:g}..{high:g} dB.")
        side = values.get("side")
        side = config.image_size if side is None else parse_side(side, config)
        M = config.grid_of(side) ** 2
        forced_in, forced_out = (
            _places(values.get(name), M) for name in ("forced_in", "forced_out")
        )
        if set(forced_in) & set(forced_out):
            raise BadSetting("A patch cannot be kept and dropped by hand at once.")
        return cls(
            epsilon=parse_epsilon(values.get("epsilon")),
            k=int(k),
            estimator=parse_name(values.get("estimator"), "The estimator", ESTIMATORS),
            policy=parse_name(values.get("policy"), "The policy", POLICIES),
            target_psnr=target,
            forced_in=forced_in,
            forced_out=forced_out,
            side=side,
        )


def parse_epsilon(value: object) -> float:
    """An information loss rate from an untrusted value. Raises BadSetting."""
    epsilon = parse_number(value, "ε")
    try:
        check_epsilon(epsilon)
    except ValueError as error:
        raise BadSetting("ε must lie in [0, 1).") from error
    return epsilon


def parse_number(value: object, what: str) -> float:
    """A finite number from an untrusted value. Raises BadSetting."""
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # JSON knows whole numbers of any length
            number = float(value)
    if not math.isfinite(number):
        raise BadSetting(f"{what} must be a number.")
    return number


def parse_name(value: object, what: str, names) -> str:
    """One of `names` from an untrusted value. Raises BadSetting."""
    if not isinstance(value, str) or value not in names:
        raise BadSetting(f"{what} must be one of {', '.join(names)}.")
    return value


def parse_whole(value: object, what: str, low: int, high: int) -> int:
    """A whole number in low..high from an untrusted value. Raises BadSetting."""
    if type(value) is not int or not low <= value <= high:
        raise BadSetting(f"{what} must be a whole number in {low}..{high}.")
    return value


def parse_side(value: object, config: TokenizerConfig) -> int:
    """A side S that the weights take, from an untrusted value. Raises BadSetting."""
    side = parse_number(value, "The side")
    if side not in config.sides:
        steps = f"{config.smallest} to {config.largest} in steps of {config.stride}"
        only = str(config.image_size) if len(config.sides) == 1 else steps
        raise BadSetting(f"The side must be {only} pixels.")
    return int(side)


def parse_place(value: object, M: int) -> int:
    """The index of a patch from an untrusted value. Raises BadSetting."""
    return parse_whole(value, "A patch", 0, M - 1)


def _places(values: object, M: int) -> tuple[int, ...]:
    """Different places, rising; none if there is no list."""
    if values is None:
        return ()
    if not isinstance(values, list) or len(values) > M:
        raise BadSetting("The patches kept or dropped by hand must be a list of places.")
    return tuple(sorted({parse_place(value, M) for value in values}))
