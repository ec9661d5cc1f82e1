"""The paper's size on this machine: python tests/load/paper_size.py

One step of the tokenizer's training at 336 px, one of the generator's, and one picture drawn, in
float32 with random weights and made pictures. Prints seconds, the most memory that the process
held (it fails above --limit), and what the paper's schedule costs in GPU hours, by counted
multiply-adds.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT), str(ROOT / "tests")]  # as pytest has it
from conftest import pictures  # noqa: E402

from tatok import MaskGIT, TaTok  # noqa: E402
from tatok.config import GENERATOR_SIZES, SIZES, GeneratorConfig  # noqa: E402
from tatok.images import to_pil  # noqa: E402
from tatok.sampling import sample  # noqa: E402
from tatok.speed import stack_work  # noqa: E402
from tatok.training.budget import announce  # noqa: E402
from tatok.training.cache import CachedTokens  # noqa: E402
from tatok.training.data import list_images  # noqa: E402
from tatok.training.generator import GeneratorTask  # noqa: E402
from tatok.training.loop import RunOptions, Trainer  # noqa: E402
from tatok.training.losses import GeneratorLoss  # noqa: E402
from tatok.training.tokenizer import TokenizerTask  # noqa: E402

GIB = 2**30
N = 56  # patches that the paper keeps, on average
EPOCHS, IMAGENET, VALIDATION = 200, 1_281_167, 50_000
RATES = {"A100": 156e12, "H100": 495e12}  # multiply-adds a second, bfloat16, by the data sheet
UTILISATION = 0.4


def costs() -> list[tuple[str, float]]:
    """Multiply-adds of each part of the whole schedule; blocks alone, backward as two forwards."""
    c, tokens = SIZES["paper"], 1 + SIZES["paper"].k + N
    model = TaTok(c)
    encode = stack_work(model.encoder.blocks, c.k + c.num_patches)
    decode = stack_work(model.decoder.blocks, c.k_max + c.num_patches)
    draw = stack_work(generator(c.k).blocks, tokens)
    trained = EPOCHS * IMAGENET
    return [
        # three in ten pictures of a step are decoded once more, for DTF
        (f"tokenizer, {EPOCHS} epochs", trained * (3 * (encode + decode) + 0.3 * decode)),
        ("token cache, 3 views", 3 * IMAGENET * (encode + decode)),
        (f"generator, {EPOCHS} epochs of {tokens} tokens", trained * 3 * draw),
        ("evaluation, four settings", VALIDATION * (2 * encode + 6 * decode)),
        ("50,000 pictures drawn, 8 steps with guidance", VALIDATION * (16 * draw + decode)),
    ]


def generator(k: int) -> MaskGIT:
    """A generator of the paper's size, of random weights."""
    classes = tuple(map(str, range(1000)))
    shape = GENERATOR_SIZES["paper"]
    return MaskGIT(GeneratorConfig(classes, "", num_patches=441, k=k, **shape))


def one_step(task, options: RunOptions, batch: torch.Tensor) -> None:
    """What the run would say of itself, and one update."""
    trainer = Trainer(task, options)
    announce(trainer)
    start = time.perf_counter()
    terms = trainer.step([batch])
    print(f"  one step: {time.perf_counter() - start:.1f} s, loss {terms['loss'].item():.3f}")


def run(folder: Path) -> None:
    """Both steps and a picture."""
    for n, x in enumerate(pictures(4, size=400)):
        to_pil(x).save(folder / f"{n}.png")
    files, options = list_images([folder]), RunOptions(folder, images=10**8, batch=1)
    print("tokenizer")
    model = TaTok(SIZES["paper"])
    task = TokenizerTask(model, files, files)
    task.set_live(True)  # with random codes
    one_step(task, options, task.data[0][None])
    print("generator")
    c, maskgit = model.config, generator(model.config.k)
    codes = lambda *shape: torch.randint(c.codebook_size, shape)  # noqa: E731
    M = c.num_patches
    tokens = CachedTokens(torch.zeros(8).long(), codes(8, c.k), codes(8, M).int(), torch.rand(8, M))
    one_step(GeneratorTask(maskgit, tokens, tokens, GeneratorLoss(), model), options, codes(1) % 8)
    start = time.perf_counter()
    with torch.inference_mode():
        *_, last = sample(maskgit.eval(), ["1"], N, steps=8)
        y = model.eval().decode(last.tokens)
    print(f"  one picture of {y.shape[-1]} px in 8 steps: {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=20.0, help="GiB")
    args = parser.parse_args()
    import logging

    logging.basicConfig(level=logging.INFO, format="  %(message)s")
    torch.manual_seed(0)
    print(f"| | multiply-adds | {' | '.join(f'{name}, h' for name in RATES)} |\n|---|---|---|---|")
    for name, work in costs():
        hours = [f"{work / rate / UTILISATION / 3600:.2g}" for rate in RATES.values()]
        print(f"| {name} | {work:.2g} | {' | '.join(hours)} |")
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB  # Linux counts in KiB
    print(f"most memory held: {held:.1f} GiB")
    if held > args.limit:
        sys.exit(f"More than {args.limit:g} GiB.")


if __name__ == "__main__":
    main()
