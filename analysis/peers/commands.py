"""python -m analysis peers."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.base import cli, results
from analysis.base.evaluate import BadData, find, read_list
from analysis.base.extractors import Lite0
from analysis.base.provenance import describe_folders, describe_list, provenance
from analysis.peers import arms, frontier
from analysis.peers.frontier import Peers
from tatok.images import open_image
from tatok.tokenizer import TaTok
from tatok.training.data import list_images


def run_peers(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Train what is missing; measure all that is trained; write the file."""
    results.check_writable(args.out)
    results.check_writable(args.work)
    paths = find(read_list(args.list, args.n), args.data)
    content = hashlib.sha256()
    for path in paths:
        open_image(path)  # one that cannot be read is found before the work, not after it
        content.update(path.read_bytes())
    files = [file.path for file in list_images(args.train)]
    if args.minutes <= 0:
        raise BadData(f"Training takes some minutes, not {args.minutes:g}.")
    asked = [arms.Run(a, s, args.minutes, args.work) for s in args.seeds for a in args.arms]
    arms.train(asked, args.train, args.jobs)
    trained = arms.finished(args.work, args.minutes)
    if early := [run.name for run in trained if not run.record["live"]]:
        raise BadData(f"{early[0]} ended before it had codebooks: it takes more --minutes.")
    lite0 = cli.on_best_device(Lite0())
    first = TaTok.from_pretrained(trained[0].folder)
    data = describe_list(args.list, len(paths))
    origin = provenance(first.fingerprint, {}, data, 0, lite0.name, argv)
    origin = replace(origin, fitted=describe_folders(args.train, files))
    made = frontier.measure(
        trained, paths, content.hexdigest(), lite0, args.work / "measured", origin
    )
    there = results.path_of(args.name, args.out)
    if there.exists():  # of peers that were trained elsewhere, or earlier
        made = frontier.together(made, results.load(Peers, there))
    cli.save(args, made)
    print(frontier.markdown(made))


def add(verbs) -> None:
    """`peers`."""
    one = cli.verb(verbs, "peers", run_peers, "train TaTok and its peers alike, and compare them")
    cli.listed(one)
    one.add_argument(
        "--train", type=Path, nargs="+", required=True, help="folders of training pictures"
    )
    one.add_argument("--arms", nargs="+", choices=arms.ARMS, default=list(arms.ARMS))
    one.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the training")
    one.add_argument("--minutes", type=float, default=60.0, help="of training for each")
    one.add_argument(
        "--jobs", type=cli.count, default=cores(), help="trained at a time, a core each"
    )
    one.add_argument(
        "--work", type=Path, default=Path("runs/peers"), help="folder that a stopped run goes on in"
    )


def cores() -> int:
    """The processor cores that this process may use."""
    known = hasattr(os, "sched_getaffinity")  # not on every system
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
