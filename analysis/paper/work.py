"""Results of settings on chunks of images, kept in a folder so that a stopped run can go on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from analysis.base.provenance import ROOT
from analysis.base.results import BadResult
from analysis.base.runner import Result, Runner, Seconds, Setting

SOURCES = ("tatok/*.py", "analysis/base/runner.py", "analysis/base/extractors.py")
TENSORS = ("psnr", "bits", "count", "patch_use", "global_use")  # of Result, beside its features
CHUNK = 40  # images


@dataclass(frozen=True)
class Origin:
    """All that a result depends on beside its setting: where one of these differs, nothing is used.

    weights: fingerprint; data: hash of the images, and their number n; source: hash of the
    code that computes the results.
    """

    weights: str
    data: str
    n: int
    seed: int
    extractor: str
    source: str

    @classmethod
    def now(cls, runner: Runner, data: str, n: int) -> Origin:
        """Of results that this code makes with `runner`."""
        digest = hashlib.sha256()
        for pattern in SOURCES:
            for path in sorted(ROOT.glob(pattern)):
                digest.update(path.read_bytes())
        return cls(
            runner.model.fingerprint,
            data,
            n,
            runner.seed,
            runner.extractor.name,
            digest.hexdigest(),
        )


class Work:
    """A folder `<hash of origin>/<hash of setting>/<first image>.safetensors`, and their JSON."""

    def __init__(self, folder: Path, origin: Origin, chunk: int = CHUNK) -> None:
        self.n, self.chunk = origin.n, chunk
        self.folder = folder / _hash({**asdict(origin), "chunk": chunk})
        _describe(self.folder, asdict(origin))

    @property
    def starts(self) -> range:
        """The first image of each chunk."""
        return range(0, self.n, self.chunk)

    def rows(self, start: int) -> slice:
        """The images of the chunk."""
        return slice(start, min(start + self.chunk, self.n))

    def missing(self, settings: Sequence[Setting], start: int) -> list[Setting]:
        """Those of the settings whose results on the chunk are not here."""
        return [s for s in settings if not self._path(_key(s), start).exists()]

    def lacks_originals(self, start: int) -> bool:
        """Whether the features of the chunk's images are not here."""
        return not self._path("originals", start).exists()

    def whole(self, settings: Sequence[Setting], start: int) -> bool:
        """Whether the chunk has been through every setting."""
        return not self.lacks_originals(start) and not self.missing(settings, start)

    def images_missing(self, settings: Sequence[Setting]) -> int:
        """Images still to be measured, counted once for each setting."""
        rows = ((self.rows(start), self.missing(settings, start)) for start in self.starts)
        return sum((part.stop - part.start) * len(missing) for part, missing in rows)

    def write(self, setting: Setting, start: int, result: Result) -> None:
        """Keep a result."""
        _describe(self.folder / _key(setting), asdict(setting))
        tensors = {name: getattr(result, name) for name in TENSORS}
        if result.features is not None:
            tensors["features"] = torch.from_numpy(result.features).float()
        self._save(_key(setting), start, tensors, result.seconds)

    def write_originals(self, start: int, features: np.ndarray, seconds: Seconds) -> None:
        """Keep the features of the chunk's images."""
        tensors = {"features": torch.from_numpy(features).float()}
        self._save("originals", start, tensors, seconds)

    def result(self, setting: Setting, starts: Sequence[int]) -> Result:
        """The setting's results on these chunks."""
        parts, seconds = self._load(_key(setting), starts)
        joined = {name: torch.cat([part[name] for part in parts]) for name in TENSORS[:3]}
        counts = {name: torch.stack([part[name] for part in parts]).sum(0) for name in TENSORS[3:]}
        features = None
        if "features" in parts[0]:
            features = torch.cat([part["features"] for part in parts]).double().numpy()
        return Result(**joined, **counts, features=features, seconds=seconds)

    def originals(self, starts: Sequence[int]) -> tuple[np.ndarray, Seconds]:
        """The features (n, d) of the images of these chunks, float64, and what they took."""
        parts, seconds = self._load("originals", starts)
        return torch.cat([part["features"] for part in parts]).double().numpy(), seconds

    def _path(self, key: str, start: int) -> Path:
        return self.folder / key / f"{start:06}.safetensors"

    def _save(self, key: str, start: int, tensors: dict[str, Tensor], seconds: Seconds) -> None:
        path = self._path(key, start)
        partial = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial, metadata={"seconds": json.dumps(asdict(seconds))})
            os.replace(partial, path)
        except (OSError, SafetensorError) as error:
            raise BadResult(f"Nothing can be written to the work folder {path.parent}.") from error

    def _load(self, key: str, starts: Sequence[int]) -> tuple[list[dict[str, Tensor]], Seconds]:
        parts, seconds = [], Seconds()
        for start in starts:
            path = self._path(key, start)
            try:
                with safe_open(path, "pt") as file:
                    parts.append({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
                    seconds += Seconds(**json.loads(file.metadata()["seconds"]))
            except (OSError, SafetensorError) as error:
                raise BadResult(f"{path} is damaged: delete it and run again.") from error
        return parts, seconds


def _key(setting: Setting) -> str:
    return _hash(asdict(setting))


def _describe(folder: Path, values: dict) -> None:
    """Say in a file what the folder, whose name is a hash, belongs to."""
    about = folder / "about.json"
    if not about.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            about.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            raise BadResult(f"Nothing can be written to the work folder {folder}.") from error


def _hash(values: dict) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
