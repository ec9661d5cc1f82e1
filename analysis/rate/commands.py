"""python -m analysis theory | redundancy | codecs | sides."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.base import cli, results
from analysis.base.evaluate import BadData, find, read_list
from analysis.base.extractors import Lite0
from analysis.paper.commands import NO_DATA, inputs
from analysis.rate import codecs, redundancy, sides, theory
from tatok.config import EPSILON
from tatok.tokens import code_bits
from tatok.training.cache import cache_tokens
from tatok.training.data import ImageFile

CACHE = Path("runs/redundancy")


def run_theory(args: argparse.Namespace, argv: list[str]) -> None:
    """R(D), T and what tokens carry; the error at one number of tokens with and without G."""
    model, images, origin = cli.loaded(args, args.weights, argv)
    capacity = model.config.num_patches * code_bits(model.config.codebook_size)
    result = theory.Theory(
        len(images),
        float(capacity),
        theory.demands(model, images),
        theory.floors(model, images),
        origin,
    )
    cli.finish(args, result, theory.markdown(result), origin)


def run_redundancy(args: argparse.Namespace, argv: list[str]) -> None:
    """Red of the patch codes on the listed images; the models of codes are trained here."""
    names = read_list(args.list, args.n)
    held = [ImageFile(path, "any") for path in find(names, args.data)]
    model, origin = cli.model_of(args, args.weights, argv, len(names))
    files, origin = cli.fitted(args, origin)
    seen = [ImageFile(file.path, "any") for file in files]
    parts = [cache_tokens(model, files, ["any"], args.cache, views=2) for files in (seen, held)]
    rows = redundancy.measure(model, *parts, args.epsilon, args.sequences, args.seed)
    result = redundancy.Redundancies(
        args.epsilon,
        len(parts[1]) // 2,
        len(parts[0]) // 2,
        args.sequences,
        float(code_bits(model.config.codebook_size)),
        rows,
        origin,
    )
    cli.finish(args, result, redundancy.markdown(rows), origin)


def run_codecs(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Compare TaTok with JPEG, WebP and AVIF."""
    given = inputs(args, args.weights)
    lite0 = cli.on_best_device(Lite0())
    origin = given.origin(args.seed, lite0.name, argv)
    made = codecs.measure(given.model, given.pictures, lite0, origin)
    cli.save(args, made)
    print(codecs.markdown(made))


def run_sides(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """N against the side of the same pictures, and what ε costs by estimator."""
    if args.data is None:
        raise BadData(NO_DATA)
    results.check_writable(args.out)
    weights = cli.tokenizer(args, args.weights)
    model = weights.model
    paths, data = sides.large_pictures(args.data, args.n, sides.sides_of(model.config)[-1])
    origin = replace(weights.origin(data, args.seed, "none", argv), side=None)  # they are several
    made = sides.measure(model, paths, origin, args.seed)
    cli.save(args, made)
    print(sides.markdown(made))


def add(verbs) -> None:
    """`theory`, `redundancy`, `codecs` and `sides`."""
    one = cli.verb(verbs, "theory", run_theory, "R(D), T, and the error floor")
    cli.weights(one)
    cli.listed(one)

    one = cli.verb(verbs, "redundancy", run_redundancy, "Red (Eq. 2) of the patch codes")
    cli.weights(one)
    cli.listed(one, n=200)
    cli.train(one, "training pictures of the models of codes", 3_000)
    cli.epsilon(one, EPSILON)
    one.add_argument(
        "--sequences", type=cli.count, default=30_000, help="to train the models of codes on"
    )
    one.add_argument("--cache", type=Path, default=CACHE, help="folder for the pictures' tokens")

    one = cli.verb(verbs, "codecs", run_codecs, "TaTok against JPEG, WebP and AVIF")
    cli.weights(one)
    cli.pictures(one, 500)

    one = cli.verb(verbs, "sides", run_sides, "N against the side of a picture, and over ε")
    cli.weights(one, side=False)
    cli.pictures(one, 100)
