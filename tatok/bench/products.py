"""The matrix products of a computation: what they are, and how long they take by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.benchmark import Timer

aten = torch.ops.aten
FIRST = {aten.mm: 0, aten.bmm: 0, aten.addmm: 1, aten.baddbmm: 1}  # place of the first factor
FUSED = "_scaled_dot_product"  # how torch's kernels of attention begin; there is one a device


@dataclass(frozen=True)
class Product:
    """`batch` products of (m, k) and (k, n); attention: whether it is one of attention's two."""

    batch: int
    m: int
    k: int
    n: int
    dtype: torch.dtype
    attention: bool = False

    @property
    def multiply_adds(self) -> int:
        """batch m k n."""
        return self.batch * self.m * self.k * self.n


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.products: Counter[Product] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        place = FIRST.get(func.overloadpacket)
        if func.overloadpacket.__name__.startswith(FUSED):
            q, k, v = args[:3]  # (B, h, L, d), (B, h, T, d), (B, h, T, d)
            (B, h, L, d), T = q.shape, k.shape[2]
            for one in (L, d, T), (L, T, v.shape[3]):  # the scores, and what they weigh
                self.products[Product(B * h, *one, q.dtype, attention=True)] += 1
        elif place is not None:
            a, b = args[place : place + 2]
            batch = a.shape[0] if a.ndim == 3 else 1
            self.products[Product(batch, a.shape[-2], a.shape[-1], b.shape[-1], a.dtype)] += 1
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def products(run: Callable[[], object]) -> Counter[Product]:
    """How often each product is taken while it runs; attention's two by the shapes it is given."""
    with _Recorder() as recorder:
        run()
    return recorder.products


def multiply_adds(counts: Mapping[Product, int]) -> int:
    """Of all products together."""
    return sum(times * one.multiply_adds for one, times in counts.items())


def seconds_alone(counts: Mapping[Product, int], device: str, patience: float) -> float:
    """What `torch.mm` and `torch.bmm` take for these products, each measured for `patience` s."""
    return sum(times * _seconds(one, device, patience) for one, times in counts.items())


@cache
def _seconds(one: Product, device: str, patience: float) -> float:
    def operand(*shape: int) -> Tensor:
        return torch.randn(one.batch, *shape, dtype=one.dtype, device=device)

    a, b = operand(one.m, one.k), operand(one.n, one.k).transpose(1, 2)  # as a linear map has it
    if one.batch == 1:
        return seconds(lambda: torch.mm(a[0], b[0]), patience)
    return seconds(lambda: torch.bmm(a, b), patience)


@torch.no_grad()
def seconds(run: Callable[[], object], patience: float) -> float:
    """Median time of a run, warmed up, over `patience` seconds; waits for a GPU."""
    timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=patience).median
