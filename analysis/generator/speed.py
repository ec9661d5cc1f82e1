"""The paper's speed-up as a result file: `tatok.bench.generator` with the machine and the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import torch

from analysis.base.provenance import ROOT, command, commit
from tatok.bench.generator import Cost, compare, table

STEPS = 8  # of the paper


@dataclass(frozen=True)
class Speed:
    """The result file: what a picture costs by the length of its sequence; random weights.

    rows as `tatok.bench.generator.compare` gives them; `device` with the number of CPU threads.
    """

    rows: tuple[Cost, ...]
    batch: int
    steps: int
    device: str
    torch: str
    commit: str
    date: str
    command: str

    def line(self) -> str:
        """One line to print under a table or a figure."""
        return (
            f"{self.device}, fp32, batch {self.batch}, {self.steps} steps, guidance pair, random "
            f"weights, commit {self.commit}, torch {self.torch}, {self.date}"
        )


def measure(sizes: list[str], batch: int, device: str, argv: Sequence[str]) -> Speed:
    """All lengths of some sizes of the generator."""
    rows = tuple(compare(sizes, None, batch, STEPS, device))
    threads = torch.get_num_threads()
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {threads} threads"
    return Speed(
        rows,
        batch,
        STEPS,
        name,
        torch.__version__,
        commit(ROOT),
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command(argv),
    )


def markdown(speed: Speed) -> str:
    """The rows as Markdown, and how they were made."""
    return f"{table(list(speed.rows))}\n\n{speed.line()}"
