"""python -m analysis bias | counterfactuals | decompose | probe | cure."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from analysis.base import cli
from analysis.base.evaluate import find, read_list
from analysis.base.extractors import Lite0
from analysis.base.metrics import rfd_label
from analysis.bias import counterfactuals, cure, decomposition, placement, probe
from analysis.paper.commands import inputs
from analysis.paper.plans import papers_count
from tatok.entropy import ESTIMATORS
from tatok.training.data import load_batch


def run_bias(args: argparse.Namespace, argv: list[str]) -> None:
    """Fig. 8's pictures, noises, colours and photographs; of all weights but the first at N."""
    first, *rest = args.weights
    model, images, origin = cli.loaded(args, first, argv)
    how = {"epsilon": args.epsilon, "seed": args.seed}
    found = placement.measure(model, images, args.pictures, **how)
    N = papers_count(model.config.num_patches)
    at_share = placement.measure(model, images, args.pictures, **how, count=N)
    tables = [placement.markdown(found), f"N = {N}:", placement.markdown(at_share)]
    twins = []
    for weights in rest:
        model, images, made = cli.loaded(args, weights, argv)
        N = papers_count(model.config.num_patches)
        placed = placement.measure(model, images, args.pictures, **how, count=N)
        twins.append(placement.Twin(_name(weights), model.config.layout, placed, made))
        tables += [f"{_name(weights)}, N = {N}:", placement.markdown(placed)]
    result = placement.Bias(found, origin, at_share, tuple(twins))
    cli.finish(args, result, "\n\n".join(tables), origin)


def run_counterfactuals(args: argparse.Namespace, argv: list[str]) -> None:
    """What moves with the content, and what stays at its place."""
    model, images, origin = cli.loaded(args, args.weights, argv)
    rows = counterfactuals.measure(model, images, epsilon=args.epsilon, seed=args.seed)
    result = counterfactuals.Counterfactuals(args.epsilon, rows, origin)
    cli.finish(args, result, counterfactuals.markdown(rows), origin)


def run_decompose(args: argparse.Namespace, argv: list[str]) -> None:
    """All rolls of the images, by each of the models."""
    models = []
    for weights in args.weights:
        model, images, origin = cli.loaded(args, weights, argv)
        bars = decomposition.measure(model, images, epsilon=args.epsilon, seed=args.seed)
        print(f"{_name(weights)}, {model.config.layout}\n{decomposition.markdown(bars)}")
        print(f"\n{origin.line()}\n")
        models.append(decomposition.ModelBars(_name(weights), model.config.layout, bars, origin))
    cli.save(args, decomposition.PlaceShares(args.epsilon, tuple(models)))


def run_probe(args: argparse.Namespace, argv: list[str]) -> None:
    """Linear probes of each of the models on the same images, and how they differ."""
    paths = find(read_list(args.list, args.n), args.data)
    loaded = [cli.model_of(args, weights, argv, len(paths)) for weights in args.weights]
    models = [model for model, _ in loaded]
    names, layouts = [_name(w) for w in args.weights], [model.config.layout for model in models]
    size = models[0].config.image_size
    files, first = cli.fitted(args, loaded[0][1])
    origins = [replace(origin, fitted=first.fitted) for _, origin in loaded]
    train, test = load_batch(files, size), cli.images(paths, size)
    found = probe.measure(models, train, test, args.seed)
    *networks, raw = (one.probes for one in found)
    controls = [probe.patches_help(model, test, args.seed) for model in models]
    result = probe.Probes(
        len(train),
        len(test),
        tuple(map(probe.ModelProbes, names, layouts, networks, origins, controls)),
        raw,
        probe.differences(names, layouts, found, args.seed),
    )
    lines = (f"{name}: {origin.line()}" for name, origin in zip(names, origins, strict=True))
    print("\n\n".join((probe.markdown(result), *lines)))
    cli.save(args, result)


def run_cure(args: argparse.Namespace, argv: list[str]) -> None:
    """Selections without the place's share, and with the edges first, at equal N."""
    given = inputs(args, args.weights)
    extractor = cli.on_best_device(Lite0())
    files, origin = cli.fitted(args, given.origin(args.seed, extractor.name, argv))
    model, n = given.model, len(given.pictures)
    photographs, M = load_batch(files, model.config.image_size), model.config.num_patches
    rows = cure.measure(
        model,
        given.pictures,
        photographs,
        extractor,
        args.estimators,
        (M // 4, M // 2),
        seed=args.seed,
    )
    result = cure.Cure(n, rfd_label(extractor, n), rows, origin)
    cli.finish(args, result, cure.markdown(result), origin)


def _name(weights: str) -> str:
    return Path(weights).name


def add(verbs) -> None:
    """`bias`, `counterfactuals`, `decompose`, `probe` and `cure`."""
    one = cli.verb(verbs, "bias", run_bias, "where DTF keeps patches (Fig. 8)")
    cli.weights(one, several=True)
    cli.listed(one)
    cli.epsilon(one, placement.EPSILON)
    one.add_argument("--pictures", type=cli.count, default=64, help="noises, and flat colours")

    one = cli.verb(verbs, "counterfactuals", run_counterfactuals, "position or content?")
    cli.weights(one)
    cli.listed(one, n=64)
    cli.epsilon(one, placement.EPSILON)

    one = cli.verb(verbs, "decompose", run_decompose, "all rolls, taken apart")
    cli.weights(one, several=True)
    cli.listed(one, n=12)
    cli.epsilon(one, placement.EPSILON)

    one = cli.verb(verbs, "probe", run_probe, "does position live in the codes?")
    cli.weights(one, several=True)
    cli.listed(one)
    cli.train(one, "training pictures of the probes", 600)

    one = cli.verb(verbs, "cure", run_cure, "selection without the place's share")
    cli.weights(one)
    cli.pictures(one)
    cli.train(one, "other photographs behind the bias map", 200)
    estimators = ["rate", "residual"]
    one.add_argument(
        "--estimators", nargs="+", choices=ESTIMATORS, default=estimators, help="which H to correct"
    )
