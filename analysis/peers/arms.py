"""The peers as options of one command, and their training for equal time.

An arm is what `python -m tatok train tokenizer` is told beyond COMMON. All see the same pictures in
the same order on one core each; a fast arm comes further in its minutes. Since nobody knows
beforehand how far, the schedule is open for the first 80 % of the time and is then given the length
at which the rest falls as its last 20 %.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis.base.evaluate import BadData
from tatok.tokenizer import TaTok

COMMON = (
    "--size demo --image-size 128 --min-side 128 --max-side 128 --batch 4 --lr 8e-4 --bf16 "
    "--workers 0 --save-every 10"
)
OURS, PAPERS = "tatok", "tatok-paper"
ARMS = {
    "titok-64": "--kept none --no-vary-k --k 64 --k-max 64",
    "titok-96": "--kept none --no-vary-k --k 96 --k-max 96",
    "vq": "--kept all --no-vary-k --k 0 --k-max 0",
    "hita": "--kept all --no-vary-k --k 16 --k-max 16",
    PAPERS: "--layout sequence --estimator residual --epsilon 0.05 --no-w-log-rec",
    OURS: "",
}
FULL = 0.8  # share of the time before the learning rate falls
OPEN = 10**9  # images of the schedule until then
NEAR = 0.98  # of that share is near enough: the rest would go into saving
ROUNDED = 0.06  # minutes to which a training record tells the time
POLL = 1.0  # seconds from one look at the processes to the next


@dataclass(frozen=True)
class Run:
    """An arm trained with one seed for so many minutes, in a folder of its own."""

    arm: str
    seed: int
    minutes: float
    work: Path

    @property
    def name(self) -> str:
        """Of the arm, and of the seed."""
        return f"{self.arm}-seed{self.seed}"

    @property
    def folder(self) -> Path:
        """Where it is trained."""
        return self.work / f"{self.minutes:g}min" / self.name

    @property
    def flags(self) -> str:
        """What makes it this arm, and what all have in common."""
        return f"{ARMS[self.arm]} {COMMON} --seed {self.seed}".strip()

    @property
    def record(self) -> dict:
        """Of its training so far; nothing where there is none."""
        found = (self.folder / "tokenizer.json").exists()
        return TaTok.training_record(self.folder) if found else {}

    def next_step(self) -> list[str] | None:
        """The options of the training that comes next; None once it is done."""
        record, left = self.record, FULL * self.minutes
        again = ["--resume"] if record else []
        if record:
            seen, length = record["images"], record["options"]["images"]
            one_more = seen + record["options"]["batch"]
            if length < OPEN:
                return None if one_more > length else [*again, "--images", str(length)]
            left -= 60 * record["hours"]
            if left <= (1 - NEAR) * FULL * self.minutes + ROUNDED:
                return [*again, "--images", str(max(one_more, math.ceil(seen / FULL)))]
        return [*again, "--images", str(OPEN), "--minutes", f"{left:.4f}"]

    @property
    def done(self) -> bool:
        """Whether the whole schedule has been trained."""
        return self.next_step() is None


def finished(work: Path, minutes: float) -> list[Run]:
    """The runs of so many minutes in a folder that are done, in the order of ARMS and seeds."""
    found = []
    for arm in ARMS:
        names = (path.name for path in (work / f"{minutes:g}min").glob(f"{arm}-seed*"))
        seeds = sorted(int(name.removeprefix(f"{arm}-seed")) for name in names)
        found += [Run(arm, seed, minutes, work) for seed in seeds]
    return [run for run in found if run.done]


def start(run: Run, options: Sequence[str]) -> subprocess.Popen:
    """Train in a process of its own, on one core; what it says goes to train.log."""
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / "train.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tatok", "train", "tokenizer", *options],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def train(runs: Sequence[Run], folders: Sequence[Path], jobs: int) -> None:
    """Train what is not done on folders of pictures, `jobs` processes at a time.

    However it ends, the processes save and end first; then the same call goes on from there.
    """
    waiting, busy = list(runs), dict[Run, subprocess.Popen]()
    data = ["--data", *map(str, folders)]
    try:
        with _terminated():
            while waiting or busy:
                for run in [run for run, process in busy.items() if process.poll() is not None]:
                    if busy.pop(run).returncode:
                        log = run.folder / "train.log"
                        raise BadData(f"The training of {run.name} failed; {log} says why.")
                    waiting.insert(0, run)
                while waiting and len(busy) < jobs:
                    run = waiting.pop(0)
                    if (step := run.next_step()) is not None:
                        print(f"{time.strftime('%H:%M')} {run.name}: {' '.join(step)}", flush=True)
                        out = ["--out", str(run.folder)]
                        busy[run] = start(run, [*data, *out, *run.flags.split(), *step])
                time.sleep(POLL if busy else 0)
    finally:
        for process in busy.values():
            process.terminate()
        for process in busy.values():
            process.wait()


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM ends the block as an exit, so that what is under way is not left alone."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
