"""python -m tatok bench | bench arithmetic | bench generator | bench growth."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from pathlib import Path
from typing import Any

import torch

from tatok.bench import arithmetic, generator, growth, stages
from tatok.config import EPSILON, GENERATOR_SIZES, SIZES
from tatok.pretrained import best_device
from tatok.tokenizer import TaTok
from tatok.training.data import list_images, load_batch

DEFAULTS = argparse.ArgumentDefaultsHelpFormatter
log = logging.getLogger(__name__)


def bench_stages(args: argparse.Namespace) -> None:
    """Count and time every stage."""
    asked = args.size, args.side, args.batch, args.device, args.seconds
    stages.tell(stages.costs(*asked, log.warning), stages.HEAD, stages.line, args.json)


def bench_growth(args: argparse.Namespace) -> None:
    """Count and time the tokenizer's steps along every axis, and say where attention takes over."""
    axes = growth.Axes(
        **{axis.name: getattr(args, axis.name) for axis in dataclasses.fields(growth.Axes)}
    )
    costs = growth.costs(args.size, axes, args.device, args.seconds, log.warning)
    made = stages.tell(costs, growth.HEAD, growth.line, args.json)
    if made:
        print(f"\n{growth.table(made.crossings)}")


@torch.inference_mode()
def bench_generator(args: argparse.Namespace) -> None:
    """Count and time the generator at several lengths."""
    own = None
    if args.pictures:
        model = TaTok.from_pretrained(args.tokenizer).to(best_device())
        x = load_batch(list_images(args.pictures), model.config.image_size).to(model.device)
        count = model.select(model.encode(x), epsilon=EPSILON).count
        own = round(model.config.k + count.float().mean().item())
    device = best_device()
    print(f"{args.steps} steps, guidance pair, batch {args.batch}, fp32, {device}, "
          f"{torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip
    if own:
        print(f"DTF's mean: k + N of {len(x)} pictures at epsilon = {EPSILON} by {args.tokenizer}, "
              f"M = {model.config.num_patches}")  # fmt: skip
    print(generator.table(generator.compare(args.size, own, args.batch, args.steps, device)))


def bench_arithmetic(args: argparse.Namespace) -> None:
    """Time and judge the arithmetic that pictures can be encoded and decoded in."""
    model = TaTok.from_pretrained(args.tokenizer).to(args.device)
    x = load_batch(list_images(args.pictures), model.config.image_size).to(model.device)
    print(f"{len(x)} pictures of {x.shape[-1]} px, {args.tokenizer}, {args.device}, "
          f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")  # fmt: skip
    print(arithmetic.HEAD)
    for row in arithmetic.compare(model, x):
        print(arithmetic.line(row), flush=True)


def add(verbs: Any) -> None:
    """`bench`, and under it what asks one question alone."""
    bench = verbs.add_parser(
        "bench", help="count and time every stage of the system", formatter_class=DEFAULTS
    )
    add_measuring(bench)
    bench.set_defaults(size=list(SIZES), device=best_device(), seconds=0.5, run=bench_stages)
    bench.add_argument("--batch", type=int, nargs="+", default=[1, 4, 16, 64])
    bench.add_argument("--side", type=int, help="px of the pictures (default: of each size)")
    others = bench.add_subparsers(title="or one question alone")
    kinds = others.add_parser(
        "arithmetic", help="float32, bfloat16, int8, torch.compile: time, PSNR, equal codes"
    )
    kinds.add_argument("--pictures", nargs="*", default=["assets/examples"])
    kinds.add_argument("--tokenizer", default="assets/anygrid", help="folder or hub id of weights")
    kinds.set_defaults(run=bench_arithmetic)
    speed = others.add_parser("generator", help="cost of a picture by the length of its sequence")
    speed.add_argument("--size", nargs="+", choices=GENERATOR_SIZES, default=list(GENERATOR_SIZES))
    speed.add_argument("--batch", type=int, default=4)
    speed.add_argument("--steps", type=int, default=8)
    speed.add_argument("--pictures", nargs="*", default=["assets/examples"], help="for DTF's N")
    speed.add_argument("--tokenizer", default="assets/demo", help="folder or hub id of its weights")
    speed.set_defaults(run=bench_generator)
    curves = others.add_parser(
        "growth",
        help="cost of the tokenizer by side, k, batch and processes",
        formatter_class=DEFAULTS,
        argument_default=argparse.SUPPRESS,  # so that what stands before `growth` counts, too
    )
    add_measuring(curves)
    for axis in dataclasses.fields(growth.Axes):
        flag, text = f"--{axis.name}", "where that curve is measured"
        curves.add_argument(flag, type=int, nargs="+", default=axis.default, help=text)
    curves.set_defaults(run=bench_growth)


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """What measuring every stage and measuring its growth share."""
    parser.add_argument("--size", nargs="+", choices=SIZES)
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--seconds", type=float, help="for which a stage is timed")
    parser.add_argument("--json", type=Path, help="file for the rows, too")
