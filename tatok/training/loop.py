"""One training loop for tokenizer and generator: resumable, logged, for one process or torchrun.

Every random draw is a function of (seed, images seen), so that a run that was killed and resumed
is bit for bit the run that was not.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import itertools
import json
import logging
import signal
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from tatok.files import write_tensors, write_text
from tatok.pretrained import UNFIT, BadCheckpoint
from tatok.speed import bf16_pays, product_rate
from tatok.training.data import Stream
from tatok.training.world import World
from tatok.transformer import Blocks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOptions:
    """How long, how fast, where to. Images are counted over all runs of the schedule."""

    out: Path
    images: int = 300_000  # length of the schedule
    minutes: float = float("inf")  # save and stop after this long
    batch: int = 8  # pictures that a process holds at once
    accumulate: int = 1  # batches of a process to a step, one after the other
    lr: float = 6e-4
    warmup: int = 2_000  # images over which the rate rises, again after every new start
    cooldown: float = 0.2  # last share of the schedule, over which the rate falls to 0
    weight_decay: float = 0.02
    ema: float = 0.999
    seed: int = 0
    save_every: float = 4.0  # minutes between checkpoints, log rows and pictures
    workers: int = 1
    checkpoint: bool = False  # hold only what enters a block; see `Blocks`
    bf16: bool = False  # mixed precision on a CPU too (pays with AVX512-BF16 or AMX); a GPU has it
    hold: bool = False  # tokenizer: all pictures decoded on the device, augmented there
    resume: bool = False

    def joint(self, world: World) -> int:
        """Pictures of one step, of all processes."""
        return self.batch * self.accumulate * world.size


class Task(Protocol):
    """What the loop trains; `n` is the number of images seen before this joint batch.

    A step is one call of `loss` or several (`accumulate`), and then one of `after_step`.
    """

    model: Any  # a Pretrained
    data: Any  # a Dataset
    work: int  # multiply-adds of the last loss's blocks; backward is two forwards

    def loss(self, batch: Tensor, n: int, world: World) -> tuple[Tensor, dict[str, Tensor]]: ...
    def after_step(self, n: int, world: World) -> None: ...
    def weigh(self, pictures: int) -> Tensor: ...  # the loss at its largest, for `budget`
    def validate(self, model: Any) -> dict[str, float]: ...
    def save(self, model: Any, folder: Path, record: dict, hurried: bool) -> None: ...
    def state(self) -> dict[str, Tensor]: ...
    def load_state(self, state: dict[str, Tensor]) -> None: ...


def learning_rate(n: int, since_start: int, options: RunOptions) -> float:
    """Rate at image n: rises over `warmup`, holds, falls over the last `cooldown`."""
    rise = min(1.0, (since_start + 1) / max(1, options.warmup))
    fall = min(1.0, (options.images - n) / max(1.0, options.cooldown * options.images))
    return options.lr * rise * max(0.0, fall)


def means(sums: dict[str, Tensor], steps: int) -> dict[str, float]:
    """Sums over steps -> means as numbers."""
    return {name: value.item() / steps for name, value in sums.items()}


class Trainer:
    """Owns optimizer, EMA copy, log and checkpoints of one run."""

    def __init__(self, task: Task, options: RunOptions, seen: int = 0, hours: float = 0.0) -> None:
        self.task, self.options, self.world = task, options, World.join()
        task.model.to(self.world.device).train()
        self.ema = copy.deepcopy(task.model).eval().requires_grad_(False)
        self.half = self.world.device.type == "cuda" or (
            options.bf16 and self.world.same(bf16_pays())
        )
        if options.bf16 and not self.half:
            log.warning("This processor does not multiply bfloat16: --bf16 is off.")
        for module in task.model.modules():
            if isinstance(module, Blocks):
                module.recompute = options.checkpoint
        self.peak = product_rate(torch.bfloat16 if self.half else torch.float32, self.world.device)
        self.parameters = [p for p in task.model.parameters() if p.requires_grad]
        decay = [p for p in self.parameters if p.ndim >= 2]
        plain = [p for p in self.parameters if p.ndim < 2]
        groups: list[dict[str, Any]] = [{"params": decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=options.lr,
            betas=(0.9, 0.95),
            weight_decay=options.weight_decay,
            fused=True,
        )
        self.seen = self.began = seen
        self.hours = hours  # of training, over all runs of the schedule
        self.stop = False
        if options.resume:
            self._load()
        self.world.share([*_all_tensors(task.model).values(), *_all_tensors(self.ema).values()])
        self.joint, self.work = options.joint(self.world), 0
        if self.seen + self.joint > options.images:
            raise ValueError(
                f"Nothing is left to train: the schedule has {options.images:,} images, and these "
                f"weights have seen {self.seen:,}."
            )

    # -- the loop ----------------------------------------------------------------------------

    def fit(self) -> None:
        """Train until the schedule, the minutes, or a SIGINT/SIGTERM ends it; save; return."""
        previous = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._fit()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _fit(self) -> None:
        options, world = self.options, self.world
        for module in self.task.model.modules():
            if isinstance(module, Block) and world.device.type == "cuda":  # a CPU gains nothing
                module.compile()
        share = options.batch * options.accumulate
        stream = Stream(self.seen, options.images, share, world.rank, world.size)
        loader = DataLoader(
            self.task.data,
            options.batch,
            sampler=stream,
            num_workers=0 if options.hold else options.workers,
            pin_memory=world.device.type == "cuda" and not options.hold,
            worker_init_fn=_leave_signals_to_the_loop,
        )
        bar = tqdm(
            total=options.images,
            initial=self.seen,
            unit="img",
            disable=world.rank > 0,
            mininterval=5,
            dynamic_ncols=True,
        )
        start = last_save = time.monotonic()
        sums: dict[str, Tensor] = {}
        steps, closing, self.waited = 0, 0.0, 0.0
        with contextlib.closing(self._timed(loader)) as batches:
            for batch in batches:
                rest = itertools.islice(batches, options.accumulate - 1)
                terms = self.step(itertools.chain([batch], rest))
                bar.update(self.joint)
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0) + value
                steps += 1
                now = time.monotonic()
                # The last checkpoint is begun so that it ends in time; an early one tells how long.
                over = self.world.any(self.stop or now - start + closing > 60 * options.minutes)
                patience = options.save_every
                if not closing:
                    patience = min(patience, options.minutes / 4)
                if over or self.world.any(now - last_save > 60 * patience):
                    self._checkpoint(now - last_save, means(sums, steps), steps)
                    last_save, sums, steps, self.work = time.monotonic(), {}, 0, 0
                    self.waited = 0.0
                    closing = last_save - now
                if over:
                    break
            else:
                if steps:  # else the last batch has been saved, and its row has the losses
                    self._checkpoint(time.monotonic() - last_save, means(sums, steps), steps)
        bar.close()

    def _timed(self, loader: DataLoader) -> Generator[Tensor]:
        batches = iter(loader)
        try:
            while True:
                began = time.monotonic()
                batch = next(batches, None)
                self.waited += time.monotonic() - began
                if batch is None:
                    return
                yield batch
        finally:
            # The traceback of an error holds the iterator: its processes, deaf to the SIGTERM of
            # the exit, would be waited for without end.
            if loader.num_workers:
                batches._shutdown_workers()  # type: ignore[attr-defined]

    def step(self, batches: Iterable[Tensor]) -> dict[str, Tensor]:
        """One update on this process's share of the joint batch, `accumulate` times (B, …)."""
        options, world, A = self.options, self.world, self.options.accumulate
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.seen, self.seen - self.began, options)
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            batch = batch.to(world.device, non_blocking=True)
            with torch.autocast(world.device.type, torch.bfloat16, enabled=self.half):
                loss, terms = self.task.loss(batch, self.seen, world.part(number, A))
            (loss / A).backward()
            self.work += self.task.work
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, 0) + value.detach() / A
        world.mean_gradients(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.task.after_step(self.seen, world)
        self.seen += self.joint
        self._average()
        return sums  # numbers only when they are logged: asking makes a GPU wait

    @torch.no_grad()
    def _average(self) -> None:
        # The average starts short, so that it does not remember the initialisation.
        steps = (self.seen - self.began) / self.joint
        decay = min(self.options.ema, (1 + steps) / (10 + steps))
        average: list[Tensor] = list(self.ema.parameters())
        torch._foreach_lerp_(average, list[Tensor](self.task.model.parameters()), 1 - decay)
        for ours, theirs in zip(self.ema.buffers(), self.task.model.buffers(), strict=True):
            ours.copy_(theirs)

    def _on_signal(self, *_: object) -> None:
        self.stop = True

    # -- checkpoints and log -----------------------------------------------------------------

    def _checkpoint(self, seconds: float, terms: dict[str, float], steps: int) -> None:
        self.hours += seconds / 3600
        images = steps * self.joint
        seconds = max(seconds, 1e-9)
        per_second = self.work / seconds  # of this process
        if self.world.rank == 0:
            # What cannot be made again comes first: a launcher's patience after SIGTERM is short.
            self._save()
            self.task.save(self.ema, self.options.out, self.record(), self.stop)
            row = {
                "images": self.seen,
                "hours": round(self.hours, 4),
                "lr": self.optimizer.param_groups[0]["lr"],
                "images_per_second": images / seconds,
                "multiply_adds_per_second": per_second * self.world.size,
                "share_of_peak": per_second / self.peak,
                "share_waiting": self.waited / seconds,  # for pictures: more `--workers` help
                **terms,
            }
            if not self.stop:
                row |= self.task.validate(self.ema)
            self._log(row)
        self.world.wait()

    def record(self) -> dict:
        """What goes beside the weights: how far the schedule is."""
        options = {
            n: v for n, v in vars(self.options).items() if n not in ("out", "resume", "minutes")
        }
        return {"images": self.seen, "hours": round(self.hours, 3), "options": options}

    def _log(self, row: dict[str, float]) -> None:
        path = self.options.out / "log.csv"
        if path.exists():
            with path.open(newline="") as file:
                kept = [old for old in csv.DictReader(file) if int(old["images"]) < row["images"]]
        else:
            kept = []
        every: list[dict[str, Any]] = [*kept, row]
        names = list(dict.fromkeys([name for old in every for name in old]))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(
            [*kept, {n: f"{v:.6g}" if isinstance(v, float) else v for n, v in row.items()}]
        )
        write_text(path, text.getvalue())
        log.info(
            " ".join(f"{n} {v:.4g}" if isinstance(v, float) else f"{n} {v}" for n, v in row.items())
        )

    def _save(self) -> None:
        state = {f"model.{n}": t for n, t in _all_tensors(self.task.model).items()}
        state |= {f"ema.{n}": t for n, t in _all_tensors(self.ema).items()}
        for i, slot in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{i}.{n}": torch.as_tensor(t) for n, t in slot.items()}
        state |= {f"task.{n}": t for n, t in self.task.state().items()}
        state = {n: t.detach().clone().contiguous() for n, t in state.items()}
        meta = {"seen": self.seen, "began": self.began, "hours": self.hours}
        path = self.options.out / "state.safetensors"
        write_tensors(path, state, {"run": json.dumps(meta)})

    def _load(self) -> None:
        path = self.options.out / "state.safetensors"
        if not path.exists():
            raise FileNotFoundError(f"There is nothing to resume in {self.options.out}.")
        try:
            with safe_open(path, "pt", device=str(self.world.device)) as file:
                meta = json.loads(file.metadata()["run"])
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            self._take(state)
            self.seen, self.began, self.hours = meta["seen"], meta["began"], meta["hours"]
        except UNFIT as error:
            raise BadCheckpoint(f"{path} is damaged, or of another run's shape.") from error

    def _take(self, state: dict[str, Tensor]) -> None:
        part = lambda prefix: {  # noqa: E731
            n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)
        }
        for model, prefix in ((self.task.model, "model."), (self.ema, "ema.")):
            with torch.no_grad():
                for name, tensor in _all_tensors(model).items():
                    tensor.copy_(state[prefix + name])
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimizer.").items():
            i, key = name.split(".", 1)
            slots.setdefault(int(i), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.task.load_state(part("task."))


def _leave_signals_to_the_loop(_: int) -> None:
    """Ctrl-C reaches the whole process group; a worker that died of it takes the loop along."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _all_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and all buffers, those included that a shipped checkpoint leaves out."""
    return dict(model.named_parameters()) | dict(model.named_buffers())
