"""What the clients of a load test ask, what the library says to it, and what they saw."""

from __future__ import annotations

import bz2
import io
import random
import statistics
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from picture_files import png

from analysis.view.generate.painter import Painter, Sources, numbers
from analysis.view.generate.settings import Drawing
from analysis.view.shared.engine import Engine
from analysis.view.shared.settings import Settings
from analysis.view.tokenize.picker import example_files
from tatok import MaskGIT, TaTok, tokenfile

KINDS = ("tokenize", "tokenize", "select", "decode", "generate", "hostile")
SETTINGS = ({"epsilon": 0.1, "side": 256}, {"epsilon": 0.3, "k": 4, "side": 128})
STEPS, SEEDS = 4, 6  # of the drawings


@dataclass(frozen=True)
class Case:
    """A picture with its settings, the `.tatok` file of it, and N, bits and PSNR by the library."""

    picture: Path
    values: dict
    tokens: Path
    kept: int
    bits: int
    psnr: float


@dataclass(frozen=True)
class Asked:
    """All that may be asked. drawn: N by seed; hostile: (endpoint, file, words of the refusal)."""

    cases: list[Case]
    drawn: list[int]
    hostile: list[tuple[str, Path, str]]


@dataclass
class Found:
    """What all clients saw, by kind; guarded by the lock."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, seconds: float, wrong: str | None) -> None:
        """One request."""
        with self.lock:
            self.seconds[kind].append(seconds)
            if wrong:
                self.wrong.append(f"{kind}: {wrong}")

    def median(self, kind: str) -> float:
        """Of the waiting time; NaN where nothing was asked."""
        return statistics.median(self.seconds[kind] or [float("nan")])

    def table(self) -> str:
        """As Markdown."""
        lines = ["| request | number | p50, s | p95, s |", "|---|---:|---:|---:|"]
        for kind, values in self.seconds.items():
            p95 = statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
            middle = statistics.median(values)
            lines.append(f"| {kind} | {len(values)} | {middle:.2f} | {p95:.2f} |")
        return "\n".join(lines)


def truth_of(root: Path, folder: Path) -> Asked:
    """The cases with what the library says to them, and hostile files, written to `folder`."""
    engine = Engine(TaTok.from_pretrained(root / "assets" / "anygrid"))
    own = Engine(TaTok.from_pretrained(root / "assets" / "demo"))
    painter = Painter(own, MaskGIT.from_pretrained(root / "assets" / "demo"))
    config, cases = engine.model.config, []
    for picture in example_files(root / "assets" / "examples")[:6]:
        for j, values in enumerate(SETTINGS):
            usual = {"policy": "dtf", "k": config.k, "estimator": config.estimator}
            settings = Settings.parse(usual | values, config)
            made = engine.tokenize(engine.square(str(picture), None, settings.side), settings)
            path = folder / f"{picture.stem}-{j}.tatok"
            path.write_bytes(tokenfile.pack(made.tokens, engine.model))
            told = made.statistics
            cases.append(Case(picture, values, path, told.kept, told.bits, told.psnr))
    return Asked(cases, [drawn(painter, seed) for seed in range(SEEDS)], list(hostile(folder)))


def drawn(painter: Painter, seed: int) -> int:
    """N of the drawing that `/generate` makes of this seed."""
    config = painter.generator.config
    values = {"label": config.classes[0], "pictures": 1, "steps": STEPS, "seed": seed}
    *_, last = painter.draw(Drawing.parse(values, config), 0, Sources())
    return numbers(last).kept


def hostile(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Files that are refused: endpoint, file, and words of the refusal."""
    bomb = png(13_000, 13_000, 1, 0, bytes(1000))
    pictures = {
        "text.png": (b"Hello", "not recognised"),
        "cut.png": (png(64, 64, 8, 0, bytes(5000))[:60], "damaged"),
        "bomb.png": (bomb, "million pixels"),
        "large.png": (png(9_000, 11_000, 1, 0, bytes(1000)), "million pixels"),
    }
    archives = {
        "many.zip": ({f"{i}.png": b"" for i in range(10_000)}, "more than 1000 entries"),
        "outside.zip": ({"/etc/a.png": b"x", "b.png": b"x"}, "outside itself"),
        "nested.zip": ({"a.zip": b"x", "b.png": b"x"}, "inside the archive"),
        "zeros.zip": ({"a.png": bytes(10**7), "b.png": b"x"}, "unpack to more"),
        "bombs.zip": ({"a.png": bomb, "b.png": bomb}, "needs 2 pictures"),
        "packed.zip": ({"a.png": bz2.compress(bytes(10**6)), "b.png": b"x"}, "inside the archive"),
    }
    for name, (data, words) in pictures.items():
        yield "/tokenize", _written(folder / name, data), words
    for name, (files, words) in archives.items():
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for inner, data in files.items():
                archive.writestr(inner, data)
        yield "/experiment", _written(folder / name, stream.getvalue()), words
    yield "/decode", _written(folder / "bad.tatok", bytes(100)), "not a .tatok file"


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def ask(caller: Client, kind: str, asked: Asked, rng: random.Random) -> str | None:
    """One request; what is wrong with the answer, or None."""
    try:
        if kind == "hostile":
            return _refused(caller, *rng.choice(asked.hostile))
        if kind == "generate":
            seed = rng.randrange(SEEDS)
            values = {"pictures": 1, "steps": STEPS, "seed": seed}
            (told,) = caller.predict(**values, api_name="/generate")[1]
            return _compared(told, {"seed": (seed, 0), "kept": (asked.drawn[seed], 1)})
        case = rng.choice(asked.cases)
        if kind == "decode":
            told = caller.predict(handle_file(str(case.tokens)), api_name="/decode")[1]
            return _compared(told, {"kept": (case.kept, 0), "bits": (case.bits, 0)})
        answer = caller.predict(handle_file(str(case.picture)), **case.values, api_name=f"/{kind}")
        if kind == "select":
            return _compared(answer, {"kept": (case.kept, 1)})
        return _compared(answer[1], {"kept": (case.kept, 1), "psnr": (case.psnr, 0.05)})
    except Exception as error:  # whatever it is, it belongs into the report
        return f"{type(error).__name__}: {error}"


def _refused(caller: Client, endpoint: str, path: Path, words: str) -> str | None:
    try:
        caller.predict(handle_file(str(path)), api_name=endpoint)
    except AppError as error:
        return None if words in str(error) else f"{path.name}: {error}"
    return f"{path.name} was taken"


def _compared(told: dict, expected: dict[str, tuple[float, float]]) -> str | None:
    """expected: value and tolerance by name."""
    for name, (value, tolerance) in expected.items():
        if abs(told[name] - value) > tolerance:
            return f"{name} = {told[name]}, not {value}"
    return None
