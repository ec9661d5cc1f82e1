"""What a run will need, told before it starts: memory by what holds it, and hours.

Memory is measured: all tensors are counted that exist during one forward and backward pass of one
picture and of two, with the run's own options, and the rest follows, since what a step holds is
linear in the batch. `torch.compile`, which is used on a GPU, holds less than this; fragmentation
and the libraries of a GPU (about 1 GB) come on top.
"""

from __future__ import annotations

import logging
import os
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tatok.training.loop import Task, Trainer
from tatok.transformer import Blocks

log = logging.getLogger(__name__)

GB = 1e9
UTILISATION = 0.4  # share of a matrix product's rate that training is taken to reach


class Held(TorchDispatchMode):
    """Counts the bytes of tensors made within it: `now` those that are held, `most` at any time.

    What `model` owns is not counted.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.now = self.most = 0
        tensors = [*model.parameters(), *model.buffers()]
        self._known = {tensor.untyped_storage()._cdata for tensor in tensors}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._see(leaf.untyped_storage())
        return made

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


@dataclass(frozen=True)
class Budget:
    """Bytes of one process."""

    weights: int  # and their running average
    optimizer: int  # gradients, and AdamW's two moments
    activations: int  # of one picture
    fixed: int  # of a step, whatever the batch

    def need(self, batch: int) -> int:
        """At a batch."""
        return self.weights + self.optimizer + self.fixed + batch * self.activations

    def most(self, room: int) -> int:
        """The largest batch that fits."""
        return max(0, (room - self.need(0)) // self.activations)


def measure(task: Task, half: bool) -> Budget:
    """What the task's model needs with the options that it has now, in mixed precision or not."""
    model = task.model
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    one, two = (_most_held(task, pictures, half) for pictures in (1, 2))
    every = sum(tensor.nbytes for tensor in [*model.parameters(), *model.buffers()])
    activations = max(1, two - one)
    return Budget(2 * every, 3 * trained, activations, max(0, one - activations))


def _most_held(task: Task, pictures: int, half: bool) -> int:
    """Bytes during one forward and backward pass, without the parameters' gradients."""
    parameters = [p for p in task.model.parameters() if p.requires_grad]
    hooks = [p.register_post_accumulate_grad_hook(_drop_gradient) for p in parameters]
    with Held(task.model) as held:
        with torch.autocast(task.model.device.type, torch.bfloat16, enabled=half):
            loss = task.weigh(pictures)
        loss.backward()
        del loss
    for hook in hooks:
        hook.remove()
    return held.most


def _drop_gradient(parameter: torch.Tensor) -> None:
    parameter.grad = None


def announce(trainer: Trainer) -> None:
    """Say what the run needs and how long it takes; warn, with a way out, if it does not fit."""
    if trainer.world.rank:
        return
    task, batch = trainer.task, trainer.options.batch
    budget = measure(task, trainer.half)
    hours = task.work / 2 * trainer.options.images / trainer.peak / UTILISATION / 3600
    log.info(
        "%s pictures of at most %.3g G multiply-adds: %.3g hours of one device at %.0f %% of the "
        "%.3g G a second that a matrix product reaches here.",
        f"{trainer.options.images:,}",
        task.work / 2 / 1e9,
        hours,
        100 * UTILISATION,
        trainer.peak / 1e9,
    )
    room = memory(trainer.world.device)
    fits = budget.need(batch) <= room
    log.log(
        logging.INFO if fits else logging.WARNING,
        sentence(budget, batch, room, trainer.world.device.type == "cuda")
        + ("" if fits else way_out(budget, recomputing(task, trainer.half), batch, room)),
    )


def recomputing(task: Task, half: bool) -> Budget:
    """The budget with `--checkpoint`."""
    stacks = [module for module in task.model.modules() if isinstance(module, Blocks)]
    before = [stack.recompute for stack in stacks]
    for stack in stacks:
        stack.recompute = True
    try:
        return measure(task, half)
    finally:
        for stack, was in zip(stacks, before, strict=True):
            stack.recompute = was


def sentence(budget: Budget, batch: int, room: int, on_gpu: bool) -> str:
    """What is needed, by what holds it, and what is there."""
    step = budget.fixed + batch * budget.activations
    return (
        f"Weights {budget.weights / GB:.1f} GB, gradients and optimizer {budget.optimizer / GB:.1f}"
        f" GB, activations {step / GB:.1f} GB: needs {budget.need(batch) / GB:.1f} GB a "
        f"{'GPU' if on_gpu else 'process'} at batch {batch}; this one has {room / GB:.1f}"
    )


def way_out(budget: Budget, recomputed: Budget, batch: int, room: int) -> str:
    """What to try where a batch does not fit."""
    ways = [f"--batch {most}"] if (most := budget.most(room)) else []
    if recomputed.need(batch) <= room:
        ways.append("--checkpoint")
    elif (fewer := recomputed.most(room)) > most:
        ways.append(f"--checkpoint --batch {fewer}")
    return f": try {' or '.join(ways)}" if ways else ": it does not fit"


def memory(device: torch.device) -> int:
    """Bytes of the GPU, or a process's share of the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    every = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return every // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
