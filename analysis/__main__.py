"""Command line: python -m analysis evaluate | run | codecs | claims | … (--help lists all)."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

from analysis import commands
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
from analysis.base.extractors import IMAGENETTE, Lite0
from analysis.base.provenance import Data, describe_folders, describe_list, provenance
from analysis.base.results import BadResult, check_file, save, write
from analysis.bias import commands as lab
from analysis.generator import quality as generation
from tatok.config import EPSILON
from tatok.generator import MaskGIT
from tatok.images import BadImage, load_image
from tatok.pretrained import BadCheckpoint, best_device
from tatok.sampling import GUIDANCE_SCHEDULES, SamplingOptions
from tatok.tokenizer import TaTok
from tatok.training.data import EmptyFolder, list_images, spread


def run_evaluate(args: argparse.Namespace, argv: list[str]) -> None:
    """Print the model card's table; write it with its provenance."""
    if args.out:
        check_file(args.out)
    names = read_list(args.list, args.n)
    paths = find(names, args.data)
    train = list_images(args.train) if args.train else []
    model = TaTok.from_pretrained(args.weights).to(best_device())
    record = TaTok.training_record(args.weights)
    images = torch.cat([load_image(path, size=model.config.image_size) for path in paths])
    sets = [name.split("/")[0] for name in names]
    # Convolutions on a CPU take a third less time with the channels last.
    extractor = Lite0().to(best_device(), memory_format=torch.channels_last)
    origin = provenance(
        model, record, describe_list(args.list, len(names)), args.seed, extractor.name, argv
    )
    if train:
        used = [file.path for file in spread(train, FLOOR_IMAGES)]
        origin = replace(origin, fitted=describe_folders(args.train, used))
    report = evaluate(model, images, sets, extractor, train, args.seed)
    print(f"{markdown(report)}\n\n{origin.line()}")
    if args.out:
        values = {"provenance": asdict(origin), **asdict(report)}
        write(args.out, json.dumps(values, indent=1, ensure_ascii=False) + "\n")


def run_generation(args: argparse.Namespace, argv: list[str]) -> None:
    """Print the generator's part of the model card; write it with its provenance."""
    if args.out:
        check_file(args.out)
    tokenizer = TaTok.from_pretrained(args.weights)
    generator = MaskGIT.from_pretrained(args.weights)
    same = {name: getattr(args, name) for name in ("steps", "epsilon", "seed")}
    several = ("guidance", "guidance_schedule", "temperature", "choice_temperature")
    each = itertools.product(*(getattr(args, name) for name in several))
    try:
        generator.check_tokenizer(tokenizer)
        settings = [
            SamplingOptions(**same, **dict(zip(several, values, strict=True))) for values in each
        ]
    except ValueError as error:
        raise BadData(str(error)) from error
    record = MaskGIT.training_record(args.weights)
    folders = generation.class_folders(generator, record)
    pictures = generation.find_pictures(args.data, folders, args.n, args.train_limit)
    extractor = Lite0().to(memory_format=torch.channels_last)
    features = generation.training_features(
        pictures.training, tokenizer.config.image_size, extractor, args.cache
    )
    judge = generation.Judge(extractor, features, tuple(map(IMAGENETTE.get, folders)))
    data = Data("*/train", pictures.sha256, len(features))
    origin = provenance(generator, record, data, args.seed, extractor.name, argv)
    result = generation.measure(tokenizer, generator, judge, pictures.held_out, settings, origin)
    print(f"{generation.markdown(result)}\n\n{origin.line()}")
    if args.out:
        save(result, args.out)


def run_validation_list(args: argparse.Namespace, argv: list[str]) -> None:
    """Write the fixed list of validation images."""
    check_file(args.out)
    write(args.out, "\n".join(validation_list(args.data, args.n)) + "\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    verbs = top.add_subparsers(required=True)
    show = {"formatter_class": argparse.ArgumentDefaultsHelpFormatter}

    card = verbs.add_parser("evaluate", help="the model card's table", **show)
    card.add_argument("--weights", required=True, help="folder or hub id")
    card.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders that hold the listed names"
    )
    card.add_argument("--list", type=Path, default=VALIDATION, help="names of the images")
    card.add_argument("--n", type=int, help="use only so many of the list, evenly spaced")
    card.add_argument(
        "--train", type=Path, nargs="+", help="training folders to fit the floor to (else no floor)"
    )
    card.add_argument("--seed", type=int, default=0, help="of the floor and of policy 'random'")
    card.add_argument("--out", type=Path, help="JSON file with the table and its provenance")
    card.set_defaults(run=run_evaluate)

    drawn = verbs.add_parser("generation", help="gFD and more of the generator", **show)
    drawn.add_argument("--weights", required=True, help="folder or hub id")
    drawn.add_argument("--data", type=Path, required=True, help="folder with */train and */val")
    drawn.add_argument("--n", type=int, default=1000, help="pictures, as many of each class")
    # Every combination of these is measured.
    options = SamplingOptions
    drawn.add_argument("--guidance", type=float, nargs="+", default=[options.guidance])
    drawn.add_argument(
        "--guidance-schedule",
        choices=GUIDANCE_SCHEDULES,
        nargs="+",
        default=[options.guidance_schedule],
    )
    drawn.add_argument("--temperature", type=float, nargs="+", default=[options.temperature])
    drawn.add_argument(
        "--choice-temperature", type=float, nargs="+", default=[options.choice_temperature]
    )
    drawn.add_argument("--steps", type=int, default=8)
    drawn.add_argument("--epsilon", type=float, default=EPSILON, help="information loss rate")
    drawn.add_argument("--seed", type=int, default=0)
    drawn.add_argument("--train-limit", type=int, help="compare with only so many, evenly spaced")
    drawn.add_argument("--cache", type=Path, help="folder for the training pictures' features")
    drawn.add_argument("--out", type=Path, help="JSON file with the table and its provenance")
    drawn.set_defaults(run=run_generation)

    names = verbs.add_parser("validation-list", help="make the fixed list of images", **show)
    names.add_argument("--data", type=Path, required=True, help="folder with */val folders")
    names.add_argument("--n", type=int, default=500, help="names, the same number from each")
    names.add_argument("--out", type=Path, default=VALIDATION)
    names.set_defaults(run=run_validation_list)
    commands.add(verbs)
    lab.add(verbs)
    return top


def main(argv: list[str] | None = None) -> None:
    """Entry point; what a user can cause ends in one sentence."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    try:
        args.run(args, argv)
    except (BadData, BadImage, BadCheckpoint, BadResult, EmptyFolder) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
