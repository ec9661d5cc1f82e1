"""Short trainings of a tiny tokenizer, in one process or as one of several."""

import dataclasses
from pathlib import Path

import torch
from conftest import TINY, pictures

from tatok import TaTok
from tatok.images import to_pil
from tatok.training import data
from tatok.training.loop import RunOptions, Trainer, World
from tatok.training.tokenizer import TokenizerTask


def picture_folder(root: Path) -> Path:
    """Two classes of 10 pictures, and a file that is no picture."""
    for n, x in enumerate(pictures(20)):
        (root / "ab"[n % 2]).mkdir(exist_ok=True)
        to_pil(x).save(root / "ab"[n % 2] / f"{n}.png")
    (root / "a" / "broken.png").write_bytes(b"nothing")
    return root


def trainer(folder: Path, out: Path, images: int, batch: int = 4, **changes) -> Trainer:
    """A tiny run, with codebooks from its 16th picture on."""
    torch.manual_seed(0)
    files = data.list_images([folder])
    config = dataclasses.replace(TINY, codebook_size=16)
    usual = {"workers": 0, "cooldown": 0.0, "warmup": 8}
    options = RunOptions(out=out, images=images, batch=batch, **usual | changes)
    task = TokenizerTask(
        TaTok(config), files, files[:4], unquantized=16, joint=options.joint(World.join())
    )
    return Trainer(task, options)
