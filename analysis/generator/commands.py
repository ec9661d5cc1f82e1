"""python -m analysis generation | sheet | coherence | speed."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from analysis.base import cli, results
from analysis.base.evaluate import BadData
from analysis.base.extractors import IMAGENETTE, Lite0
from analysis.base.provenance import Data, provenance
from analysis.generator import coherence, quality, sheet, speed
from tatok.config import GENERATOR_SIZES
from tatok.files import write_picture
from tatok.generator import MaskGIT
from tatok.pretrained import best_device
from tatok.sampling import GUIDANCE_SCHEDULES, ORDERS, SamplingOptions
from tatok.tokenizer import TaTok


def _pair(weights: str) -> tuple[TaTok, MaskGIT]:
    """The two on the best device. BadData where they are not made for each other."""
    tokenizer = TaTok.from_pretrained(weights).to(best_device())
    generator = MaskGIT.from_pretrained(weights).to(best_device())
    try:
        generator.check_tokenizer(tokenizer)
    except ValueError as error:
        raise BadData(str(error)) from error
    return tokenizer, generator


def run_generation(args: argparse.Namespace, argv: list[str]) -> None:
    """Print the generator's part of the model card; write it with its provenance."""
    results.check_writable(args.out)
    tokenizer, generator = _pair(args.weights)
    same = {name: getattr(args, name) for name in ("steps", "epsilon", "seed")}
    several = ("guidance", "guidance_schedule", "temperature", "choice_temperature")
    several += ("patch_guidance", "patch_temperature", "patch_spread", "order")
    each = itertools.product(*(getattr(args, name) for name in several))
    try:
        settings = [
            SamplingOptions(**same, **dict(zip(several, values, strict=True))) for values in each
        ]
    except ValueError as error:
        raise BadData(str(error)) from error
    record = MaskGIT.training_record(args.weights)
    folders = quality.class_folders(generator, record)
    pictures = quality.find_pictures(args.data, folders, args.n, args.train_limit)
    extractor = cli.on_best_device(Lite0())
    features = quality.training_features(
        pictures.training, generator.side(tokenizer), extractor, args.cache
    )
    judge = quality.Judge(extractor, features, tuple(map(IMAGENETTE.get, folders)))
    data = Data("*/train", pictures.sha256, len(features))
    origin = provenance(generator.fingerprint, record, data, args.seed, extractor.name, argv)
    result = quality.measure(tokenizer, generator, judge, pictures.held_out, settings, origin)
    cli.finish(args, result, quality.markdown(result), origin)


def run_sheet(args: argparse.Namespace, _: Sequence[str]) -> None:
    """Pictures of every class into sheet.webp; the line below it, with a link, into the card."""
    results.check_writable(args.out)
    tokenizer, generator = _pair(args.weights)
    options, path = SamplingOptions(seed=args.seed), args.out / "sheet.webp"
    write_picture(path, sheet.picture_of(tokenizer, generator, options, args.n))
    link = os.path.relpath(path, args.card.parent) if args.card else path
    record = MaskGIT.training_record(args.weights)
    cli.show(args, sheet.markdown(link, generator, options, args.n, record.get("images")))


def run_coherence(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Patches drawn for real global tokens, at their own places."""
    results.check_writable(args.out)
    tokenizer, generator = _pair(args.weights)
    try:
        names = ("steps", "guidance", "temperature", "choice_temperature", "epsilon", "seed")
        names += ("order", "patch_spread")
        options = SamplingOptions(**{name: getattr(args, name) for name in names})
    except ValueError as error:
        raise BadData(str(error)) from error
    record = MaskGIT.training_record(args.weights)
    folders = quality.class_folders(generator, record)
    files = quality.held_out(args.data, folders, args.n)
    extractor = cli.on_best_device(Lite0())
    data = Data("*/val", quality.sha256_of(files), len(files))
    origin = provenance(generator.fingerprint, record, data, args.seed, extractor.name, argv)
    made = coherence.measure(tokenizer, generator, extractor, files, options, origin)
    cli.finish(args, made, coherence.markdown(made), origin)


def run_speed(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Count and time the generator at the paper's lengths."""
    if args.batch < 1:
        raise BadData(f"A batch holds 1 picture or more, not {args.batch}.")
    results.check_writable(args.out)
    made = speed.measure(args.size, args.batch, best_device(), argv)
    cli.save(args, made)
    print(speed.markdown(made))


def add(verbs) -> None:
    """`generation`, `sheet`, `coherence` and `speed`."""
    drawn = cli.verb(verbs, "generation", run_generation, "gFD and more of the generator")
    cli.weights(drawn, side=False)
    cli.card(drawn)
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
    for name in ("--patch-guidance", "--patch-temperature"):
        drawn.add_argument(
            name, type=float, nargs="+", default=[None], help="default: as that of G"
        )
    drawn.add_argument("--patch-spread", type=float, nargs="+", default=[options.patch_spread])
    drawn.add_argument("--order", choices=ORDERS, nargs="+", default=[options.order])
    drawn.add_argument("--steps", type=int, default=options.steps)
    cli.epsilon(drawn, options.epsilon)
    drawn.add_argument("--train-limit", type=int, help="compare with only so many, evenly spaced")
    drawn.add_argument("--cache", type=Path, help="folder for the training pictures' features")

    shown = cli.verb(verbs, "sheet", run_sheet, "pictures of every class, none left out")
    cli.weights(shown, side=False)
    cli.card(shown)
    shown.add_argument("--n", type=cli.count, default=8, help="pictures of each class")

    one = cli.verb(verbs, "coherence", run_coherence, "patches drawn for real global tokens")
    cli.weights(one, side=False)
    one.add_argument("--data", type=Path, required=True, help="folder with */val")
    one.add_argument("--n", type=int, default=200, help="pictures, as many of each class")
    one.add_argument("--steps", type=int, default=options.steps)
    one.add_argument("--guidance", type=float, default=1.0, help="1: none")
    one.add_argument("--temperature", type=float, default=options.temperature)
    one.add_argument("--choice-temperature", type=float, default=options.choice_temperature)
    one.add_argument("--patch-spread", type=float, default=options.patch_spread)
    one.add_argument("--order", choices=ORDERS, default=options.order)
    cli.epsilon(one, options.epsilon)

    made = cli.verb(verbs, "speed", run_speed, "cost of a picture by the number of its tokens")
    made.add_argument("--size", nargs="+", choices=GENERATOR_SIZES, default=list(GENERATOR_SIZES))
    made.add_argument("--batch", type=int, default=1)
