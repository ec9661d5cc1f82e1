"""The experiments on somebody's own pictures: fewer settings, stoppable, partial results kept."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import torch
from torch import Tensor

from analysis.base.provenance import Data, provenance
from analysis.base.results import Experiment
from analysis.base.runner import Runner
from analysis.paper import archive
from analysis.paper.experiments import fill, tabulate
from analysis.paper.plans import PAPER_RANGE, PLANS, Curve, Plan
from analysis.paper.work import Origin, Work
from tatok import BadImage, TaTok, load_image

FEWEST = 2  # images; one alone has no spread
POINTS = 5  # of a curve
CHUNK = 8  # images that go through all settings before there is a result
GROWTH = 1.25  # of the number of whole images, for a new partial result
POLL = 0.4  # seconds between two reports
NAMED = 8  # bad files that a message names
CALLED = "pictures of one's own"  # in the line that says how a figure was made


class TooFew(ValueError):
    """Not enough pictures for an experiment; one sentence."""


@dataclass(frozen=True)
class Album:
    """Pictures that could be read, x (n, 3, S, S) in [-1, 1]; `bad` names the files that could not.

    sha256: of the bytes of the files read, in their order.
    """

    x: Tensor
    sha256: str
    bad: tuple[str, ...]

    def left_out(self) -> str:
        """One sentence about the files that could not be read, or nothing."""
        if not self.bad:
            return ""
        rest = len(self.bad) - NAMED
        names = ", ".join(self.bad[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
        files = len(self.bad) + len(self.x)
        return f"{len(self.bad)} of {files} files cannot be read as pictures: {names}."


@dataclass(frozen=True)
class Report:
    """How far a measurement is, in steps of one image and one setting.

    seconds_left: None before the first step. experiment: what is whole so far, where that is new.
    """

    done: int
    total: int
    seconds_left: float | None = None
    experiment: Experiment | None = None


class Stopped(Exception):
    """Somebody wants no more of it."""


def read_album(paths: Sequence[Path], size: int) -> Album:
    """The pictures of files and zip archives. Raises BadArchive or TooFew with one sentence."""
    archive.count(paths)
    pictures, bad, digest = [], [], hashlib.sha256()
    for file in archive.read(paths):
        try:
            pictures.append(load_image(file.data, size))
            digest.update(file.data)
        except BadImage:
            bad.append(file.name)
    x = torch.cat(pictures) if pictures else torch.empty(0, 3, size, size)
    album = Album(x, digest.hexdigest(), tuple(bad))
    if len(pictures) < FEWEST:
        raise TooFew(f"An experiment needs {FEWEST} pictures or more. {album.left_out()}".strip())
    return album


def short_plan(name: str, model: TaTok) -> Plan:
    """The experiment with at most POINTS settings a curve; of Fig. 5 the first comparison whole."""
    plan = PLANS[name](model)
    if name == "fig5":
        return replace(plan, curves=plan.curves[:1])
    if name == "epsilon":  # without what is there for a verdict alone
        curves = [c for c in plan.curves if len(c.points) != len(PAPER_RANGE)]
        plan = replace(plan, curves=tuple(curves))
    return replace(plan, curves=tuple(Curve(c.name, _spread(c.points)) for c in plan.curves))


def measure(name: str, album: Album, runner: Runner, record: dict, stop: Event) -> Iterator[Report]:
    """Measure `short_plan(name)` on the album, with a report every moment.

    What was whole when `stop` was set is in the last report that has an experiment. Nothing stays
    on the disk, and closing the iterator ends the work.
    """
    plan, n = short_plan(name, runner.model), len(album.x)
    data = Data(CALLED, album.sha256, n)
    mark, extractor = runner.model.fingerprint, runner.extractor.name
    origin = provenance(mark, record, data, runner.seed, extractor, ())
    origin = replace(origin, command=f"on the page: {name} with {len(plan.settings)} settings")
    done, total, start = 0, n * len(plan.settings), time.monotonic()

    def step(images: int) -> None:
        nonlocal done
        done += images
        if stop.is_set():
            raise Stopped

    def report(experiment: Experiment | None = None) -> Report:
        taken = time.monotonic() - start
        left = taken * (total - done) / done if done else None
        return Report(done, total, left, experiment)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        work = Work(Path(folder), Origin.now(runner, album.sha256, n), chunk=CHUNK)
        running, whole = pool.submit(fill, work, album.x, plan.settings, runner, step), 0
        try:
            while True:
                ended = not wait([running], timeout=POLL).not_done
                now = _whole(work, plan)
                if now > whole and (ended or now >= GROWTH * whole):
                    whole = now
                    yield report(tabulate(plan, work, runner, origin))
                else:
                    yield report()
                if ended:
                    break
            if not isinstance(running.exception(), Stopped):
                running.result()  # raises what went wrong
        finally:
            stop.set()


def _whole(work: Work, plan: Plan) -> int:
    """Images that have been through every setting."""
    rows = (work.rows(start) for start in work.starts if work.whole(plan.settings, start))
    return sum(part.stop - part.start for part in rows)


def _spread(points: tuple) -> tuple:
    """At most POINTS of them, evenly, with the first and the last."""
    if len(points) <= POINTS:
        return points
    return tuple(points[round(i * (len(points) - 1) / (POINTS - 1))] for i in range(POINTS))
