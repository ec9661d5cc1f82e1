"""What a step of training costs, counted, and what the hardware could do at best, measured."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn


def stack_work(stack: nn.ModuleList, length: int) -> int:
    """Multiply-adds of one sequence of `length` tokens through ViT blocks, forward alone.

    L * (weights of the blocks' matrices) + 2 L^2 D a block, of scores and of what they weigh.
    """
    matrices = sum(p.numel() for p in stack.parameters() if p.ndim == 2)
    each: list[Any] = list(stack)
    scores = sum(2 * length**2 * block.attn.proj.in_features for block in each)
    return length * matrices + scores


def product_rate(kind: torch.dtype, device: torch.device) -> float:
    """Multiply-adds a second of a matrix product: a bound for what a step can reach."""
    n = 8192 if device.type == "cuda" else 768
    a = torch.ones(n, n, dtype=kind, device=device)

    def seconds() -> float:
        start = time.perf_counter()
        (a @ a)[0, 0].item()  # asking for a number waits for a GPU
        return time.perf_counter() - start

    seconds()  # a first time, which also chooses the kernel
    return n**3 / min(seconds() for _ in range(4))


def bf16_pays() -> bool:
    """Whether this CPU multiplies bfloat16 faster than float32, measured."""
    cpu = torch.device("cpu")
    return product_rate(torch.bfloat16, cpu) > product_rate(torch.float32, cpu)
