"""A plan measured on images: resumable, with intervals, and in parts where it was stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import BadData, table
from analysis.base.metrics import kid_label, rfd_label
from analysis.base.provenance import Data, Provenance
from analysis.base.results import Experiment, Point, Series, shown
from analysis.base.runner import Result, Runner, Setting, Stopwatch
from analysis.base.stats import Originals, mean_band
from analysis.paper.plans import Plan
from analysis.paper.work import Work
from tatok.images import load_image
from tatok.training.data import list_images, spread

PSNR_CAP = 60.0  # dB; one image without error would make the mean infinite


class Images(Protocol):
    """Images of which some can be taken: a tensor (n, 3, S, S) in [-1, 1], or `Pictures`."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> Tensor: ...


@dataclass(frozen=True)
class Pictures:
    """Files, read when they are taken: short side to S, centre cropped."""

    paths: tuple[Path, ...]
    size: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: slice) -> Tensor:
        return torch.cat([load_image(path, size=self.size) for path in self.paths[rows]])


def choose(folder: Path, n: int | None, without: Sequence[str] = ()) -> tuple[list[Path], Data]:
    """n pictures of a folder, evenly spaced over its sorted files, and what to call them.

    Of a folder that holds */val only those. All there are if they are fewer than n, or n is None;
    but none whose name, relative to the folder, is in `without`.
    """
    vals, called = sorted(folder.glob("*/val")), folder.resolve().name
    if vals:
        called = f"{called}/*/val"
    used = set(without)
    names = [file.path.relative_to(folder).as_posix() for file in list_images(vals or [folder])]
    names = [name for name in names if name not in used]
    if not names:
        raise BadData(f"No picture of {folder} is left.")
    names = names if n is None else spread(names, n)
    digest = hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
    return [folder / name for name in names], Data(called, digest, len(names))


def fill(
    work: Work,
    images: Images,
    settings: Sequence[Setting],
    runner: Runner,
    progress: Callable[[int], object],
) -> None:
    """Measure what is not in `work` yet, a chunk of images at a time, every setting on it.

    `progress` is told how many images a setting has just finished. Whatever it raises passes on,
    and what was written stays.
    """
    for start in work.starts:
        missing, watch = work.missing(settings, start), Stopwatch()
        if not missing and not work.lacks_originals(start):
            continue
        with watch("load"):
            x = images[work.rows(start)]
        if work.lacks_originals(start):
            with watch("features"):
                features = runner.features(x)
            work.write_originals(start, features, watch.lap())
        results = runner.measure(x, missing, start, progress)
        for setting, result in results.items():  # the first also pays for loading, if not yet paid
            work.write(setting, start, replace(result, seconds=result.seconds + watch.lap()))


def run(plan: Plan, images: Images, runner: Runner, work: Work, origin: Provenance) -> Experiment:
    """Measure a plan, or what is missing of it, with bars that tell the time left."""
    settings = plan.settings
    total = len(images) * len(settings)
    done = total - work.images_missing(settings)
    with tqdm(total=total, initial=done, desc=plan.id, unit="image", dynamic_ncols=True) as bar:
        fill(work, images, settings, runner, bar.update)
    with tqdm(total=len(settings), desc="statistics", unit="setting", dynamic_ncols=True) as bar:
        return tabulate(plan, work, runner, origin, bar.update)


def tabulate(
    plan: Plan,
    work: Work,
    runner: Runner,
    origin: Provenance,
    progress: Callable[[int], object] = lambda n: None,
) -> Experiment:
    """The experiment from what is in `work`: from the chunks that every setting has been through.

    So what a stopped run leaves is an experiment, too, of fewer images. ValueError if that is none.
    `progress` is told of each setting; what it raises passes on.
    """
    starts = [start for start in work.starts if work.whole(plan.settings, start)]
    if not starts:
        raise ValueError("No part of the images has been through every setting yet.")
    watch = Stopwatch()
    with watch("statistics"):
        features, seconds = work.originals(starts)
        originals, points = Originals(features), {}
    for setting in plan.settings:
        result = work.result(setting, starts)
        with watch("statistics"):
            points[setting] = _point(setting, result, originals, runner)
        seconds += result.seconds
        progress(1)
    n, config = len(features), runner.model.config
    series = tuple(
        Series(curve.name, tuple(replace(points[s], x=x) for x, s in curve.points))
        for curve in plan.curves
    )
    return Experiment(
        id=plan.id,
        title=plan.title,
        x=plan.x,
        num_patches=config.num_patches,
        image_size=config.image_size,
        fd_label=rfd_label(runner.extractor, n),
        kid_label=kid_label(runner.extractor, n),
        series=series,
        seconds=seconds + watch.lap(),
        provenance=replace(origin, data=replace(origin.data, n=n)),
    )


def _point(setting: Setting, result: Result, originals: Originals, runner: Runner) -> Point:
    N, bits = result.count.double(), result.bits.double().mean().item()
    fd, limit = originals.distances(result.features)
    return Point(
        x=0.0,  # where a curve has it
        setting=setting,
        count=N.mean().item(),
        count_deviation=N.std().item(),
        bits=bits,
        bits_per_pixel=bits / runner.model.config.image_size**2,
        psnr=mean_band(result.psnr.clamp(max=PSNR_CAP), runner.seed),
        fd=fd,
        kid=originals.kid(result.features, runner.seed),
        limit=limit,
    )


def markdown(experiment: Experiment) -> str:
    """The experiment as Markdown: a table for each series, the time, and how it was made."""
    head = [experiment.x, "N", "bits / pixel", "PSNR, dB", experiment.fd_label]
    head.append(experiment.kid_label)
    limits = [p.limit for series in experiment.series for p in series.points]
    if all(limits):
        head += [f"N={n}" for n in reversed(limits[0].sizes[1:])] + ["N → ∞"]
    tables = []
    for series in experiment.series:
        rows = [_cells(experiment, point) for point in series.points]
        tables.append(f"**{series.name}**\n\n{table(head, rows)}")
    made = f"Time: {experiment.seconds.line()}.\n\n{experiment.provenance.line()}"
    return "\n\n".join([f"## {experiment.title}", *tables, made])


def _cells(experiment: Experiment, point: Point) -> list[str]:
    limit = point.limit
    over_n = [f"{value:.2f}" for value in reversed(limit.values[1:])] if limit else []
    return [
        point.setting.label if experiment.id == "fig5" else f"{point.x:g}",
        f"{point.count:.1f} ± {point.count_deviation:.1f}",
        f"{point.bits_per_pixel:.4f}",
        shown(point.psnr, 2),
        shown(point.fd, 2),
        shown(point.kid, 4),
        *over_n,
        *([shown(limit.estimate, 2)] if limit else []),
    ]
