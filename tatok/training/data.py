"""Folders and shards of images as an endless, reproducible stream: a function of (seed, n)."""

from __future__ import annotations

import io
import logging
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from tatok.config import middle
from tatok.images import SUFFIXES, BadImage, load_image, open_image, to_tensor
from tatok.streams import seeded
from tatok.training.shards import Member, members

ENLARGED = 1.15  # the most that a picture is enlarged for training
log = logging.getLogger(__name__)


class EmptyFolder(ValueError):
    """A data folder without images, or a shard that cannot be read."""


@dataclass(frozen=True)
class ImageFile:
    """A picture on disk; its class is the name of its folder, or what its shard says.

    path: of a picture in a shard, the shard's and the name in it.
    """

    path: Path
    label: str
    shard: Path | None = None
    member: Member | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.member.size if self.member else self.path.stat().st_size

    def source(self) -> Path | bytes:
        """What `open_image` takes: the path; of a picture in a shard its bytes. OSError."""
        return self.member.read(self.shard) if self.member and self.shard else self.path

    def open(self) -> Image.Image:
        """The picture, upright, RGB. Raises BadImage, which names it."""
        try:
            return open_image(self.source())
        except (BadImage, OSError) as error:
            if self.shard is None:
                raise
            raise BadImage(f"{self.path.name} in {self.shard.name}: {error}") from error


def list_images(folders: Sequence[str | Path]) -> list[ImageFile]:
    """All pictures below the folders, in `.tar` shards too, or in a shard that is named; sorted.

    Raises EmptyFolder with one sentence.
    """
    found: list[ImageFile] = []
    for folder in map(Path, folders):
        is_shard = folder.suffix == ".tar" and folder.is_file()
        if not is_shard and not folder.is_dir():
            raise EmptyFolder(f"{folder} is not a folder.")
        wanted = {*SUFFIXES, ".tar"}
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in wanted and p.is_file())
        before = len(found)
        for path in [folder] if is_shard else paths:
            shard = path.suffix.lower() == ".tar"
            found += in_shard(path) if shard else [ImageFile(path, path.parent.name)]
        if len(found) == before:
            raise EmptyFolder(f"There are no images in {folder}.")
    return found


def in_shard(shard: Path) -> list[ImageFile]:
    """The pictures in a shard; raises EmptyFolder with one sentence."""
    try:
        return [ImageFile(shard / m.name, m.label, shard, m) for m in members(shard, SUFFIXES)]
    except (tarfile.TarError, OSError, UnicodeDecodeError) as error:
        raise EmptyFolder(f"{shard} is not a tar file that can be read.") from error


def log_uniform(u: Tensor, low: float, high: float) -> Tensor:
    """Uniform draws u in [0, 1) -> draws in [low, high) whose logarithm is uniform."""
    return low * (high / low) ** u


@dataclass
class TrainingImages(Dataset):
    """Item n: the n-th image of an endless stream of shuffled epochs, augmented, (3, S, S).

    All items of a joint batch have one side S of `sides`, see `side`. An unreadable file is named
    in the log, counted, and its successor in the epoch taken; so is the successor of one that is
    too small for S (where no file is large enough, the smallness is suffered).
    """

    files: list[ImageFile]
    sides: Sequence[int]
    seed: int
    joint: int = 1
    first: int = 0  # where a joint batch begins: weights may have seen any number of images
    device: torch.device | None = None  # where all pictures are held, decoded; None: on disk
    _order: tuple[int, list[int]] | None = None

    def __post_init__(self) -> None:
        if not self.files:
            raise EmptyFolder("No image is left to train on beside those that are held out.")
        # shared, because worker processes find out
        self._unreadable = torch.zeros(len(self.files), dtype=torch.bool).share_memory_()
        self._short = torch.zeros(len(self.files), dtype=torch.int32).share_memory_()  # 0: unknown
        self._held: list[Tensor | None] = []
        if self.device is not None:
            with ThreadPoolExecutor() as pool:
                self._held = list(pool.map(self._decode, self.files))

    @property
    def unreadable(self) -> int:
        """Files found unreadable so far."""
        return int(self._unreadable.sum())

    def __getitem__(self, n: int) -> Tensor:
        epoch, place = divmod(n, len(self.files))
        draw = torch.rand(5, generator=seeded(self.seed, 1, n)).tolist()
        size = self.side(n)
        for least in (size / ENLARGED, 1):
            for step in range(len(self.files)):
                index = self._epoch(epoch)[(place + step) % len(self.files)]
                if self._unreadable[index] or 0 < self._short[index] < least:
                    continue
                try:
                    image = self._image(index)
                except BadImage as error:
                    self._unreadable[index] = True
                    log.warning("skipped, %d so far: %s", self.unreadable, error)
                    continue
                shape = image.shape[1:] if isinstance(image, Tensor) else image.size
                self._short[index] = min(shape)
                if self._short[index] >= least:
                    if isinstance(image, Tensor):
                        return augment_held(image, size, draw)
                    return augment(image, size, draw)
        raise EmptyFolder("None of the images can be read.")

    def _image(self, index: int) -> Image.Image | Tensor:
        held = self._held[index] if self._held else None
        return self.files[index].open() if held is None else held

    def _decode(self, file: ImageFile) -> Tensor | None:
        """(3, H, W) uint8 on the device, no larger than the largest side needs; None: unreadable"""
        try:
            image = file.open()
        except BadImage:
            return None  # said when it is drawn
        scale = 1.5 * self.sides[-1] / min(image.size)
        if scale < 1:
            size = round(scale * image.width), round(scale * image.height)
            image = image.resize(size, Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().to(self.device)

    def side(self, n: int) -> int:
        """S of image n: a function of its joint batch; small and middle sides cost less time.

        Three in ten the largest, three its half, two the middle between these, two any side.
        """
        sides = self.sides
        batch = (n - self.first) // self.joint
        u, v = torch.rand(2, generator=seeded(self.seed, 5, batch)).tolist()
        last = len(sides) - 1
        half = sides.index(middle(sides))
        index = last if u < 0.3 else (half + last) // 2 if u < 0.5 else half
        return sides[int(v * len(sides)) if u >= 0.8 else index]

    def _epoch(self, epoch: int) -> list[int]:
        if self._order is None or self._order[0] != epoch:
            order = torch.randperm(len(self.files), generator=seeded(self.seed, 0, epoch))
            self._order = (epoch, order.tolist())
        return self._order[1]


def augment(image: Image.Image, size: int, draw: list[float]) -> Tensor:
    """Picture -> (3, S, S): a square of it, made S pixels wide, mirrored or not.

    draw: five numbers in [0, 1): zoom, place across, place down, mirror, kind. In three of five the
    square is nearly whole, short side / 1.15 at least; in the others of any size down to one
    that is enlarged by 1.15.
    """
    left, top, side = crop(image.width, image.height, size, draw)
    square = image.resize(
        (size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side)
    )
    x = to_tensor(square)[0]
    return x.flip(2) if draw[3] < 0.5 else x


def augment_held(image: Tensor, size: int, draw: list[float]) -> Tensor:
    """`augment` of a decoded picture (3, H, W) uint8 where it is; the square in whole pixels."""
    left, top, side = map(round, crop(image.shape[2], image.shape[1], size, draw))
    square = image[None, :, top : top + side, left : left + side].float()
    x = F.interpolate(square, (size, size), mode="bicubic", antialias=True)[0]
    x = x.clamp(0, 255) / 127.5 - 1
    return x.flip(2) if draw[3] < 0.5 else x


def crop(width: int, height: int, size: int, draw: list[float]) -> tuple[float, float, float]:
    """Left, top and side in pixels of the square that `augment` takes."""
    zoom, across, down, _, kind = draw
    short = min(width, height)
    least = short / 1.15 if kind < 0.6 else min(short, size / ENLARGED)
    side = short * (least / short) ** zoom
    return across * (width - side), down * (height - side), side


class Stream(Sampler[int]):
    """Places start, start + 1, … stop - 1 of the stream that belong to this process.

    Each joint batch of world * batch places is cut into `world` runs of `batch`, so that two
    processes see together what one with the joint batch would see.
    """

    def __init__(self, start: int, stop: int, batch: int, rank: int, world: int) -> None:
        self.start, self.stop, self.batch, self.rank, self.world = start, stop, batch, rank, world

    def __iter__(self):
        joint = self.batch * self.world
        for first in range(self.start, self.stop - joint + 1, joint):
            yield from range(first + self.rank * self.batch, first + (self.rank + 1) * self.batch)


def load_batch(files: list[ImageFile], size: int) -> Tensor:
    """The files as they are evaluated (short side to S, centre crop), (n, 3, S, S).

    Unreadable ones are named in the log and left out; EmptyFolder if that leaves none.
    """
    images = []
    for file in files:
        try:
            images.append(load_image(file.open(), size=size))
        except BadImage as error:
            log.warning("left out: %s", error)
    if not images:
        raise EmptyFolder("None of these images can be read.")
    return torch.cat(images)


def large_enough(files: list[ImageFile], side: int) -> list[ImageFile]:
    """The files that need not be enlarged by more than ENLARGED to be `side` wide; all, if none."""

    def fits(file: ImageFile) -> bool:
        try:
            source = file.source()
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                return ENLARGED * min(image.size) >= side  # by the header alone
        except Exception:  # whatever Pillow raises at what is no picture: said where it is read
            return False

    return [file for file in files if fits(file)] or files


def spread(files: list[ImageFile], n: int) -> list[ImageFile]:
    """n files (or all, if fewer) evenly spaced over the list, so that every class has its share."""
    n = min(n, len(files))
    return [files[(2 * j + 1) * len(files) // (2 * n)] for j in range(n)]
