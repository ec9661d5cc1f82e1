"""Where the numbers that rank patches are computed: in float64, which not every device has."""

from __future__ import annotations

from typing import TypeVar, cast

from torch import Tensor, nn

T = TypeVar("T", bound=Tensor | nn.Module)
FLOAT64 = ("cpu", "cuda")  # devices that have it; Apple's (MPS) does not


def exact(value: T) -> T:
    """The same in float64; on the CPU where its device has none. A module is changed in place."""
    device = value.device if isinstance(value, Tensor) else next(value.parameters()).device
    return cast(T, (value if device.type in FLOAT64 else value.cpu()).double())
