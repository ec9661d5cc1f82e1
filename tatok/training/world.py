"""One process among several: who it is, and what they say to one another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """This process among its peers (torchrun sets the environment)."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @staticmethod
    def join() -> World:
        """Read torchrun's environment and join the group; alone if there is none."""
        size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        cuda = torch.cuda.is_available()
        device = torch.device("cpu")
        if cuda:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(device)
        if size > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if cuda else "gloo")
        return World(rank, size, device)

    def part(self, number: int, of: int) -> World:
        """This process's place for the draws of one of its `of` batches to a step."""
        return replace(self, rank=self.rank * of + number, size=self.size * of)

    @torch.no_grad()
    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the values of the first one."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def same(self, flag: bool) -> bool:
        """The first process's flag, on all of them."""
        value = torch.tensor(float(flag), device=self.device)
        self.share([value])
        return value.item() > 0

    def any(self, flag: bool) -> bool:
        """True on all processes as soon as it is on one."""
        if self.size == 1:
            return flag
        value = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(value)
        return value.item() > 0

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, in the order of their ranks, in the first; nothing elsewhere."""
        if self.size == 1:
            return [value]
        every = [None] * self.size if self.rank == 0 else None
        dist.gather_object(value, every)
        return every or []

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()

    def mean_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Average gradients over the processes; every term of the loss is a mean over images.

        A parameter without one has none in any process: the optimizer leaves it as it is.
        """
        if self.size == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])  # one message instead of a hundred
        dist.all_reduce(flat)
        flat /= self.size
        for grad, mean in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
            grad.copy_(mean.view_as(grad))
