"""What each of two processes does for test_processes.py: <pictures> <folder for output>."""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from conftest import random_model
from small_runs import trainer

from analysis.base.runner import Runner
from analysis.paper import whole_set
from tatok.quantizer import drawn
from tatok.streams import seeded
from tatok.training.data import list_images
from tatok.training.world import World

IMAGES = 160  # 20 steps of a joint batch of 8


class MeanColour:
    """An extractor of three features."""

    name = "mean colour"

    def features(self, x):
        return x.mean(dim=(2, 3))


def codes_drawn(share):
    """Latents that take the place of dead codes, drawn from a share of ten and the others'."""
    return drawn(torch.arange(30.0).view(10, 3)[share], 8, seeded(1)).numpy()


def evaluated(folder, world):
    """Every number of the whole set, as arrays."""
    model = random_model()
    runner = Runner(model, MeanColour(), batch=3)
    asked = list(whole_set.settings(model.config).values())
    found = whole_set.measure(runner, list_images([folder]), asked, world)
    if found is None:
        return None
    results, features = found
    columns = ("psnr", "bits", "count", "patch_use", "global_use", "features")
    made = {f"{i} {c}": getattr(results[s], c) for i, s in enumerate(asked) for c in columns}
    return {name: np.asarray(value) for name, value in made.items()} | {"originals": features}


def main(folder: Path, out: Path) -> None:
    world = World.join()
    trainer(folder, out / "straight", IMAGES).fit()
    trainer(folder, out / "stopped", IMAGES // 2).fit()
    trainer(folder, out / "stopped", IMAGES, resume=True).fit()
    with torch.no_grad():
        found = evaluated(folder, world)
    new = codes_drawn(slice(0, 4) if world.rank == 0 else slice(4, 10))
    if world.rank == 0:
        np.save(out / "drawn.npy", new)
        np.savez(out / "evaluated.npz", **found)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
