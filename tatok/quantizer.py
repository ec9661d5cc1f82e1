"""One codebook. The dual quantizer of the paper is two of them, 4096 x 8 and 4096 x 12."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Quantized:
    """tokens (B, L, D) for the decoder; codes (B, L) int64; latents z and their codes (B, L, d)."""

    tokens: Tensor
    codes: Tensor
    latents: Tensor
    quantized: Tensor


class Codebook(nn.Module):
    """Down-projection D -> d, nearest of K codes, up-projection d -> D.

    The codes are moved by exponential moving averages of the latents they win (training only, by
    `update`); the gradient passes straight through. `error` is the running mean square error per
    dimension, whose root is the resolution Delta of the `gaussian` entropy.
    """

    codes: Tensor
    error: Tensor
    mass: Tensor
    sums: Tensor
    DEAD = 0.03  # a code whose average count falls below this is restarted from the batch

    def __init__(self, dim: int, size: int, code_dim: int, decay: float = 0.99) -> None:
        super().__init__()
        self.size = size
        self.decay = decay  # nearer to 1 for a codebook that few latents of a batch reach
        self.down = nn.Linear(dim, code_dim)
        self.up = nn.Linear(code_dim, dim)
        self.register_buffer("codes", torch.randn(size, code_dim))  # (K, d)
        self.register_buffer("error", torch.ones(()))
        # Running averages of training; not part of a checkpoint that ships.
        self.register_buffer("mass", torch.ones(size), persistent=False)
        self.register_buffer("sums", torch.zeros(size, code_dim), persistent=False)
        self.live = True  # False: latents pass unquantized (the first phase of training)

    @property
    def delta(self) -> Tensor:
        """Delta, the root mean square quantization error per dimension."""
        return self.error.clamp(min=1e-12).sqrt()

    def nearest(self, latents: Tensor) -> Tensor:
        """Index of the nearest code, (..., d) -> (...); ties: lower index first."""
        return nearest(latents.flatten(0, -2), self.codes).reshape(latents.shape[:-1])

    def forward(self, tokens: Tensor) -> Quantized:
        """(B, L, D) -> Quantized, gradients straight through to the latents; see `embed`."""
        with torch.autocast(tokens.device.type, enabled=False):  # half precision mistakes codes
            latents = self.down(tokens.to(self.down.weight.dtype))  # (B, L, d)
            codes = self.nearest(latents.detach())
        quantized = self.codes[codes]
        # Adds an exact 0 whose gradient is z's: the tokens are those of `embed`, bit for bit.
        passed = quantized + (latents - latents.detach()) if self.live else latents
        return Quantized(self.up(passed), codes, latents, quantized)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes (...) -> decoder tokens (..., D)."""
        return self.up(self.codes[codes])

    @torch.no_grad()
    def update(self, latents: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """One moving-average step on the latents (n, d) that were kept, and their codes (n,).

        Counts and sums are summed over processes, so that all hold the same codebook.
        """
        count = torch.bincount(codes, minlength=self.size).to(latents)
        sums = torch.zeros_like(self.sums).index_add_(0, codes, latents)
        squared = (latents - self.codes[codes]).square().sum()
        if dist.is_initialized():
            for value in (count, sums, squared):
                dist.all_reduce(value)
        n = count.sum()
        if n == 0:
            return
        self.mass.lerp_(count, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.error.lerp_(squared / (n * latents.shape[1]), 1 - self.decay)
        used = self.mass > 1e-6
        self.codes[used] = self.sums[used] / self.mass[used, None]
        self._restart(self.mass < self.DEAD * self.mass.mean(), latents, generator)

    def _restart(self, dead: Tensor, latents: Tensor, generator: torch.Generator) -> None:
        """Move dead codes onto latents of this batch, at most one code in 64 a step."""
        dead = dead.nonzero()[:, 0]
        if len(dead) == 0:
            return
        dead = dead[torch.randperm(len(dead), generator=generator)[: self.size // 64]]
        new = drawn(latents, len(dead), generator)
        self.codes[dead] = new
        self.mass[dead] = self.mass.mean()
        self.sums[dead] = new * self.mass.mean()

    @torch.no_grad()
    def fit(self, latents: Tensor, generator: torch.Generator, rounds: int = 12) -> None:
        """k-means on latents (n, d), n >= K: sets the codes and the running averages."""
        self.codes.copy_(kmeans(latents, self.size, generator, rounds))
        self.revive(latents)

    @torch.no_grad()
    def revive(self, latents: Tensor) -> None:
        """Set the running averages from latents (n, d), the codes staying as they are."""
        codes = self.nearest(latents)
        share = torch.bincount(codes, minlength=self.size).to(latents) / len(latents)
        self.mass.copy_((share * self.size).clamp(min=0.5))
        self.sums.copy_(self.codes * self.mass[:, None])
        self.error.copy_((latents - self.codes[codes]).square().mean())


def drawn(latents: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n of the latents (m, d) of all processes, m > 0 in all: those that one with all would draw.

    Every process is given the same generator.
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    sizes = torch.zeros(world, dtype=torch.long, device=latents.device)
    sizes[rank] = len(latents)
    if world > 1:
        dist.all_reduce(sizes)
    before = [0, *sizes.cumsum(0).tolist()]
    index = torch.randint(before[-1], (n,), generator=generator) - before[rank]
    ours = (index >= 0) & (index < len(latents))
    new = latents.new_zeros(n, latents.shape[1])
    new[ours.to(new.device)] = latents[index[ours].to(new.device)]
    if world > 1:
        dist.all_reduce(new)
    return new


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Index of the nearest centre, (n, d) and (K, d) -> (n,); ties: lower index first."""
    exact = torch.promote_types(points.dtype, torch.float32)  # half precision mistakes codes
    points, centres = points.to(exact), centres.to(exact)
    norms = centres.square().sum(1)
    # ||z - e||^2 up to ||z||^2, which is the same for every centre; in parts that fit a CPU's cache
    parts = points.split(8192 if points.is_cuda else 256)
    indices = [torch.addmm(norms, part, centres.T, alpha=-2).argmin(1) for part in parts]
    return torch.cat(indices)


def kmeans(points: Tensor, size: int, generator: torch.Generator, rounds: int = 12) -> Tensor:
    """Lloyd's algorithm from random points: (n, d) -> `size` centres; empty cells are re-seeded."""
    n = len(points)
    if n < size:
        raise ValueError(f"k-means needs at least {size} points, not {n}.")
    centres = points[torch.randperm(n, generator=generator)[:size]].clone()
    for _ in range(rounds):
        won = nearest(points, centres)
        count = torch.bincount(won, minlength=size).to(points)
        sums = torch.zeros_like(centres).index_add_(0, won, points)
        empty = (count == 0).nonzero()[:, 0]
        centres = sums / count.clamp(min=1)[:, None]
        centres[empty] = points[torch.randint(n, (len(empty),), generator=generator)]
    return centres
