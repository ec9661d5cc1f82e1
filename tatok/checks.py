"""What the public calls take: one ValueError that names the value and its limits."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

from torch import Tensor

HALF_A_LEVEL = 1 / 255  # in [-1, 1]; bicubic resizing and rounding may go so far beyond


def whole(value: object, name: str, low: int, high: int) -> int:
    """A whole number in low..high; True and 1.0 are none."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise ValueError(f"{name} must be a whole number in {low}..{high}, not {value!r}.")
    return int(value)


def number(value: object, name: str) -> float:
    """A finite number; text and True are none."""
    if isinstance(value, bool) or not isinstance(value, Real) or abs(value) == float("inf"):
        raise ValueError(f"{name} must be a number, not {value!r}.")
    return float(value)


def pixels(x: object) -> Tensor:
    """Images in [-1, 1], in single precision at least; a warning where they look like 0..1."""
    if not isinstance(x, Tensor):
        raise ValueError(f"images must be a tensor, not {type(x).__name__}.")
    if not x.is_floating_point():
        raise ValueError(f"images must be floats in [-1, 1], not {x.dtype}: x / 127.5 - 1.")
    x = x if x.itemsize >= 4 else x.float()
    if not x.numel() or x.is_meta:
        return x
    low, high = (float(v) for v in x.detach().aminmax())
    if not (low >= -1 - HALF_A_LEVEL and high <= 1 + HALF_A_LEVEL):  # also of a NaN
        raise ValueError(f"images must lie in [-1, 1], not in {low:g}..{high:g}.")
    if low >= 0 and high - low > 0.9:
        warnings.warn(
            "All pixels lie in 0..1; images are taken to be in [-1, 1]: 2 * x - 1.", stacklevel=4
        )
    return x


def codes(values: Tensor, name: str, size: int) -> None:
    """Codes in 0..size - 1, or -1 for none."""
    if values.is_floating_point() or values.dtype.is_complex:
        raise ValueError(f"{name} must be whole numbers, not {values.dtype}.")
    if values.numel() and not (-1 <= int(values.min()) and int(values.max()) < size):
        raise ValueError(
            f"{name} must lie in 0..{size - 1}, or be -1 for none, not in "
            f"{int(values.min())}..{int(values.max())}."
        )
