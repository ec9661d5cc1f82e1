"""Result files: what an experiment measured, as JSON in assets/results, and back.

A file is one frozen dataclass: `save` writes any, `load` reads it back by its type hints and
refuses what does not fit. The types that several experiments share are here; one of a single
experiment stands beside the code that fills it. Each has a field `provenance`, whose line() is
printed under every table and figure made from the file.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from analysis.base.provenance import ROOT, Provenance
from analysis.base.runner import Seconds, Setting
from tatok.files import CannotWrite, write_text

FOLDER = ROOT / "assets" / "results"
T = TypeVar("T")


class BadResult(ValueError):
    """A result file that is missing or damaged, or cannot be written; one sentence."""


@dataclass(frozen=True)
class Estimate:
    """A number, and where known its 95 % interval.

    replicates: its values with one group of images left out at a time, the same groups for every
    number of a file, so that a difference or a ratio of two numbers has an interval, too
    (`analysis.base.stats.combine`).
    """

    value: float
    low: float | None = None
    high: float | None = None
    replicates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Limit:
    """A Fréchet distance as the number of images grows without end, by extrapolation in 1/N.

    sizes, values: N, N/2 and N/4 images, and the mean distance of the sets of that size that the
    images fall into. The estimate rests on the first two; the third shows how straight the line is.
    """

    sizes: tuple[int, ...]
    values: tuple[float, ...]
    estimate: Estimate


@dataclass(frozen=True)
class Point:
    """One setting, measured over all images of the file.

    x               on the axis of the experiment (`Experiment.x`)
    setting         how the images were coded
    count           mean of N over images; count_deviation: its standard deviation
    bits            mean exact size of the tokens; bits_per_pixel: over the S × S pixels
    psnr            dB, mean over images; an image without error counts as 60 dB
    fd, kid         Fréchet and kernel distance to the originals; labels: see Experiment
    limit           the Fréchet distance of infinitely many images; None of fewer than 2 d
    """

    x: float
    setting: Setting
    count: float
    count_deviation: float
    bits: float
    bits_per_pixel: float
    psnr: Estimate
    fd: Estimate
    kid: Estimate
    limit: Limit | None = None


@dataclass(frozen=True)
class Series:
    """One curve; the points in the order of x."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Experiment:
    """One figure of the paper on our weights: `id` is also the name of the file."""

    id: str
    title: str
    x: str
    num_patches: int  # M
    image_size: int  # S, px
    fd_label: str  # names extractor and N, as does kid_label: show the values under no other name
    kid_label: str
    series: tuple[Series, ...]
    seconds: Seconds
    provenance: Provenance


def shown(estimate: Estimate, digits: int) -> str:
    """The number and its interval, as text with real minus signs."""
    text = f"{estimate.value:.{digits}f}"
    if estimate.low is not None:
        text += f" ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"
    return minus(text)


def minus(text: str) -> str:
    """The text with a minus sign, not a hyphen, before every number below 0."""
    return re.sub(r"(?<![\w)])-(?=[\d.])", "−", text)


def path_of(name: str, folder: Path = FOLDER) -> Path:
    """The file of the experiment `name`."""
    return folder / f"{name}.json"


def check_writable(folder: Path) -> None:
    """Raise BadResult if no result can be saved there: before the work, not after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadResult(f"{folder} is not a folder that results can be written to.") from error
    if not os.access(folder, os.W_OK):
        raise BadResult(f"Nothing can be written to the folder {folder}.")


def save(result: object, path: Path) -> None:
    """Write a dataclass as JSON, whole or not at all; BadResult for a NaN or an infinity."""
    try:
        text = json.dumps(asdict(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise BadResult(f"{path.name} would hold a NaN or an infinity: it is not saved.") from error
    write(path, text)


def write(path: Path, text: str) -> None:
    """A text file, whole or not at all. Raises BadResult."""
    try:
        write_text(path, text)
    except CannotWrite as error:
        raise BadResult(str(error)) from error


def between(path: Path, start: str, end: str) -> tuple[str, str, str]:
    """A text file before, between and after two marks. BadResult where they are not."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadResult(f"{path.name} cannot be read.") from error
    before, opened, rest = text.partition(start)
    inside, closed, after = rest.partition(end)
    if not (opened and closed):
        raise BadResult(f"{path.name} has no place for the table: {start} and {end}.")
    return before, inside, after


def write_between(path: Path, name: str, body: str) -> None:
    """Put a text between the marks of that name in a Markdown file. BadResult without marks."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, after = between(path, start, end)
    write(path, f"{before}{start}\n{body}\n{end}{after}")


def load(kind: type[T], path: Path) -> T:
    """The dataclass `kind` from its JSON file. Raises BadResult."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise BadResult(f"There is no {path.name} in {path.parent.name}.") from error
    except (OSError, ValidationError) as error:
        raise BadResult(f"{path.name} is damaged or was written by another version.") from error
