"""All that is measured, in one command that goes on where it was stopped.

Each step is one of the commands of `recipes`, in a process of its own. What a step printed is kept
in the work folder under the hash of its command and weights; a step that is there is done. Delete
the folder to begin anew, after a change of the code for instance.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.base.provenance import ROOT
from analysis.base.recipes import ALIKE, COMMANDS, EXTRACTOR, FIGURES, PAIR
from analysis.base.results import BadResult

LAST = ("claims",)  # reads the other files
SCREENSHOTS = "python tests/browser/screenshots.py"
WEIGHTS = ("*.safetensors", "*.json")
Call = Callable[[list[str], Path], int]  # a command line, and the file for its output → exit status


@dataclass(frozen=True)
class Step:
    """A command, and the folders of weights that it needs."""

    name: str
    argv: tuple[str, ...]
    weights: tuple[Path, ...]

    @property
    def key(self) -> str:
        """Of the command and the bytes of the weights."""
        digest = hashlib.sha256(shlex.join(self.argv).encode())
        for folder in self.weights:
            for path in sorted(p for pattern in WEIGHTS for p in folder.glob(pattern)):
                digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]


def steps(data: Path, pair: Sequence[Path], extractor: str | None) -> Iterator[Step]:
    """Every step in its order; extractor: a second one for the figures, or none."""
    recipes = {name: text for name, text in COMMANDS.items() if name not in (*FIGURES, *LAST)}
    figures = COMMANDS[FIGURES[0]].replace(FIGURES[0], " ".join(FIGURES))
    ordered = {"evaluate": recipes.pop("evaluate"), "figures": figures}
    if extractor:
        for step, text in (("figures", figures), ("twins", COMMANDS["twins"])):
            ordered[f"{step}, {extractor}"] = f"{text} {EXTRACTOR} {extractor}"
    ordered |= recipes | {name: COMMANDS[name] for name in LAST} | {"screenshots": SCREENSHOTS}
    for name, text in ordered.items():
        others = pair if PAIR in text else ()
        others = [ROOT / part for part in ALIKE.split()] if ALIKE in text else others
        text = text.replace(PAIR, " ".join(map(shlex.quote, map(str, pair))))
        argv = [word.replace("DATA", str(data), 1) for word in shlex.split(text)]
        yield Step(name, tuple(argv[1:]), (ROOT / "assets" / "anygrid", *others))


def make(plan: Sequence[Step], work: Path, call: Call, say: Callable[[str], object]) -> None:
    """Run what is not done. BadResult where a step fails: the same command goes on there."""
    for number, step in enumerate(plan, start=1):
        done = work / f"{step.key}.txt"
        where = f"{number} of {len(plan)}, {step.name}"
        if done.exists() and step.name not in LAST:
            say(f"{where}: done before")
            continue
        lacking = [str(folder) for folder in step.weights if not folder.is_dir()]
        if lacking:
            say(f"{where}: left out, there are no weights in {', '.join(lacking)}")
            continue
        say(f"{where}: {shlex.join(('python', *step.argv))}")
        try:
            work.mkdir(parents=True, exist_ok=True)
            partial = done.with_suffix(".partial")
            status = call([sys.executable, *step.argv], partial)
            if status == 0:
                partial.replace(done)
        except OSError as error:
            raise BadResult(f"Nothing can be written to the work folder {work}.") from error
        if status:
            raise BadResult(f"Stopped at {step.name}; the same command goes on there.")


def call(argv: list[str], output: Path) -> int:
    """Run it in the project's folder; its output goes to a file, its bars to the terminal."""
    with output.open("w", encoding="utf-8") as file:
        return subprocess.run(argv, cwd=ROOT, stdout=file, check=False).returncode
