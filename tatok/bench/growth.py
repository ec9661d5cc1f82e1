"""How the tokenizer's cost grows with the side, with k, with the batch and with processes.

Random weights and noise, as in `stages`. A setting differs in one axis from the size's own: its
image_size and k, the smallest batch, one process with all threads. L counts tokens in attention.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from statistics import fmean, linear_regression
from typing import Any

import torch

from tatok.bench import stages
from tatok.bench.products import multiply_adds, products, seconds
from tatok.config import SIZES, TokenizerConfig

LIMIT = 8e9  # bytes: what one picture should fit, of 1,024 px too
CPUS = os.cpu_count() or 1
LAST = 3  # sides whose times give the exponent: two doublings


@dataclass(frozen=True)
class Axes:
    """The places of the four curves: px, global tokens, pictures of a batch, processes."""

    side: Sequence[int] = (64, 128, 256, 512, 1024)
    k: Sequence[int] = (0, 4, 8, 16, 32, 64)
    batch: Sequence[int] = (1, 2, 4, 8, 16)
    processes: Sequence[int] = (*(2**n for n in range(CPUS.bit_length()) if 2**n < CPUS), CPUS)


@dataclass(frozen=True)
class Setting:
    """What is measured: the axes, and how many threads each of the processes has."""

    size: str
    side: int
    k: int
    batch: int
    processes: int
    threads: int

    @property
    def config(self) -> TokenizerConfig:
        """The size's own, with room for the side and for k. ValueError where it has no such."""
        own = SIZES[self.size]
        if self.side < own.patch_size or (self.side - own.image_size) % own.stride:
            raise ValueError(
                f"A side of {self.size} is {own.image_size} px or whole steps of {own.stride} px "
                f"from there, {own.patch_size} or more, not {self.side}."
            )
        low, high = min(own.smallest, self.side), max(own.largest, self.side)
        k_max = max(own.k_max, self.k)
        return replace(own, k=self.k, k_max=k_max, min_side=low, max_side=high)


@dataclass(frozen=True)
class Point(Setting):
    """One stage at one setting.

    patches: M. seconds: of a batch, the processes' mean. pictures_per_second: of all processes.
    attention, others: multiply-adds of a picture, in attention's two products (as L^2) and in all
    other matrix products. peak_bytes: of all processes together, otherwise as in StageCost.
    """

    patches: int
    stage: str
    seconds: float
    pictures_per_second: float
    attention: float
    others: float
    peak_bytes: int | None


@dataclass(frozen=True)
class Crossing:
    """From where on one stage of a size spends more on attention's products than on all others.

    patches: M where the two counted curves cross; side: the first one at or above, in px; None
    where nothing attends or M does not vary. formula: L = (2 + mlp_ratio) D, which blocks alone
    give. exponent: the slope of log seconds over log M at the last sides; 2 is the square.
    """

    size: str
    stage: str
    patches: float | None
    side: int | None
    formula: float
    exponent: float | None


@dataclass(frozen=True)
class Growth(stages.Costs[Point]):
    """All points of a run, and where they cross."""

    crossings: tuple[Crossing, ...] = ()


def settings(size: str, axes: Axes) -> list[Setting]:
    """Every setting of a size, once, curve by curve. ValueError for one that cannot be."""
    if min(axes.processes) < 1:
        raise ValueError(f"There is at least 1 process, not {min(axes.processes)}.")
    own, threads = SIZES[size], torch.get_num_threads()
    base = Setting(size, own.image_size, own.k, min(axes.batch), 1, threads)
    wanted = []
    for axis in fields(axes):
        each = replace(base, threads=1) if axis.name == "processes" else base
        wanted += [replace(each, **{axis.name: n}) for n in sorted(getattr(axes, axis.name))]
    for one in wanted:
        _ = one.config  # refuses now rather than after hours
    return list(dict.fromkeys(wanted))


@torch.no_grad()
def measure(
    setting: Setting, config: TokenizerConfig, device: str, patience: float, wait: Callable
) -> Iterator[Point]:
    """Every stage of a setting in this process; `wait` returns when the others are there, too."""
    estimators = dict.fromkeys((config.estimator, "residual"))
    runs = stages.tokenizer_stages(config, setting.side, setting.batch, device, estimators)
    for stage, run in runs.items():
        counts = products(run)
        wait()
        time, total = seconds(run, patience), multiply_adds(counts)
        square = multiply_adds({one: n for one, n in counts.items() if one.attention})
        yield Point(
            **vars(setting),
            patches=config.grid_of(setting.side) ** 2,
            stage=stage,
            seconds=time,
            pictures_per_second=setting.batch / time,
            attention=square / setting.batch,
            others=(total - square) / setting.batch,
            peak_bytes=stages.peak_memory(run, device),
        )


_barrier: Any = None  # of a process of `side_by_side`: it can be handed over at its start alone


def _enter(barrier: Any, threads: int) -> None:
    global _barrier
    _barrier = barrier
    torch.set_num_threads(threads)


def _work(setting: Setting, config: TokenizerConfig, device: str, patience: float) -> list[Point]:
    try:
        return list(measure(setting, config, device, patience, _barrier.wait))
    except BaseException:
        _barrier.abort()  # or the others would wait for ever
        raise


def side_by_side(setting: Setting, device: str, patience: float) -> Iterator[Point]:
    """Every stage of a setting in processes of its own, which begin each stage together."""
    context, n = multiprocessing.get_context("spawn"), setting.processes
    start = context.Barrier(n), setting.threads
    with ProcessPoolExecutor(n, context, _enter, start) as pool:
        asked = [pool.submit(_work, setting, setting.config, device, patience) for _ in range(n)]
        made = [one.result() for one in asked]
    for points in zip(*made, strict=True):
        peaks = [p.peak_bytes for p in points if p.peak_bytes is not None]
        yield replace(
            points[0],
            seconds=fmean(p.seconds for p in points),
            pictures_per_second=sum(p.pictures_per_second for p in points),
            peak_bytes=sum(peaks) if len(peaks) == n else None,
        )


def costs(
    sizes: Sequence[str], axes: Axes, device: str, patience: float, say: Callable[[str], object]
) -> Iterator[Growth]:
    """What is known after each point. What does not fit a GPU is left out.

    ValueError for an axis or a patience out of range, before anything is measured.
    """
    made = Growth(**vars(stages.nothing_yet(axes.batch, device, patience)))
    for setting in [one for size in sizes for one in settings(size, axes)]:
        points = side_by_side(setting, device, patience)
        if (setting.processes, setting.threads) == (1, made.threads):
            points = measure(setting, setting.config, device, patience, lambda: None)
        try:
            for point in points:
                rows = (*made.rows, point)
                made = replace(made, rows=rows, crossings=tuple(crossings(rows)))
                yield made
        except torch.OutOfMemoryError:
            say(f"{setting} does not fit the memory of {made.device}.")


def crossings(points: Sequence[Point]) -> Iterator[Crossing]:
    """One for each stage of each size, from the points in which the side alone differs."""
    fixed = attrgetter("k", "batch", "processes", "threads")
    for size, stage in dict.fromkeys((p.size, p.stage) for p in points):
        own, mine = SIZES[size], [p for p in points if (p.size, p.stage) == (size, stage)]
        sides = [p for p in mine if fixed(p) == fixed(mine[0])]  # the first curve of a size
        sides.sort(key=attrgetter("patches"))
        M = meeting(sides[0], sides[-1])
        side = None if M is None else own.side_of(math.ceil(math.sqrt(M)))
        logs = [(math.log(p.patches), math.log(p.seconds)) for p in sides[-LAST:]]
        slope = linear_regression(*zip(*logs, strict=True)).slope if len(logs) > 1 else None
        yield Crossing(size, stage, M, side, (2 + own.mlp_ratio) * own.dim, slope)


def meeting(a: Point, b: Point) -> float | None:
    """M at which attention's products come to as many multiply-adds as all others; see Crossing.

    Exact, from two points: attention is (c L)^2, L = M + t, and the others grow as a line in M.
    """
    span = b.patches - a.patches
    if not span or not b.attention:
        return None
    c = (math.sqrt(b.attention) - math.sqrt(a.attention)) / span
    each = (b.others - a.others) / span
    L = math.sqrt(a.attention) / c
    rest = a.others - each * L  # of the others at L = 0
    M = a.patches - L + (each + math.sqrt(each**2 + 4 * c**2 * rest)) / (2 * c**2)
    return max(M, 0.0)  # so narrow that global tokens alone are too many


HEAD = (
    "| size | px | M | k | batch | processes × threads | stage | ms | pictures / s "
    "| attention, multiply-adds a picture | everything else | peak memory | under 8 GB |\n"
    "|---|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---|"
)


def line(p: Point) -> str:
    """A row of the table, Markdown."""
    fits = "–" if p.peak_bytes is None else "yes" if p.peak_bytes < LIMIT else "no"
    return (
        f"| {p.size} | {p.side} | {p.patches} | {p.k} | {p.batch} | {p.processes} × {p.threads} "
        f"| {p.stage} | {1000 * p.seconds:.2f} | {p.pictures_per_second:.2f} "
        f"| {p.attention / 1e9:.3f} G | {p.others / 1e9:.3f} G "
        f"| {stages.mebibytes(p.peak_bytes)} | {fits} |"
    )


def table(made: Sequence[Crossing]) -> str:
    """Where the curves cross, Markdown."""
    lines = [
        "| size | stage | attention's square is more from M | px | formula, blocks: L = (2 + r) D "
        "| time grows as M^ |\n|---|---|---:|---:|---:|---:|"
    ]
    for c in made:
        where = "– | –" if c.patches is None else f"{c.patches:,.0f} | {c.side}"
        exponent = "–" if c.exponent is None else f"{c.exponent:.2f}"
        lines.append(f"| {c.size} | {c.stage} | {where} | {c.formula:,.0f} | {exponent} |")
    return "\n".join(lines)
