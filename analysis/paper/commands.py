"""python -m analysis run | twins | rfid."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from analysis.base import cli, results
from analysis.base.evaluate import BadData, read_list
from analysis.base.extractors import EXTRACTORS, FeatureExtractor, extractor_or_lite0
from analysis.base.provenance import Data, Provenance, describe_folders
from analysis.base.results import Experiment
from analysis.base.runner import Runner
from analysis.paper import experiments, twins, whole_set
from analysis.paper.experiments import Pictures, choose
from analysis.paper.plans import PLANS, Plan
from analysis.paper.whole_set import WholeSet
from analysis.paper.work import Origin, Work
from tatok.images import open_image
from tatok.tokenizer import TaTok
from tatok.training.data import list_images
from tatok.training.world import World

NO_DATA = (
    "Name a folder of pictures with --data: measuring needs some hundreds, and none come with "
    "this project."
)


@dataclass(frozen=True)
class Inputs:
    """What a measurement works on."""

    weights: cli.Weights
    pictures: Pictures
    data: Data
    content: str  # SHA-256 of the files' bytes

    @property
    def model(self) -> TaTok:
        return self.weights.model

    def origin(self, seed: int, extractor: str, argv: Sequence[str]) -> Provenance:
        return self.weights.origin(self.data, seed, extractor, argv)


def run_experiments(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Measure figures of the paper on these weights; a file for each."""
    given = inputs(args, args.weights)
    wanted = [PLANS[name](given.model) for name in dict.fromkeys(args.experiments)]
    extractor = extractor_or_lite0(args.extractor, lambda text: print(text, file=sys.stderr))
    for experiment in measured(args, given, wanted, extractor, argv):
        write(args, experiment)


def run_twins(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Measure Fig. 3 on weights that were trained for one k each."""
    extractor = extractor_or_lite0(args.extractor, lambda text: print(text, file=sys.stderr))
    made = []
    for folder in args.weights:
        given = inputs(args, folder)
        made += measured(args, given, [twins.plan(given.model)], extractor, argv)
    write(args, twins.together(made))


def measured(
    args: argparse.Namespace,
    given: Inputs,
    wanted: Sequence[Plan],
    extractor: FeatureExtractor,
    argv: Sequence[str],
) -> Iterator[Experiment]:
    """Each plan, as soon as it is measured."""
    runner = Runner(given.model, cli.on_best_device(extractor), args.seed)
    work = Work(args.work, Origin.now(runner, given.content, len(given.pictures)))
    origin = given.origin(args.seed, extractor.name, argv)
    for plan in wanted:
        yield experiments.run(plan, given.pictures, runner, work, origin)


def write(args: argparse.Namespace, experiment: Experiment) -> None:
    """Save and print; a file by other features than Lite0's goes to a folder of their name."""
    usual = experiment.provenance.extractor == EXTRACTORS["lite0"].name
    out = args.out if usual else args.out / args.extractor
    results.save(experiment, results.path_of(experiment.id, out))
    print(f"{experiments.markdown(experiment)}\n")


def run_rfid(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """The paper's protocol on all pictures of some folders; under torchrun they are shared."""
    results.check_writable(args.out)
    world = World.join()
    say = (lambda text: print(text, file=sys.stderr)) if world.rank == 0 else lambda text: None
    files = list_images(args.data)
    made = cli.tokenizer(args, args.weights)
    model = made.model.to(world.device).eval()
    extractor = extractor_or_lite0(args.extractor, say).to(world.device)
    runner = Runner(model, extractor, args.seed, args.batch)
    asked = whole_set.settings(model.config)
    found = whole_set.measure(runner, files, list(asked.values()), world)
    if found is None:
        return
    data = describe_folders(args.data, [file.path for file in files])
    data = replace(data, n=len(found[1]))  # those that could be read
    origin = made.origin(data, args.seed, extractor.name, argv)
    whole = WholeSet(model.config.image_size, whole_set.rows(runner, asked, *found), origin)
    cli.finish(args, whole, whole_set.markdown(whole), origin)


def inputs(args: argparse.Namespace, weights: str) -> Inputs:
    """These weights and the pictures that the flags name; BadData, BadImage."""
    if args.data is None:
        raise BadData(NO_DATA)
    if args.n is not None and args.n < 2:
        raise BadData(f"2 or more images can be used, not {args.n}.")
    results.check_writable(args.out)
    used = read_list(args.without) if args.without else []
    paths, data = choose(args.data, args.n, used)
    if args.n is not None and len(paths) < args.n:
        print(f"{args.data} holds {len(paths)} pictures; all are used.", file=sys.stderr)
    content = hashlib.sha256()
    for path in tqdm(paths, desc="pictures", unit="image", dynamic_ncols=True):
        open_image(path)  # one that cannot be read is found before the work, not in it
        content.update(path.read_bytes())
    made = cli.tokenizer(args, weights)
    pictures = Pictures(tuple(paths), made.model.config.image_size)
    return Inputs(made, pictures, data, content.hexdigest())


def add(verbs) -> None:
    """`run`, `twins` and `rfid`."""
    whole = cli.verb(verbs, "rfid", run_rfid, "the paper's protocol on a whole validation set")
    cli.weights(whole)
    whole.add_argument("--data", type=Path, nargs="+", required=True, help="folders or shards")
    whole.add_argument("--extractor", choices=EXTRACTORS, default="inception")
    whole.add_argument("--batch", type=cli.count, default=8, help="pictures at a time")
    made = cli.verb(verbs, "run", run_experiments, "figures of the paper on these weights")
    made.add_argument("experiments", nargs="+", choices=PLANS)
    alike = cli.verb(verbs, twins.NAME, run_twins, "Fig. 3 on weights trained for one k each")
    cli.weights(made)
    cli.weights(alike, several=True)
    for one in (made, alike):
        cli.pictures(one)
        one.add_argument(
            "--extractor",
            choices=EXTRACTORS,
            default="lite0",
            help="of the rFD; files of another than lite0 go to a folder of its name",
        )
        one.add_argument(
            "--work",
            type=Path,
            default=Path(".cache/run"),
            help="folder that a stopped run goes on in",
        )
