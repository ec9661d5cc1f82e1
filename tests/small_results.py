"""Result files made from a tiny model and pictures made by code: real ones, but for the codecs'."""

from pathlib import Path

import torch
from conftest import pictures, random_model

from analysis.base.provenance import Data, Provenance
from analysis.base.results import Estimate, Experiment, path_of, save
from analysis.base.runner import Runner, Seconds
from analysis.base.stats import GROUPS
from analysis.claims.list import CLAIMS
from analysis.claims.protocol import judge
from analysis.paper.experiments import run
from analysis.paper.plans import PLANS
from analysis.paper.work import Origin, Work
from analysis.rate import sides
from analysis.rate.codecs import CodecPoint, Codecs, Coder, compare
from tatok.images import to_pil

N = 42  # images: enough for the jackknife


class Moments:
    """Means and variances of the channels: features that cost nothing."""

    name = "channel moments"

    def features(self, x):
        return torch.cat([x.mean((2, 3)), x.var((2, 3))], dim=1)


def origin(model) -> Provenance:
    data = Data("pictures", "5" * 64, 0)
    return Provenance("abc", model.fingerprint, 7, None, data, 3, "e", "today", "2", "python")


def experiments(folder: Path, names=tuple(PLANS)) -> dict[str, Experiment]:
    """The figures of the paper on a tiny random model; `folder` is for the work."""
    model, x = random_model(), pictures(N)
    runner = Runner(model, Moments(), seed=3)
    work = Work(folder, Origin.now(runner, "abc", N))
    return {name: run(PLANS[name](model), x, runner, work, origin(model)) for name in names}


def codecs() -> Codecs:
    """Points that nobody measured, in the shape of measured ones."""

    def around(value, share):
        replicates = tuple(value * (1 + share * (-1) ** g) for g in range(GROUPS))
        return Estimate(value, value - 10 * share, value + 10 * share, replicates)

    def point(coder, knob, size, psnr):
        share = 0.001 if coder == "TaTok" else -0.001
        sizes = around(size, 0), around(size - 28, 0)
        return CodecPoint(coder, knob, 128, *sizes, around(psnr, share), around(1 / psnr, -share))

    points = (
        point("TaTok", None, 60, 14),
        point("TaTok", 0.5, 200, 18),
        point("TaTok", 0.0, 500, 21),
        point("JPEG", 1, 400, 15),
        point("JPEG", 30, 900, 24),
        point("JPEG", 10, 880, 19),  # below the hull
    )
    made = origin(random_model())
    coders = (Coder("JPEG", "optimize=<True>", "all but the scan"),)
    return Codecs(128, coders, points, compare(points), Seconds(), made)


def sides_of_pictures(folder: Path) -> sides.Sides:
    """N by side of a tiny random model for squares of 32 to 64 pixels."""
    model = random_model(min_side=32, max_side=64)
    paths = [folder / f"side{i}.png" for i in range(6)]
    for path, x in zip(paths, pictures(6, size=64), strict=True):
        to_pil(x).save(path)
    return sides.measure(model, paths, origin(model))


def write(folder: Path, work: Path) -> None:
    """All result files of the tab Curves."""
    for name, result in experiments(work).items():
        save(result, path_of(name, folder))
    save(codecs(), path_of("codecs", folder))
    save(sides_of_pictures(work), path_of("sides", folder))
    save(judge(CLAIMS, folder), path_of("claims", folder))
