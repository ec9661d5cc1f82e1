"""What the commands of `python -m analysis` share: a flag means the same in all of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from analysis.base import results
from analysis.base.evaluate import VALIDATION, BadData, find, read_list
from analysis.base.provenance import (
    ROOT,
    Data,
    Provenance,
    describe_folders,
    describe_list,
    provenance,
)
from tatok.config import check_epsilon
from tatok.images import load_image
from tatok.pretrained import best_device
from tatok.tokenizer import TaTok
from tatok.training.data import ImageFile, list_images, spread

Run = Callable[[argparse.Namespace, Sequence[str]], None]  # the options, and argv for provenance


# --- flags -----------------------------------------------------------------------------------


def verb(verbs, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    """A sub-command; it writes <out>/<name>.json, unless its code says otherwise."""
    one = verbs.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    one.add_argument("--out", type=Path, default=results.FOLDER, help="folder of the result files")
    one.set_defaults(run=run, name=name)
    return one


def weights(one: argparse.ArgumentParser, several: bool = False, side: bool = True) -> None:
    """--weights and --seed; and --side, where the weights and no list of sides decide it."""
    usual = str(ROOT / "assets" / "anygrid")
    more = {"nargs": "+", "default": [usual]} if several else {"default": usual}
    one.add_argument("--weights", help="folder or hub id", **more)
    one.add_argument("--seed", type=int, default=0, help="of every draw")
    if side:
        text = "of the pictures, px; default: half of the largest that the weights take, or the one"
        one.add_argument("--side", type=count, help=text)


def pictures(one: argparse.ArgumentParser, n: int | None = None) -> None:
    """--data and --n, of all pictures in a folder."""
    one.add_argument("--data", type=Path, help="folder of pictures; of */val if it has them")
    one.add_argument("--n", type=int, default=n, help="use only so many, evenly spaced; else all")
    one.add_argument("--without", type=Path, help="list of names to leave out, as assets/used.txt")


def listed(one: argparse.ArgumentParser, n: int | None = None) -> None:
    """--data, --list and --n, of pictures that a list names."""
    one.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders that hold the listed names"
    )
    one.add_argument("--list", type=Path, default=VALIDATION, help="names of the pictures")
    one.add_argument("--n", type=int, default=n, help="use only so many, evenly spaced")


def train(one: argparse.ArgumentParser, text: str, images: int | None = None) -> None:
    """--train, and with `images` how many are used."""
    must = images is not None
    one.add_argument("--train", type=Path, nargs="+", required=must, help=f"folders of {text}")
    if must:
        one.add_argument("--images", type=count, default=images, help="how many to use")


def card(one: argparse.ArgumentParser) -> None:
    """--card."""
    one.add_argument("--card", type=Path, help="Markdown file that gets the tables, between marks")


def epsilon(one: argparse.ArgumentParser, default: float) -> None:
    """--epsilon."""
    one.add_argument("--epsilon", type=_rate, default=default, help="information loss rate")


def count(text: str) -> int:
    """A number from 1."""
    if int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"it must be 1 or more, not {text}")


def _rate(text: str) -> float:
    try:
        check_epsilon(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"it must lie in [0, 1), not {text}") from error
    return float(text)


# --- what they name --------------------------------------------------------------------------


@dataclass(frozen=True)
class Weights:
    """A tokenizer on the best device, with the tables of places at the grid of --side."""

    model: TaTok
    fingerprint: str  # of the weights as they are on disk
    record: dict  # of their training

    def origin(self, data: Data, seed: int, extractor: str, argv: Sequence[str]) -> Provenance:
        """Where a result on these pictures comes from."""
        config = self.model.config
        side = config.image_size if len(config.sides) > 1 else None
        return provenance(self.fingerprint, self.record, data, seed, extractor, argv, side)


def tokenizer(args: argparse.Namespace, weights: str) -> Weights:
    """The weights at --side, as they are for a verb without it; BadData where they take no such."""
    model = TaTok.from_pretrained(weights)
    own, mark = model.config, model.fingerprint
    side = getattr(args, "side", own.image_size) or own.middle
    if side not in model.config.sides:
        raise BadData(f"These weights take no pictures of {side} px.")
    if side != model.config.image_size:
        model = model.reshaped(image_size=side)
    return Weights(model.to(best_device()), mark, TaTok.training_record(weights))


def model_of(
    args: argparse.Namespace, weights: str, argv: Sequence[str], n: int, extractor: str = "none"
) -> tuple[TaTok, Provenance]:
    """The model, and where a result on n listed pictures comes from."""
    results.check_writable(args.out)
    made = tokenizer(args, weights)
    return made.model, made.origin(describe_list(args.list, n), args.seed, extractor, argv)


def loaded(
    args: argparse.Namespace, weights: str, argv: Sequence[str], extractor: str = "none"
) -> tuple[TaTok, Tensor, Provenance]:
    """The model, the listed pictures (n, 3, S, S), and where the result comes from."""
    paths = find(read_list(args.list, args.n), args.data)
    model, origin = model_of(args, weights, argv, len(paths), extractor)
    return model, images(paths, model.config.image_size), origin


def on_best_device(extractor: nn.Module) -> nn.Module:
    """The feature extractor where it is fastest: a CPU takes a third less with channels last."""
    return extractor.to(device=best_device(), memory_format=torch.channels_last)


def images(paths: Sequence[Path], size: int) -> Tensor:
    """(n, 3, size, size) in [-1, 1]."""
    return torch.cat([load_image(path, size=size) for path in paths])


def fitted(args: argparse.Namespace, origin: Provenance) -> tuple[list[ImageFile], Provenance]:
    """The training pictures that are used, and the origin that names them."""
    files = spread(list_images(args.train), args.images)
    described = describe_folders(args.train, [file.path for file in files])
    return files, replace(origin, fitted=described)


def finish(args: argparse.Namespace, result: object, tables: str, origin: Provenance) -> None:
    """Print what was found and where it comes from; write the file."""
    show(args, f"{tables}\n\n{origin.line()}")
    save(args, result)


def show(args: argparse.Namespace, tables: str) -> None:
    """Print tables; and put them between the marks of the command in the card that is named."""
    print(tables)
    if getattr(args, "card", None):
        results.write_between(args.card, args.name, tables)


def save(args: argparse.Namespace, result: object) -> None:
    """Write the file of the command."""
    results.save(result, results.path_of(args.name, args.out))
