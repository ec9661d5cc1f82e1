"""Tokens of a folder of images, encoded once: what the generator trains on."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from tatok.data import EmptyFolder, ImageFile, seeded
from tatok.images import BadImage, load_image
from tatok.tokenizer import TaTok

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedTokens:
    """All that the generator trains on, for n pictures and, behind them, their n mirror images.

    labels (2n,), global_codes (2n, k), patch_codes (2n, M) of all patches, entropy (2n, M): with it
    DTF gives the kept ones for any epsilon.
    """

    labels: Tensor
    global_codes: Tensor
    patch_codes: Tensor
    entropy: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@torch.inference_mode()
def cache_tokens(
    tokenizer: TaTok, files: list[ImageFile], classes: list[str], folder: Path, batch: int = 16
) -> CachedTokens:
    """Encode every picture and its mirror image once; reuse what an earlier run left in `folder`.

    The cache is named by the tokenizer, the classes and the list of files, so that none of them can
    be mistaken.
    """
    parts = [tokenizer.fingerprint, classes, [str(file.path) for file in files]]
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    path = folder / f"tokens-{key}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        save_file(_encode_all(tokenizer, files, classes, batch), partial)
        os.replace(partial, path)
    with safe_open(path, "pt") as file:
        parts = {f.name: file.get_tensor(f.name) for f in dataclasses.fields(CachedTokens)}
    return CachedTokens(**parts)


def _encode_all(
    tokenizer: TaTok, files: list[ImageFile], classes: list[str], batch: int
) -> dict[str, Tensor]:
    sides: tuple[list, list] = ([], [])
    for start in tqdm(range(0, len(files), batch), desc="encoding", unit="batch", mininterval=5):
        pictures, labels = [], []
        for file in files[start : start + batch]:
            try:
                pictures.append(load_image(file.path, size=tokenizer.config.image_size))
                labels.append(classes.index(file.label))
            except BadImage as error:
                log.warning("skipped: %s", error)
        if not pictures:
            continue
        x = torch.cat(pictures).to(tokenizer.residual_scale.device)
        for side, images in zip(sides, (x, x.flip(3)), strict=True):
            encoding = tokenizer.encode(images)
            selection = tokenizer.select(encoding, count=tokenizer.config.num_patches)
            tokens = tokenizer.quantize(encoding, selection)
            side.append(
                (
                    torch.tensor(labels),
                    tokens.global_codes,
                    tokens.patch_codes,
                    selection.entropy.float(),
                )
            )
    if not sides[0]:
        raise EmptyFolder("None of the images can be read.")
    columns = zip(*sides[0], *sides[1], strict=True)  # pictures first, then their mirror images
    names = [field.name for field in dataclasses.fields(CachedTokens)]
    return {
        name: torch.cat([part.cpu() for part in column])
        for name, column in zip(names, columns, strict=True)
    }


@dataclass
class Rows(Dataset):
    """Item n: which row of the cache image n of the endless, shuffled stream is, (1,) int64."""

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
