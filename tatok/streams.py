"""Seeded streams: every random draw is a function of numbers, so that it can be made again."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


def seeded(*numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that is a function of the numbers (a seed, an image's place, …).

    On a GPU it gives other draws than on a CPU.
    """
    state = 0x9E3779B97F4A7C15
    for number in numbers:  # splitmix64, so that neighbouring numbers give unrelated streams
        state = (state + number * 0xBF58476D1CE4E5B9 + 0x9E3779B97F4A7C15) % 2**64
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % 2**64
        state ^= state >> 31
    return torch.Generator(device).manual_seed(state % 2**63)


def own_stream(x: Tensor) -> torch.Generator:
    """A generator that the pixels (3, S, S) seed, so that a draw does not depend on the batch."""
    return seeded(zlib.crc32(x.float().cpu().numpy().tobytes()))
