"""Command line: python -m analysis evaluate | validation-list."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from analysis.evaluate import BadData, evaluate, find, markdown, read_list, validation_list
from analysis.extractors import Lite0
from analysis.provenance import describe_list, provenance
from tatok.data import EmptyFolder, list_images
from tatok.images import BadImage, load_image
from tatok.pretrained import BadCheckpoint
from tatok.tokenizer import TaTok

VALIDATION = Path(__file__).resolve().parents[1] / "assets" / "validation.txt"


def run_evaluate(args: argparse.Namespace, argv: list[str]) -> None:
    """Print the model card's table; write it with its provenance."""
    if args.out:
        _check_writable(args.out)
    names = read_list(args.list, args.n)
    paths = find(names, args.data)
    train = list_images(args.train) if args.train else []
    model = TaTok.from_pretrained(args.weights)
    record = TaTok.training_record(args.weights)
    images = torch.cat([load_image(path, size=model.config.image_size) for path in paths])
    sets = [name.split("/")[0] for name in names]
    # Convolutions on a CPU take a third less time with the channels last.
    extractor = Lite0().to(memory_format=torch.channels_last)
    origin = provenance(
        model, record, describe_list(args.list, len(names)), args.seed, extractor.name, argv
    )
    report = evaluate(model, images, sets, extractor, train, args.seed)
    print(f"{markdown(report)}\n\n{origin.line()}")
    if args.out:
        values = {"provenance": asdict(origin), **asdict(report)}
        _write(args.out, json.dumps(values, indent=1, ensure_ascii=False) + "\n")


def run_validation_list(args: argparse.Namespace, argv: list[str]) -> None:
    """Write the fixed list of validation images."""
    _check_writable(args.out)
    _write(args.out, "\n".join(validation_list(args.data, args.n)) + "\n")


def _check_writable(path: Path) -> None:
    """Before the work, not after it."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise BadData(f"{path} cannot be written.")


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


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

    names = verbs.add_parser("validation-list", help="make the fixed list of images", **show)
    names.add_argument("--data", type=Path, required=True, help="folder with */val folders")
    names.add_argument("--n", type=int, default=500, help="names, the same number from each")
    names.add_argument("--out", type=Path, default=VALIDATION)
    names.set_defaults(run=run_validation_list)
    return top


def main(argv: list[str] | None = None) -> None:
    """Entry point; what a user can cause ends in one sentence."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    try:
        args.run(args, argv)
    except (BadData, BadImage, BadCheckpoint, EmptyFolder) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
