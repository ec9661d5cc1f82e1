"""What each stage costs: encode, select by every estimator, quantize, decode, and the sampler.

Random weights and noise, since cost depends on the shapes alone; float32, one device, one run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from tatok.bench import generator
from tatok.bench.products import multiply_adds, products, seconds, seconds_alone
from tatok.config import GENERATOR_SIZES, SIZES, TokenizerConfig
from tatok.entropy import ESTIMATORS
from tatok.tokenizer import TaTok

STEPS, TOTAL = 8, 57  # of the sampler: the paper's steps, and its k + N
KEPT = 1 / 8  # share of the patches that are kept: about the paper's
Row = TypeVar("Row")
Made = TypeVar("Made", bound="Costs")


@dataclass(frozen=True)
class StageCost:
    """One stage on one batch.

    multiply_adds: of all matrix products, of one picture. share_of_mm: time that torch.mm and
    torch.bmm take for products of the same shapes, measured in the same run, over the stage's; None
    where it has no products. of_encode: its time over that of encoding the batch. peak_bytes: of a
    GPU, what the stage's tensors take at most, weights included; of a CPU, the whole process; None
    where the system does not tell.
    """

    size: str
    side: int
    batch: int
    stage: str
    seconds: float
    pictures_per_second: float
    multiply_adds: float
    share_of_mm: float | None
    of_encode: float
    peak_bytes: int | None


@dataclass(frozen=True)
class Costs(Generic[Row]):
    """All rows of a run, and what it ran on."""

    rows: tuple[Row, ...]
    device: str
    threads: int
    torch: str
    patience: float  # seconds for which a stage, and a product, was timed

    def line(self) -> str:
        """How it was measured."""
        return (
            f"{self.device}, {self.threads} threads, float32, random weights, each stage timed for "
            f"{self.patience:g} s or more, torch {self.torch}"
        )


def tokenizer_stages(
    config: TokenizerConfig, side: int, batch: int, device: str, estimators: Iterable[str]
) -> dict[str, Callable]:
    """The four steps by name. ValueError where the configuration does not take such pictures."""
    model = TaTok(config).eval().to(device)
    x = torch.rand(batch, 3, side, side, device=device) * 2 - 1
    encoding = model.encode(x)
    M = encoding.patches.shape[1]
    selection = model.select(encoding, estimator="residual-plain", count=round(KEPT * M))
    tokens = model.quantize(encoding, selection)

    def select(estimator: str) -> Callable:
        # A copy has not been decoded yet: `rate` and `gain` pay for that.
        return lambda: model.select(replace(encoding), estimator=estimator)

    made: dict[str, Callable] = {"encode": lambda: model.encode(x)}
    made |= {f"select, {name}": select(name) for name in estimators}
    return made | {
        "quantize": lambda: model.quantize(encoding, selection),
        "decode": lambda: model.decode(tokens),
    }


def stages(size: str, side: int, batch: int, device: str) -> dict[str, Callable]:
    """By name, what is timed. ValueError where the size does not take such pictures."""
    made = tokenizer_stages(SIZES[size], side, batch, device, ESTIMATORS)
    if size in GENERATOR_SIZES:
        k, N = generator.split(TOTAL)
        maskgit = generator.random_model(size, k, device)
        name = f"sample, {TOTAL} tokens, {STEPS} steps"
        made[name] = lambda: generator.draw(maskgit, N, batch, STEPS)
    return made


@torch.no_grad()
def measure(
    size: str, side: int | None, batch: int, device: str, patience: float
) -> Iterator[StageCost]:
    """Every stage of a size, in the order of `stages`, as soon as it is measured."""
    encode = 0.0
    side = SIZES[size].image_size if side is None else side
    for name, run in stages(size, side, batch, device).items():
        counts = products(run)
        time = seconds(run, patience)
        encode = encode or time
        alone = seconds_alone(counts, device, patience / 4)
        yield StageCost(
            size,
            side,
            batch,
            name,
            time,
            batch / time,
            multiply_adds(counts) / batch,
            alone / time if counts else None,
            time / encode,
            peak_memory(run, device),
        )


def costs(
    sizes: Sequence[str],
    side: int | None,
    batches: Sequence[int],
    device: str,
    patience: float,
    say: Callable[[str], object],
) -> Iterator[Costs[StageCost]]:
    """All sizes and batches: what is known after each stage. What does not fit a GPU is left out.

    ValueError as of `nothing_yet`.
    """
    made: Costs[StageCost] = nothing_yet(batches, device, patience)
    for size in sizes:
        for batch in sorted(batches):
            try:
                for row in measure(size, side, batch, device, patience):
                    made = replace(made, rows=(*made.rows, row))
                    yield made
            except torch.OutOfMemoryError:
                say(f"{size} at batch {batch} does not fit the memory of {made.device}.")
                break


def nothing_yet(batches: Sequence[int], device: str, patience: float) -> Costs:
    """A run before its first row. ValueError: a batch below 1, a patience that is not above 0."""
    if min(batches) < 1 or not patience > 0:
        raise ValueError("A batch holds 1 picture or more, and timing takes more than 0 seconds.")
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return Costs((), name, torch.get_num_threads(), torch.__version__, patience)


def peak_memory(run: Callable[[], object], device: str) -> int | None:
    """The most memory in use while it runs, in bytes; see StageCost."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the high-water mark begins anew
        run()
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


HEAD = (
    "| size | px | batch | stage | ms | pictures / s | multiply-adds a picture | of torch.mm "
    "| time of encode | peak memory |\n|---|---:|---:|---|---:|---:|---:|---:|---:|---:|"
)


def line(row: StageCost) -> str:
    """A row of the table, Markdown."""
    share = "–" if row.share_of_mm is None else f"{row.share_of_mm:.0%}"
    return (
        f"| {row.size} | {row.side} | {row.batch} | {row.stage} | {1000 * row.seconds:.2f} "
        f"| {row.pictures_per_second:.2f} | {row.multiply_adds / 1e9:.3f} G | {share} "
        f"| {row.of_encode:.1%} | {mebibytes(row.peak_bytes)} |"
    )


def mebibytes(peak: int | None) -> str:
    """Bytes as a cell of a table."""
    return "–" if peak is None else f"{peak / 2**20:,.0f} MiB"


def tell(
    costs: Iterable[Made], head: str, line: Callable[[Any], str], path: Path | None
) -> Made | None:
    """Print each row as soon as it is known, and save all; what is known in the end, if any is."""
    made = None
    for made in costs:
        if len(made.rows) == 1:
            print(f"{made.line()}\n\n{head}")
        print(line(made.rows[-1]), flush=True)
        if path:
            save(made, path)
    return made


def save(made: Costs, path: Path) -> None:
    """As JSON, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(asdict(made), indent=1) + "\n")
    os.replace(partial, path)
