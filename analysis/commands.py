"""The sub-commands of `python -m analysis` behind the Curves tab and the table of claims."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from analysis.base import results
from analysis.base.evaluate import BadData
from analysis.base.extractors import EXTRACTORS, Lite0, extractor_or_lite0
from analysis.base.provenance import ROOT, Data, Provenance, provenance
from analysis.base.runner import Runner
from analysis.base.work import Origin, Work
from analysis.claims import protocol as claims
from analysis.claims.list import CLAIMS
from analysis.generator import speed
from analysis.paper import experiments
from analysis.paper.experiments import Pictures, choose
from analysis.paper.plans import PLANS
from analysis.rate import codecs, sides
from tatok.config import GENERATOR_SIZES
from tatok.images import open_image
from tatok.pretrained import best_device
from tatok.tokenizer import TaTok

NO_DATA = (
    "Name a folder of pictures with --data: measuring needs some hundreds, and none come with "
    "this project."
)


@dataclass(frozen=True)
class _Inputs:
    """What a measurement works on."""

    model: TaTok
    record: dict
    pictures: Pictures
    data: Data
    content: str  # SHA-256 of the files' bytes

    def origin(self, seed: int, extractor: str, argv: Sequence[str]) -> Provenance:
        return provenance(self.model, self.record, self.data, seed, extractor, argv)


def run_experiments(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Measure figures of the paper on these weights; a file for each."""
    inputs = _inputs(args)
    extractor = extractor_or_lite0(args.extractor, lambda text: print(text, file=sys.stderr))
    extractor = extractor.to(device=best_device(), memory_format=torch.channels_last)
    runner = Runner(inputs.model, extractor, args.seed)
    work = Work(args.work, Origin.now(runner, inputs.content, len(inputs.pictures)))
    for name in dict.fromkeys(args.experiments):
        plan = PLANS[name](inputs.model)
        origin = inputs.origin(args.seed, extractor.name, argv)
        experiment = experiments.run(plan, inputs.pictures, runner, work, origin)
        results.save(experiment, results.path_of(name, args.out))
        print(f"{experiments.markdown(experiment)}\n")


def run_codecs(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Compare TaTok with JPEG, WebP and AVIF."""
    inputs = _inputs(args)
    lite0 = Lite0().to(device=best_device(), memory_format=torch.channels_last)
    origin = inputs.origin(args.seed, lite0.name, argv)
    made = codecs.measure(inputs.model, inputs.pictures, lite0, origin)
    results.save(made, results.path_of("codecs", args.out))
    print(codecs.markdown(made))


def run_sides(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """N against the side of the same pictures, and what ε costs by estimator."""
    if args.data is None:
        raise BadData(NO_DATA)
    results.check_writable(args.out)
    model = TaTok.from_pretrained(args.weights).to(best_device())
    paths, data = sides.large_pictures(args.data, args.n, sides.sides_of(model.config)[-1])
    record = TaTok.training_record(args.weights)
    origin = provenance(model, record, data, args.seed, "none", argv)
    made = sides.measure(model, paths, origin, args.seed)
    results.save(made, results.path_of("sides", args.out))
    print(sides.markdown(made))


def run_speed(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Count and time the generator at the paper's lengths."""
    if args.batch < 1:
        raise BadData(f"A batch holds 1 picture or more, not {args.batch}.")
    results.check_writable(args.out)
    made = speed.measure(args.size, args.batch, best_device(), argv)
    results.save(made, results.path_of("speed", args.out))
    print(speed.markdown(made))


def run_claims(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Judge the paper's claims by the result files; write the table."""
    table = claims.judge(CLAIMS, args.out)
    claims.write_table(table, args.readme)
    results.save(table, results.path_of("claims", args.out))
    print(claims.markdown(table))


def _inputs(args: argparse.Namespace) -> _Inputs:
    if args.data is None:
        raise BadData(NO_DATA)
    if args.n < 2:
        raise BadData(f"2 or more images can be used, not {args.n}.")
    results.check_writable(args.out)
    paths, data = choose(args.data, args.n)
    if len(paths) < args.n:
        print(f"{args.data} holds {len(paths)} pictures; all are used.", file=sys.stderr)
    content = hashlib.sha256()
    for path in tqdm(paths, desc="pictures", unit="image", dynamic_ncols=True):
        open_image(path)  # one that cannot be read is found before the work, not in it
        content.update(path.read_bytes())
    model = TaTok.from_pretrained(args.weights).to(best_device())
    pictures = Pictures(tuple(paths), model.config.image_size)
    record = TaTok.training_record(args.weights)
    return _Inputs(model, record, pictures, data, content.hexdigest())


def add(verbs) -> None:
    """Add run, codecs, speed and claims to the sub-commands `verbs`."""

    def verb(name: str, action, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(
            name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        made.add_argument("--out", type=Path, default=results.FOLDER, help="folder of the results")
        made.set_defaults(run=action)
        return made

    def measures(made: argparse.ArgumentParser, n: int) -> None:
        made.add_argument("--data", type=Path, help="folder of pictures; of */val if it has them")
        made.add_argument("--n", type=int, default=n, help="pictures, evenly spaced")
        made.add_argument("--weights", default=str(ROOT / "assets/demo"), help="folder or hub id")
        made.add_argument("--seed", type=int, default=0, help="of policy 'random' and of intervals")

    made = verb("run", run_experiments, "figures of the paper on these weights")
    made.add_argument("experiments", nargs="+", choices=PLANS)
    measures(made, 2000)
    made.add_argument("--extractor", choices=EXTRACTORS, default="lite0")
    made.add_argument(
        "--work", type=Path, default=Path(".cache/run"), help="folder that a stopped run goes on in"
    )
    measures(verb("codecs", run_codecs, "TaTok against JPEG, WebP and AVIF"), 500)
    made = verb("sides", run_sides, "N against the side of a picture, and over ε")
    measures(made, 100)
    made.set_defaults(weights=str(ROOT / "assets/anygrid"))
    made = verb("speed", run_speed, "cost of a generated picture by the number of its tokens")
    made.add_argument("--size", nargs="+", choices=GENERATOR_SIZES, default=list(GENERATOR_SIZES))
    made.add_argument("--batch", type=int, default=1)
    made = verb("claims", run_claims, "the paper's claims beside the results")
    made.add_argument("--readme", type=Path, default=ROOT / "README.md", help="gets the table")
