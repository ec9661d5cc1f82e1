"""What a generated picture costs, counted and timed: the paper's speed comes from short sequences.

Random weights: cost depends on the shapes alone. The multiply-adds of all matrix products are
counted while the sampler runs (torch's own counter), attention's as two products.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tatok.config import GENERATOR_SIZES, GeneratorConfig
from tatok.generator import MaskGIT
from tatok.sampling import sample

PATCHES = 441  # M of the paper, for all rows
LONGEST = 569  # Hita's 441 patch and 128 global tokens, the row that the others are compared with
TOTALS = (57, 64, 256, 457, LONGEST)


@dataclass(frozen=True)
class Cost:
    """One row: k + N tokens; multiply-adds of one picture; pictures a second; ratios to LONGEST."""

    size: str
    what: str
    tokens: int
    multiply_adds: float
    per_second: float
    ratio_counted: float = 1.0
    ratio_timed: float = 1.0


def split(total: int) -> tuple[int, int]:
    """k and N of a total: 16 global tokens, more where the patches are all in use."""
    k = max(16, total - PATCHES)
    return k, total - k


def random_model(size: str, k: int, device: str) -> MaskGIT:
    """A generator of the size for k global tokens and PATCHES places, of 1,000 classes."""
    config = GeneratorConfig(
        classes=tuple(map(str, range(1000))),
        tokenizer="",
        num_patches=PATCHES,
        k=k,
        **GENERATOR_SIZES[size],
    )
    return MaskGIT(config).eval().to(device)


def draw(model: MaskGIT, N: int, batch: int, steps: int) -> None:
    """One batch of pictures' tokens, with guidance."""
    for _ in sample(model, [n % 1000 for n in range(batch)], count=N, steps=steps):
        pass


@torch.inference_mode()
def measure(size: str, what: str, total: int, batch: int, steps: int, device: str) -> Cost:
    """Generate one batch with guidance, counting; then again, timing."""
    k, N = split(total)
    model = random_model(size, k, device)

    def run() -> None:
        draw(model, N, batch, steps)
        if device == "cuda":
            torch.cuda.synchronize()

    # The counter does not know a CPU's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    run()  # warms up: the first pass with the fused attention is the slower one
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    return Cost(size, what, total, counter.get_total_flops() / 2 / batch, batch / seconds)


def compare(sizes: list[str], own: int | None, batch: int, steps: int, device: str) -> list[Cost]:
    """All rows of some sizes in one run; `own` is k + N as DTF gives it for real pictures.

    Raises ValueError for a batch or a number of steps below 1.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}.")
    rows = []
    for size in sizes:
        wanted = [(f"{t} tokens", t) for t in TOTALS]
        if own is not None:
            wanted.insert(0, (f"{own} tokens, DTF's mean", own))
        made = [measure(size, what, total, batch, steps, device) for what, total in wanted]
        longest = made[-1]
        rows += [
            replace(
                row,
                ratio_counted=longest.multiply_adds / row.multiply_adds,
                ratio_timed=row.per_second / longest.per_second,
            )
            for row in made
        ]
    return rows


def table(rows: list[Cost]) -> str:
    """The rows as Markdown."""
    lines = [
        "| size | sequence | multiply-adds a picture | pictures / s | ratio, counted | timed |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.size} | {r.what} | {r.multiply_adds / 1e9:.2f} G | {r.per_second:.3f} "
        f"| {r.ratio_counted:.2f} | {r.ratio_timed:.2f} |"
        for r in rows
    ]
    return "\n".join(lines)
