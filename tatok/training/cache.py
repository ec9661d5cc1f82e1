"""Tokens of a folder of images, encoded once: what the generator trains on."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from tatok.files import write_tensors
from tatok.images import BadImage, load_image
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

    labels (n,), global_codes (n, k), patch_codes (n, M) int32 of all patches, entropy (n, M): with
    it DTF gives the kept ones for any epsilon.
    """

    labels: Tensor
    global_codes: Tensor
    patch_codes: Tensor
    entropy: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> CachedTokens:
        """The same on another device."""
        return CachedTokens(*(column.to(device) for column in vars(self).values()))


def cache_tokens(
    tokenizer: TaTok,
    files: list[ImageFile],
    classes: list[str],
    folder: Path,
    views: int = 1,
    world: World = ALONE,
    side: int | None = None,
    seed: int = 0,
) -> CachedTokens:
    """Encode views of every picture once, `side` pixels wide (default: the tokenizer's image_size);
    reuse what an earlier run left in `folder`.

    The first view of seed 0 is the picture as it is evaluated; further ones, and all of another
    `seed`, are augmented as in the tokenizer's training. The processes of `world` share the work.
    EmptyFolder if none of the pictures can be read; CannotWrite.
    """
    made = [
        load_file(path)
        for path in write(tokenizer, files, classes, folder, views, world, side, seed)
    ]
    by_view = lambda name: [part[name].unflatten(0, (views, -1)) for part in made]  # noqa: E731
    columns = (torch.cat(by_view(f.name), dim=1).flatten(0, 1) for f in fields(CachedTokens))
    cached = CachedTokens(*columns)
    if not len(cached):
        raise EmptyFolder("None of the images can be read.")
    return cached


def write(
    tokenizer: TaTok,
    files: list[ImageFile],
    classes: list[str],
    folder: Path,
    views: int,
    world: World,
    side: int | None,
    seed: int,
) -> list[Path]:
    """The files of `cache_tokens`, without reading them.

    A file is named by the tokenizer, the classes, its pictures' paths and sizes, the side, the
    views and the seed.
    """
    if not files:
        raise EmptyFolder("There are no images to encode.")
    parts = [files[first : first + SHARD] for first in range(0, len(files), SHARD)]
    side = side or tokenizer.config.image_size
    make = Encoder(tokenizer, classes, views, side, seed)
    shards = {folder / make.name(part): part for part in parts}
    mine = list(shards.items())[world.rank :: world.size]
    for path, part in tqdm(mine, desc="encoding", unit="shard", disable=world.rank > 0):
        if not path.exists():
            write_tensors(path, make(part))
    world.wait()
    return list(shards)


@dataclass(frozen=True)
class Encoder:
    """What becomes of a shard's pictures: `views` of each, `side` pixels wide, as tokens."""

    tokenizer: TaTok
    classes: list[str]
    views: int
    side: int
    seed: int

    def name(self, files: list[ImageFile]) -> str:
        """Of the shard's file: by all that decides what it holds."""
        named = [(str(file.path), file.size) for file in files]
        about = self.classes, named, self.views, self.side, self.seed
        key = hashlib.sha256(repr([self.tokenizer.fingerprint, *about]).encode()).hexdigest()[:16]
        return f"tokens-{key}.safetensors"

    @torch.inference_mode()
    def __call__(self, files: list[ImageFile]) -> dict[str, Tensor]:
        """The columns of CachedTokens, (views * n, …)."""
        tokenizer, views = self.tokenizer, self.views
        k, device, M = (
            tokenizer.config.k,
            tokenizer.device,
            tokenizer.config.grid_of(self.side) ** 2,
        )
        none = {"labels": (views, 0), "global_codes": (views, 0, k)}
        columns = {name: [torch.empty(shape).long()] for name, shape in none.items()}
        columns["patch_codes"] = [torch.empty(views, 0, M).int()]
        columns["entropy"] = [torch.empty(views, 0, M)]
        at_once = 64 if device.type == "cuda" else 1  # a CPU gains nothing by more
        numbered = list(enumerate(files))
        with ThreadPoolExecutor() as pool:
            for first in range(0, len(files), at_once):
                some = numbered[first : first + at_once]
                made = pool.map(lambda pair: self.look(pair[1], pair[0]), some)
                read = [(file, x) for (_, file), x in zip(some, made, strict=True) if x is not None]
                if not read:
                    continue
                x = torch.stack([x for _, x in read], dim=1).to(device)  # (views, n, 3, S, S)
                encoding = tokenizer.encode(x.flatten(0, 1))
                selection = tokenizer.select(encoding, count=M)
                tokens = tokenizer.quantize(encoding, selection)
                label = [self.classes.index(file.label) for file, _ in read]
                codes = tokens.global_codes, tokens.patch_codes.int()
                row = torch.tensor(label).repeat(views), *codes, selection.entropy.float()
                for column, values in zip(columns.values(), row, strict=True):
                    column.append(values.cpu().unflatten(0, (views, len(read))))
        return {name: torch.cat(parts, dim=1).flatten(0, 1) for name, parts in columns.items()}

    def look(self, file: ImageFile, number: int) -> Tensor | None:
        """(views, 3, S, S) of a picture; `number`, its place in the shard, is in the draws' seed.

        None, and a line in the log, for one that cannot be read.
        """
        try:
            image = file.open()
            made = [load_image(image, size=self.side)[0]] if self.seed == 0 else []
            for view in range(len(made), self.views):
                draw = torch.rand(5, generator=seeded(self.seed, number, view)).tolist()
                made.append(augment(image, self.side, draw))
        except BadImage as error:
            log.warning("skipped: %s", error)
            return None
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
