"""How a result file came about: which source, weights, data and command made it."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Data:
    """Which images: what they are called, a SHA-256, and how many were used.

    The hash is of the list's bytes, one name a line (of folders: of the sorted names below them);
    of one's own pictures on the page, which have no lasting names, of the files' bytes.
    """

    list: str
    sha256: str
    n: int

    def line(self) -> str:
        """For `Provenance.line`."""
        return f"{self.n} images of {self.list} ({self.sha256[:12]})"


@dataclass(frozen=True)
class Provenance:
    """The origin of a result file.

    commit: of the source, with "+" if files differ from it, "unknown" outside a checkout. weights:
    the model's fingerprint. training: its record, as far as it says. command: without the folders
    that lie outside the project. date: UTC, to the second. fitted: the pictures to which something
    beside the model was fitted for the result (a bias map, probes, models of codes, the floor).
    side: of the pictures, px, where the weights take several.
    """

    commit: str
    weights: str
    training_images: int | None
    training_hours: float | None
    data: Data
    seed: int
    extractor: str
    date: str
    torch: str
    command: str
    fitted: Data | None = None
    side: int | None = None

    def line(self) -> str:
        """One line to print under a table or a figure."""
        fitted = f", fitted to {self.fitted.line()}" if self.fitted else ""
        side = f" at {self.side} px" if self.side else ""
        return (
            f"{self.data.line()}{side}{fitted}, "
            f"weights {self.weights}{self.trained()}, commit {self.commit}, "
            f"features {self.extractor}, seed {self.seed}, torch {self.torch}, {self.date}"
        )

    def trained(self) -> str:
        """How long the weights were trained, " (250,000 images, 4.1 h)", as far as it is known."""
        images, hours = self.training_images, self.training_hours
        known = [] if images is None else [f"{images:,} images"]
        known += [] if hours is None else [f"{hours:.1f} h"]
        return f" ({', '.join(known)})" if known else ""


def provenance(
    weights: str,
    record: dict,
    data: Data,
    seed: int,
    extractor: str,
    argv: Sequence[str],
    side: int | None = None,
) -> Provenance:
    """Of a result made now by `python -m analysis` with `argv`.

    weights: their fingerprint; record: that of their training; side: see Provenance.
    """
    return Provenance(
        commit=commit(ROOT),
        weights=weights,
        training_images=record.get("images"),
        training_hours=record.get("hours"),
        data=data,
        seed=seed,
        extractor=extractor,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        torch=torch.__version__,
        command=command(argv),
        side=side,
    )


def describe_list(path: Path, n: int) -> Data:
    """The data description of n images of the list in the file `path`."""
    return Data(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), n)


def describe_folders(folders: Sequence[Path], files: Sequence[Path]) -> Data:
    """The data description of some files of folders; of a path outside them it tells nothing.

    A folder goes by its name, and by that of the folder above it where two have the same.
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = ["/".join(folder.resolve().parts[-2:]) for folder in folders]
    found = []
    for file in files:
        at = next(i for i, folder in enumerate(folders) if file.is_relative_to(folder))
        found.append(f"{names[at]}/{file.relative_to(folders[at]).as_posix()}")
    digest = hashlib.sha256("\n".join(sorted(found)).encode())
    return Data(", ".join(names), digest.hexdigest(), len(files))


STATUS = ("status", "--porcelain", "--", ".", ":(exclude)assets/results")


def commit(root: Path) -> str:
    """The commit checked out in `root`, 12 digits, and "+" if a file there differs or is new.

    Results are left out: one of several that are made in a row does not make the next one unclean.
    """
    try:
        top = _git(root, "rev-parse", "--show-toplevel")
        if Path(top).resolve() != root.resolve():  # inside someone else's repository
            return UNKNOWN
        name = _git(root, "rev-parse", "--short=12", "HEAD")
        return name + ("+" if _git(root, *STATUS) else "")
    except (OSError, subprocess.CalledProcessError):  # no git here, no repository, no commit
        return UNKNOWN


def command(argv: Sequence[str]) -> str:
    """The command line; a path outside the project is reduced to its last name."""
    return shlex.join(["python", "-m", "analysis", *map(_shown, argv)])


def _shown(argument: str) -> str:
    option, equals, value = (
        argument.rpartition("=") if argument.startswith("-") else ("", "", argument)
    )
    path = Path(value)
    if not (path.is_absolute() or ".." in path.parts):
        return argument
    path = path.resolve()
    inside = path.is_relative_to(ROOT)
    return f"{option}{equals}{path.relative_to(ROOT) if inside else path.name}"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
