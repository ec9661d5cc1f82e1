"""python -m analysis evaluate | validation-list | coverage | all."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from analysis.base import cli, coverage, everything, recipes, results
from analysis.base.evaluate import (
    FLOOR_IMAGES,
    VALIDATION,
    BadData,
    evaluate,
    find,
    markdown,
    read_list,
    validation_list,
)
from analysis.base.extractors import EXTRACTORS, Lite0
from analysis.base.provenance import ROOT, describe_folders, describe_list
from tatok.training.data import ImageFile, large_enough, list_images, spread


def run_evaluate(args: argparse.Namespace, argv: list[str]) -> None:
    """Print the model card's table; write it with its provenance."""
    results.check_writable(args.out)
    made = cli.tokenizer(args, args.weights)
    model, side = made.model, made.model.config.image_size
    names, paths = _large_enough(args, side)
    train = list_images(args.train) if args.train else []
    images = cli.images(paths, side)
    sets = [name.split("/")[0] for name in names]
    extractor = cli.on_best_device(Lite0())
    data = describe_list(args.list, len(names))
    origin = made.origin(data, args.seed, extractor.name, argv)
    if train:
        used = [file.path for file in spread(train, FLOOR_IMAGES)]
        origin = replace(origin, fitted=describe_folders(args.train, used))
    report = evaluate(model, images, sets, extractor, train, args.seed)
    cli.show(args, f"{markdown(report)}\n\n{origin.line()}")
    values = {"provenance": asdict(origin), **asdict(report)}
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    results.write(results.path_of(args.name, args.out), text)


def _large_enough(args: argparse.Namespace, side: int) -> tuple[list[str], list[Path]]:
    """The listed names and their files that `side` px does not enlarge much; n of them."""
    names = read_list(args.list)
    files = [
        ImageFile(path, name) for path, name in zip(find(names, args.data), names, strict=True)
    ]
    fit = large_enough(files, side)
    if len(fit) < len(files):
        print(f"{len(files) - len(fit)} of {len(files)} pictures are too small.", file=sys.stderr)
    if not 2 <= (n := args.n or len(fit)) <= len(fit):
        raise BadData(f"{args.list.name} names {len(fit)} images; 2 or more can be used, not {n}.")
    return [file.label for file in spread(fit, n)], [file.path for file in spread(fit, n)]


def run_validation_list(args: argparse.Namespace, argv: list[str]) -> None:
    """Write the fixed list of validation images."""
    results.write(args.list, "\n".join(validation_list(args.data, args.n)) + "\n")


def run_coverage(args: argparse.Namespace, argv: list[str]) -> None:
    """Print how often the intervals of a Fréchet distance hold the truth."""
    print(coverage.markdown(coverage.measure(args.features, args.draws, args.seed)))


def run_all(args: argparse.Namespace, argv: list[str]) -> None:
    """Every result file, the card's tables, the claims and the screenshots."""
    plan = list(everything.steps(args.data.resolve(), args.pair, args.second))
    everything.make(plan, args.work, everything.call, print)


def add(verbs) -> None:
    """`evaluate`, `validation-list`, `coverage` and `all`."""
    card = cli.verb(verbs, "evaluate", run_evaluate, "the model card's table")
    cli.weights(card)
    cli.listed(card)
    cli.train(card, "training pictures to fit the floor to (else no floor)")
    cli.card(card)

    names = verbs.add_parser("validation-list", help="make the list of pictures")
    names.add_argument("--data", type=Path, required=True, help="folder with */val folders")
    names.add_argument("--n", type=int, default=500, help="names, the same number from each")
    names.add_argument("--list", type=Path, default=VALIDATION, help="the file to write")
    names.set_defaults(run=run_validation_list)

    text = "how often the intervals of an rFD hold a truth that is known"
    covered = verbs.add_parser("coverage", help=text)
    covered.add_argument("--features", type=cli.count, default=160, help="d")
    covered.add_argument("--draws", type=cli.count, default=200, help="sets of features")
    covered.add_argument("--seed", type=int, default=0)
    covered.set_defaults(run=run_coverage)

    text = "every result, table, claim and screenshot; a stopped run goes on where it was"
    whole = verbs.add_parser("all", help=text)
    whole.add_argument("--data", type=Path, required=True, help="as in the README")
    whole.add_argument(
        "--pair",
        type=Path,
        nargs="+",
        default=[ROOT / part for part in recipes.PAIR.split()],
        help="weights of both layouts, trained for equal time",
    )
    whole.add_argument("--second", choices=EXTRACTORS, help="extractor of a second opinion")
    whole.add_argument("--work", type=Path, default=Path(".cache/all"), help="what is done")
    whole.set_defaults(run=run_all)
