"""Command line: python -m tatok reconstruct | encode | decode | generate | train | bench."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from tatok.bench import commands as bench
from tatok.config import GENERATOR_SIZES, SIZES, TokenizerConfig
from tatok.edit import vary_globals, vary_patches
from tatok.entropy import ESTIMATORS
from tatok.files import write_bytes, write_picture
from tatok.filtering import POLICIES
from tatok.generator import MaskGIT
from tatok.images import BadImage, load_image, to_pil
from tatok.pretrained import BadCheckpoint, Pretrained, best_device
from tatok.report import report
from tatok.sampling import SamplingOptions, Step, sample
from tatok.tokenfile import HEADER_BYTES, BadTokenFile, pack, unpack
from tatok.tokenizer import TaTok
from tatok.tokens import Tokens
from tatok.training.data import EmptyFolder
from tatok.training.draws import Draws
from tatok.training.loop import RunOptions
from tatok.training.losses import GeneratorLoss, LossWeights

MAX_PICTURES = 64  # that `generate` draws in one batch
DEFAULTS = argparse.ArgumentDefaultsHelpFormatter
log = logging.getLogger(__name__)


@torch.inference_mode()
def reconstruct(args: argparse.Namespace) -> None:
    """Encode, select, quantize, decode; print the numbers; write what was asked for."""
    model = TaTok.from_pretrained(args.weights).to(best_device())
    x = load_image(args.picture, size=args.side or model.config.image_size).to(model.device)
    encoding = model.encode(x, args.k)
    selection = model.select(
        encoding, args.epsilon, args.estimator, args.policy, args.count, args.target_psnr
    )
    tokens = model.quantize(encoding, selection)
    y = model.decode(tokens)
    for name, value in dataclasses.asdict(report(x, y, selection, tokens)).items():
        print(f"{name:16} {value:.4g}" if isinstance(value, float) else f"{name:16} {value}")
    if args.verb == "encode":
        data = pack(tokens, model)
        write_bytes(args.output, data)
        print(f"{'file':16} {args.output}: {len(data)} bytes, {HEADER_BYTES} of them header")
    elif args.output:
        write_picture(args.output, to_pil(y))


@torch.inference_mode()
def decode(args: argparse.Namespace) -> None:
    """A `.tatok` file to a picture."""
    model = TaTok.from_pretrained(args.weights).to(best_device())
    write_picture(args.output, to_pil(model.decode(unpack(args.file.read_bytes(), model))))


@torch.inference_mode()
def generate(args: argparse.Namespace) -> None:
    """Draw pictures of a class, or variations of a token file; print what each costs."""
    from torchvision.utils import make_grid

    if not 1 <= args.n <= MAX_PICTURES:
        raise ValueError(f"-n must lie in 1..{MAX_PICTURES}, not {args.n}.")
    generator = MaskGIT.from_pretrained(args.weights).to(best_device())
    tokenizer = TaTok.from_pretrained(args.weights).to(best_device())
    generator.check_tokenizer(tokenizer)
    for step in draw(args, tokenizer, generator):
        tokens = step.tokens
    rows = zip(tokens.count.tolist(), tokens.bits().tolist(), strict=True)
    print("picture    N  tokens   bits")
    for number, (N, bits) in enumerate(rows, start=1):
        print(f"{number:7} {N:4} {generator.config.k + N:7} {bits:6}")
    if args.tokens:
        for row in range(args.n):
            write_bytes(args.tokens / f"{row + 1:02}.tatok", pack(tokens, tokenizer, row))
    pictures = make_grid(tokenizer.decode(tokens), nrow=math.ceil(args.n**0.5), pad_value=-1)
    write_picture(args.output, to_pil(pictures))


def draw(args: argparse.Namespace, tokenizer: TaTok, generator: MaskGIT) -> Iterable[Step]:
    """The steps that `generate` was asked for."""
    options = chosen(args, SamplingOptions)
    if args.globals_of:
        tokens = copies(args.globals_of, tokenizer, args.n)
        return vary_patches(tokenizer, generator, tokens, args.label, args.count, **options)
    if args.patches_of:
        if args.count is not None or "epsilon" in options:
            raise ValueError(
                "--count and --epsilon have no part in --patches-of: the patches stay."
            )
        tokens = copies(args.patches_of, tokenizer, args.n)
        return vary_globals(tokenizer, generator, tokens, args.label, **options)
    return sample(generator, [args.label] * args.n, args.count, tokenizer, **options)


def copies(path: Path, tokenizer: TaTok, n: int) -> Tokens:
    """A token file n times, as a batch."""
    one = unpack(path.read_bytes(), tokenizer)
    return dataclasses.replace(
        one,
        global_codes=one.global_codes.expand(n, -1),
        patch_codes=one.patch_codes.expand(n, -1),
    )


def train_tokenizer(args: argparse.Namespace) -> None:
    """Train, resume, or go on from weights."""
    from tatok.training.tokenizer import run  # not needed, and slow to import, for the other verbs

    asked = dataclasses.asdict(SIZES[args.size]) if args.size else {}
    asked |= chosen(args, TokenizerConfig)
    if args.init:  # weights go on with the sides that they have, where a flag names no others
        own = TaTok.saved_config(args.init).open_fields
        check_shape(args, TaTok, {n: v for n, v in asked.items() if n not in own})
        asked |= own | {n: v for n, v in chosen(args, TokenizerConfig).items() if n in own}
    else:
        check_shape(args, TaTok, asked)
    run(
        config=dataclasses.replace(SIZES["demo"], **asked),
        options=RunOptions(**chosen(args, RunOptions)),
        weights=LossWeights(**chosen(args, LossWeights, "w_")),
        draws=Draws(**chosen(args, Draws)),
        data=args.data,
        val=args.val,
        init=args.init,
        unquantized=args.unquantized,
        fixed_tokens=args.fixed_tokens,
    )


def train_generator(args: argparse.Namespace) -> None:
    """Train, resume, or go on from weights."""
    from tatok.training.generator import run

    check_shape(args, MaskGIT, GENERATOR_SIZES[args.size] if args.size else {})
    run(
        size=args.size or "demo",
        tokenizer=args.tokenizer,
        options=RunOptions(**chosen(args, RunOptions)),
        loss=GeneratorLoss(**chosen(args, GeneratorLoss, "w_")),
        data=args.data,
        val=args.val,
        init=args.init,
        names=class_names(args.names),
        side=args.side,
        views=args.views,
        sees=args.sees,
    )


def train_cache(args: argparse.Namespace) -> None:
    """Encode what `train generator` will train on."""
    from tatok.training.generator import run_cache

    run_cache(args.tokenizer, args.out, args.data, args.val, args.side, args.views, args.seed)


def check_shape(args: argparse.Namespace, kind: type[Pretrained], asked: dict) -> None:
    """ValueError where the flags ask for another shape than the weights to go on from have."""
    source = args.out if getattr(args, "resume", False) else args.init
    if source is None:
        return
    config = kind.saved_config(source)
    for name, value in asked.items():
        if getattr(config, name) != value:
            raise ValueError(
                f"The weights in {source} have {name} = {getattr(config, name)!r}, and the flags "
                f"ask for {value!r}."
            )


def class_names(pairs: list[str]) -> dict[str, str]:
    """FOLDER=NAME, … -> the name of each folder's class; ValueError for anything else."""
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise ValueError(f"--names takes FOLDER=NAME, not {wrong[0]}.")
    return dict(pair.split("=", 1) for pair in pairs)


def chosen(args: argparse.Namespace, kind: type, prefix: str = "") -> dict:
    """The options of `add_fields` that were given."""
    names = [f.name for f in dataclasses.fields(kind) if hasattr(args, prefix + f.name)]
    return {name: getattr(args, prefix + name) for name in names}


def add_fields(parser: argparse.ArgumentParser, kind: type, prefix: str = "") -> None:
    """One option per field of a dataclass; what is not given stays as the size or class has it."""
    group = parser.add_argument_group(kind.__name__)
    for f in dataclasses.fields(kind):
        flag, default = f"--{prefix}{f.name}".replace("_", "-"), f.default
        how: dict = {"type": type(default)}
        if isinstance(default, bool):
            how = {"action": argparse.BooleanOptionalAction}
        elif default is None:
            how = {"type": float if "float" in f.type else int}
        elif default is dataclasses.MISSING:
            how = {"type": Path, "required": True}
        usual = {dataclasses.MISSING: "required", None: "default: as the size or the rest has it"}
        text = usual.get(default, f"default {default}")
        group.add_argument(flag, default=argparse.SUPPRESS, help=text, **how)


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """What `reconstruct` and `encode` share."""
    parser.add_argument("picture", type=Path)
    parser.add_argument("--side", type=int, help="pixels (default: the checkpoint's image_size)")
    parser.add_argument("--epsilon", type=float, help="loss rate (default: the checkpoint's)")
    parser.add_argument("-k", type=int, help="global tokens (default: the checkpoint's)")
    parser.add_argument("--estimator", choices=ESTIMATORS, help="default: the checkpoint's")
    parser.add_argument("--policy", choices=POLICIES, default="dtf")
    parser.add_argument("--count", type=int, help="keep this many patches, whatever epsilon says")
    parser.add_argument("--target-psnr", type=float, help="dB; sets D0 and with it T of Eq. 5")


def add_data_options(parser: argparse.ArgumentParser, sizes: Iterable[str]) -> None:
    """What both kinds of training share."""
    parser.add_argument("--size", choices=sizes, help="default: demo")
    add_pictures(parser)
    parser.add_argument("--init", help="weights to go on from, in the same schedule")


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """Which pictures."""
    parser.add_argument("--data", nargs="+", required=True, help="folders of images, or of shards")
    parser.add_argument("--val", nargs="+", help="held-out folders (default: 2 %% of the data)")


def add_cache_options(parser: argparse.ArgumentParser) -> None:
    """How pictures become tokens to train on."""
    parser.add_argument("--tokenizer", default="assets/anygrid", help="folder or hub id of weights")
    parser.add_argument("--side", type=int, help="of the pictures (default: the tokenizer's)")
    parser.add_argument("--views", type=int, default=3, help="of a picture that are encoded")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="python -m tatok", description=__doc__)
    verbs = top.add_subparsers(required=True, dest="verb")

    def verb(name: str, action: Callable, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, formatter_class=DEFAULTS)
        made.add_argument("--weights", default="assets/anygrid", help="folder or hub id")
        made.set_defaults(run=action)
        return made

    made = verb("reconstruct", reconstruct, "a picture through the tokenizer and back")
    add_picture_options(made)
    made.add_argument("-o", "--output", type=Path, help="where to write the reconstruction")
    made = verb("encode", reconstruct, "a picture to a .tatok file")
    add_picture_options(made)
    made.add_argument("-o", "--output", type=Path, required=True)
    made = verb("decode", decode, "a .tatok file to a picture")
    made.add_argument("file", type=Path)
    made.add_argument("-o", "--output", type=Path, required=True)

    made = verb("generate", generate, "pictures of a class")
    made.add_argument("--label", help="name of the class (default: none)")
    made.add_argument("-n", type=int, default=4, help="pictures")
    made.add_argument("--count", type=int, help="draw this many patches, whatever epsilon says")
    add_fields(made, SamplingOptions)
    known = made.add_mutually_exclusive_group()
    known.add_argument("--globals-of", type=Path, help=".tatok file: keep its global codes")
    known.add_argument("--patches-of", type=Path, help=".tatok file: keep its patches")
    made.add_argument("--tokens", type=Path, help="folder for the .tatok files")
    made.add_argument("-o", "--output", type=Path, required=True, help="PNG of all pictures")

    train = verbs.add_parser("train", help="train on your own images").add_subparsers(required=True)
    tok = train.add_parser("tokenizer", help="the tokenizer")
    add_data_options(tok, SIZES)
    tok.add_argument("--unquantized", type=int, default=6_000, help="images before the codebooks")
    tok.add_argument(
        "--fixed-tokens", action="store_true", help="of --init: train only what comes after them"
    )
    add_fields(tok, RunOptions)
    add_fields(tok, LossWeights, "w_")
    add_fields(tok, Draws)
    add_fields(tok, TokenizerConfig)
    tok.set_defaults(run=train_tokenizer)
    gen = train.add_parser("generator", help="the generator, on cached tokens")
    add_data_options(gen, GENERATOR_SIZES)
    add_cache_options(gen)
    gen.add_argument("--names", nargs="*", default=[], metavar="FOLDER=NAME", help="class names")
    gen.add_argument("--sees", action="store_true", help="it looks at the picture decoded so far")
    add_fields(gen, RunOptions)
    add_fields(gen, GeneratorLoss, "w_")
    gen.set_defaults(run=train_generator)
    tokens = train.add_parser("cache", help="only the tokens that the generator trains on")
    add_pictures(tokens)
    tokens.add_argument("--out", type=Path, required=True, help="that of `train generator`")
    tokens.add_argument("--seed", type=int, default=0, help="that of `train generator`")
    add_cache_options(tokens)
    tokens.set_defaults(run=train_cache)
    bench.add(verbs)
    return top


def main() -> None:
    """Entry point; what a user can cause ends in one sentence."""
    args = parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        args.run(args)
    except (BadImage, BadCheckpoint, BadTokenFile, EmptyFolder, OSError, ValueError) as error:
        sys.exit(str(error).splitlines()[0])


if __name__ == "__main__":
    main()
