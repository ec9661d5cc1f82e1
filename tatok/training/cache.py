"""Tokens of a folder of images, encoded once: what the generator trains on."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from tatok.images import BadImage, load_image, open_image
from tatok.streams import seeded
from tatok.tokenizer import TaTok
from tatok.training.data import EmptyFolder, ImageFile, augment
from tatok.training.loop import World

log = logging.getLogger(__name__)


SHARD = 1024  # pictures to a file of the cache
ALONE = World()


@dataclass(frozen=True)
class CachedTokens:
    """All that the generator trains on: all pictures that can be read, then their second view, ….

    labels (n,), global_codes (n, k), patch_codes (n, M) of all patches, entropy (n, M): with it
    DTF gives the kept ones for any epsilon.
    """

    labels: Tensor
    global_codes: Tensor
    patch_codes: Tensor
    entropy: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def cache_tokens(
    tokenizer: TaTok,
    files: list[ImageFile],
    classes: list[str],
    folder: Path,
    views: int = 1,
    world: World = ALONE,
) -> CachedTokens:
    """Encode views of every picture once; reuse what an earlier run left in `folder`.

    The first view is the picture as it is evaluated, the second its mirror image, further ones are
    augmented as in the tokenizer's training. The processes of `world` share the work. A shard is
    named by the tokenizer, the classes, its files' paths and sizes, and the views. EmptyFolder if
    none of the pictures can be read.
    """
    if not files:
        raise EmptyFolder("There are no images to encode.")
    folder.mkdir(parents=True, exist_ok=True)
    parts = [files[first : first + SHARD] for first in range(0, len(files), SHARD)]
    shards = {_path(tokenizer, part, classes, folder, views): part for part in parts}
    mine = list(shards.items())[world.rank :: world.size]
    for path, part in tqdm(mine, desc="encoding", unit="shard", disable=world.rank > 0):
        if not path.exists():
            partial = path.with_suffix(f".{os.getpid()}")
            save_file(_encode(tokenizer, part, classes, views), partial)
            os.replace(partial, path)
    world.wait()
    parts = [load_file(path) for path in shards]
    by_view = lambda name: [part[name].unflatten(0, (views, -1)) for part in parts]  # noqa: E731
    columns = (torch.cat(by_view(f.name), dim=1).flatten(0, 1) for f in fields(CachedTokens))
    cached = CachedTokens(*columns)
    if not len(cached):
        raise EmptyFolder("None of the images can be read.")
    return cached


def _path(
    tokenizer: TaTok, files: list[ImageFile], classes: list[str], folder: Path, views: int
) -> Path:
    named = [(str(file.path), file.path.stat().st_size) for file in files]
    parts = [tokenizer.fingerprint, classes, named, views]
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    return folder / f"tokens-{key}.safetensors"


@torch.inference_mode()
def _encode(
    tokenizer: TaTok, files: list[ImageFile], classes: list[str], views: int
) -> dict[str, Tensor]:
    """The columns of CachedTokens, (views * n, …)."""
    c, device = tokenizer.config, tokenizer.residual_scale.device
    sizes = {"labels": (), "global_codes": (c.k,), "patch_codes": (c.num_patches,)}
    columns = {name: [torch.empty(views, 0, *size).long()] for name, size in sizes.items()}
    columns["entropy"] = [torch.empty(views, 0, c.num_patches)]
    for number, file in enumerate(files):
        try:
            x = _views(file, c.image_size, views, number).to(device)
        except BadImage as error:
            log.warning("skipped: %s", error)
            continue
        encoding = tokenizer.encode(x)
        selection = tokenizer.select(encoding, count=c.num_patches)
        tokens = tokenizer.quantize(encoding, selection)
        label = torch.full((views,), classes.index(file.label))
        row = (label, tokens.global_codes, tokens.patch_codes, selection.entropy.float())
        for column, values in zip(columns.values(), row, strict=True):
            column.append(values.cpu()[:, None])  # (views, 1, …)
    return {name: torch.cat(parts, dim=1).flatten(0, 1) for name, parts in columns.items()}


def _views(file: ImageFile, size: int, views: int, number: int) -> Tensor:
    """(views, 3, S, S) of a picture; its number in the shard and the view seed what is drawn."""
    x = load_image(file.path, size=size)[0]
    made = [x, x.flip(2)][:views]
    for view in range(2, views):
        draw = torch.rand(5, generator=seeded(number, view)).tolist()
        made.append(augment(open_image(file.path), size, draw))
    return torch.stack(made)


@dataclass
class Rows(Dataset):
    """Item n: which row of the cache image n of the endless, shuffled stream is, () int64."""

    length: int
    seed: int
    _order: tuple[int, Tensor] | None = None

    def __getitem__(self, n: int) -> Tensor:
        epoch, place = divmod(n, self.length)
        if self._order is None or self._order[0] != epoch:
            self._order = (
                epoch,
                torch.randperm(self.length, generator=seeded(self.seed, 0, epoch)),
            )
        return self._order[1][place]
