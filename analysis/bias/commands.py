"""The commands of the positional-bias lab and of the theory: python -m analysis bias, decompose, …

Each prints its tables and writes one file for `results.load`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from analysis.base.evaluate import VALIDATION, find, read_list
from analysis.base.extractors import Lite0
from analysis.base.metrics import rfd_label
from analysis.base.provenance import Provenance, describe_folders, describe_list, provenance
from analysis.base.results import check_file, save
from analysis.bias import counterfactuals, cure, decomposition, placement, probe
from analysis.paper.plans import papers_count
from analysis.rate import redundancy, theory
from tatok.config import EPSILON, check_epsilon
from tatok.entropy import ESTIMATORS
from tatok.images import load_image
from tatok.tokenizer import TaTok
from tatok.tokens import code_bits
from tatok.training.cache import cache_tokens
from tatok.training.data import ImageFile, list_images, load_batch, spread

CACHE = Path("runs/redundancy")


def run_bias(args: argparse.Namespace, argv: list[str]) -> None:
    """Fig. 8's pictures, noises, colours and photographs."""
    model, images, origin = _loaded(args, args.weights, argv)
    how = {"epsilon": args.epsilon, "seed": args.seed}
    found = placement.measure(model, images, args.pictures, **how)
    N = papers_count(model.config.num_patches)
    at_share = placement.measure(model, images, args.pictures, **how, count=N)
    tables = f"{placement.markdown(found)}\n\nN = {N}:\n\n{placement.markdown(at_share)}"
    _finish(args, placement.Bias(found, origin, at_share), tables, origin)


def run_counterfactuals(args: argparse.Namespace, argv: list[str]) -> None:
    """What moves with the content, and what stays at its place."""
    model, images, origin = _loaded(args, args.weights, argv)
    rows = counterfactuals.measure(model, images, epsilon=args.epsilon, seed=args.seed)
    result = counterfactuals.Counterfactuals(args.epsilon, rows, origin)
    _finish(args, result, counterfactuals.markdown(rows), origin)


def run_decompose(args: argparse.Namespace, argv: list[str]) -> None:
    """All rolls of the images, by each of the models."""
    models = []
    for weights in args.weights:
        model, images, origin = _loaded(args, weights, argv)
        bars = decomposition.measure(model, images, epsilon=args.epsilon, seed=args.seed)
        print(f"{_name(weights)}, {model.config.layout}\n{decomposition.markdown(bars)}")
        print(f"\n{origin.line()}\n")
        models.append(decomposition.ModelBars(_name(weights), model.config.layout, bars, origin))
    _save(args, decomposition.PlaceShares(args.epsilon, tuple(models)))


def run_probe(args: argparse.Namespace, argv: list[str]) -> None:
    """Linear probes of each of the models on the same images, and how they differ."""
    paths = find(read_list(args.list, args.n), args.data)
    loaded = [_model(args, weights, argv, len(paths)) for weights in args.weights]
    models = [model for model, _ in loaded]
    names, layouts = [_name(w) for w in args.weights], [model.config.layout for model in models]
    size = models[0].config.image_size
    files, first = _fitted(args, loaded[0][1])
    origins = [replace(origin, fitted=first.fitted) for _, origin in loaded]
    train, test = load_batch(files, size), _images(paths, size)
    found = probe.measure(models, train, test, args.seed)
    *networks, raw = (one.probes for one in found)
    result = probe.Probes(
        len(train),
        len(test),
        tuple(map(probe.ModelProbes, names, layouts, networks, origins)),
        raw,
        probe.differences(names, layouts, found, args.seed),
    )
    lines = (f"{name}: {origin.line()}" for name, origin in zip(names, origins, strict=True))
    print("\n\n".join((probe.markdown(result), *lines)))
    _save(args, result)


def run_cure(args: argparse.Namespace, argv: list[str]) -> None:
    """Selections without the place's share, and with the edges first, at equal N."""
    extractor = Lite0().to(memory_format=torch.channels_last)
    model, images, origin = _loaded(args, args.weights, argv, extractor.name)
    files, origin = _fitted(args, origin)
    photographs = load_batch(files, images.shape[2])
    M = model.config.num_patches
    rows = cure.measure(
        model, images, photographs, extractor, args.estimators, (M // 4, M // 2), seed=args.seed
    )
    result = cure.Cure(len(images), rfd_label(extractor, len(images)), rows, origin)
    _finish(args, result, cure.markdown(result), origin)


def run_theory(args: argparse.Namespace, argv: list[str]) -> None:
    """R(D), T and what tokens carry; the error at one number of tokens with and without G."""
    model, images, origin = _loaded(args, args.weights, argv)
    capacity = model.config.num_patches * code_bits(model.config.codebook_size)
    result = theory.Theory(
        len(images),
        float(capacity),
        theory.demands(model, images),
        theory.floors(model, images),
        origin,
    )
    _finish(args, result, theory.markdown(result), origin)


def run_redundancy(args: argparse.Namespace, argv: list[str]) -> None:
    """Red of the patch codes on the listed images; the models of codes are trained here."""
    names = read_list(args.list, args.n)
    held = [ImageFile(path, "any") for path in find(names, args.data)]
    model, origin = _model(args, args.weights, argv, len(names))
    files, origin = _fitted(args, origin)
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
    _finish(args, result, redundancy.markdown(rows), origin)


# --- what they share -------------------------------------------------------------------------


def _model(
    args: argparse.Namespace, weights: str, argv: list[str], n: int, extractor: str = "none"
) -> tuple[TaTok, Provenance]:
    if args.out:
        check_file(args.out)
    model, record = TaTok.from_pretrained(weights), TaTok.training_record(weights)
    data = describe_list(args.list, n)
    return model, provenance(model, record, data, args.seed, extractor, argv)


def _loaded(
    args: argparse.Namespace, weights: str, argv: list[str], extractor: str = "none"
) -> tuple[TaTok, Tensor, Provenance]:
    """The model, the listed images (n, 3, S, S), and where the result comes from."""
    paths = find(read_list(args.list, args.n), args.data)
    model, origin = _model(args, weights, argv, len(paths), extractor)
    return model, _images(paths, model.config.image_size), origin


def _images(paths: list[Path], size: int) -> Tensor:
    """(n, 3, size, size) in [-1, 1]."""
    return torch.cat([load_image(path, size=size) for path in paths])


def _fitted(args: argparse.Namespace, origin: Provenance) -> tuple[list[ImageFile], Provenance]:
    """The training pictures that are used, and the origin that names them."""
    files = spread(list_images(args.train), args.images)
    described = describe_folders(args.train, [file.path for file in files])
    return files, replace(origin, fitted=described)


def _name(weights: str) -> str:
    return Path(weights).name


def _save(args: argparse.Namespace, result: object) -> None:
    if args.out:
        save(result, args.out)


def _finish(args: argparse.Namespace, result: object, tables: str, origin: Provenance) -> None:
    print(f"{tables}\n\n{origin.line()}")
    _save(args, result)


def add(verbs: argparse._SubParsersAction) -> None:
    """`bias`, `counterfactuals`, `decompose`, `probe`, `cure`, `redundancy` and `theory`."""
    several = {"nargs": "+"}
    one = _command(verbs, "bias", run_bias, "where DTF keeps patches (Fig. 8)")
    _epsilon(one, placement.EPSILON)
    one.add_argument("--pictures", type=_count, default=64, help="noises, and flat colours")

    one = _command(verbs, "counterfactuals", run_counterfactuals, "position or content?", n=64)
    _epsilon(one, placement.EPSILON)

    one = _command(verbs, "decompose", run_decompose, "all rolls, taken apart", several, n=12)
    _epsilon(one, placement.EPSILON)

    one = _command(verbs, "probe", run_probe, "does position live in the codes?", several)
    _train(one, 600, "training images of the probes")

    one = _command(verbs, "cure", run_cure, "selection without the place's share")
    _train(one, 200, "other photographs behind the bias map")
    estimators = ["rate", "residual"]
    one.add_argument(
        "--estimators", nargs="+", choices=ESTIMATORS, default=estimators, help="which H to correct"
    )

    _command(verbs, "theory", run_theory, "R(D), T, and the error floor")

    one = _command(verbs, "redundancy", run_redundancy, "Red (Eq. 2) of the patch codes", n=200)
    _train(one, 3_000, "training images of the models of codes")
    _epsilon(one, EPSILON)
    one.add_argument(
        "--sequences", type=_count, default=30_000, help="to train the models of codes on"
    )
    one.add_argument("--cache", type=Path, default=CACHE, help="folder for the images' tokens")


def _command(
    verbs: argparse._SubParsersAction,
    name: str,
    run: Callable[[argparse.Namespace, list[str]], None],
    text: str,
    weights: dict | None = None,
    n: int | None = None,
) -> argparse.ArgumentParser:
    show = argparse.ArgumentDefaultsHelpFormatter
    one = verbs.add_parser(name, help=text, formatter_class=show)
    one.add_argument("--weights", required=True, help="folder or hub id", **(weights or {}))
    one.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders that hold the listed names"
    )
    one.add_argument("--list", type=Path, default=VALIDATION, help="names of the images")
    one.add_argument("--n", type=int, default=n, help="use only so many of the list, evenly spaced")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--out", type=Path, help="JSON file")
    one.set_defaults(run=run)
    return one


def _epsilon(one: argparse.ArgumentParser, default: float) -> None:
    one.add_argument("--epsilon", type=_rate, default=default, help="information loss rate")


def _rate(text: str) -> float:
    try:
        check_epsilon(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"it must lie in [0, 1), not {text}") from error
    return float(text)


def _count(text: str) -> int:
    if int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"it must be 1 or more, not {text}")


def _train(one: argparse.ArgumentParser, images: int, text: str) -> None:
    one.add_argument("--train", type=Path, nargs="+", required=True, help=f"folders of {text}")
    one.add_argument(
        "--images", type=_count, default=images, help="how many of them, evenly spaced"
    )
