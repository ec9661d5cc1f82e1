"""The folder of a Hugging Face Space: python -m analysis.base.space FOLDER.

What the page needs, without tests, and with the checks that the Hub makes only after an upload: the
front matter of README.md, and sizes. `hf upload USER/SPACE FOLDER . --repo-type space` sends it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from huggingface_hub import SpaceHardware, metadata_load

from analysis.base.provenance import ROOT

PARTS = ("app.py", "requirements.txt", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
PARTS += (".gitattributes", "tatok", "analysis", "assets")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "*.partial", "*.pyc")
LARGEST, IN_ALL = 50_000_000, 200_000_000  # bytes; what is above is there by mistake
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
LONGEST = 60  # letters of the short description


class BadSpace(ValueError):
    """What a Space would not build or show; one sentence for each fault."""


def make(folder: Path, root: Path = ROOT) -> int:
    """Copy what the Space needs into a new folder; its size in bytes. Raises BadSpace."""
    if folder.exists():
        raise BadSpace(f"{folder} is there already.")
    if faults := front_matter(root):
        raise BadSpace(" ".join(faults))
    folder.mkdir(parents=True)
    for name in PARTS:
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy(root / name, folder / name)
    return size(folder)


def size(folder: Path) -> int:
    """Bytes of all files. Raises BadSpace where a file, or their sum, is too large."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    faults = [
        f"{path.relative_to(folder)} has {n:,} bytes." for path, n in sizes.items() if n > LARGEST
    ]
    total = sum(sizes.values())
    if total > IN_ALL:
        faults.append(f"All files together have {total:,} bytes.")
    if faults:
        raise BadSpace(" ".join(faults))
    return total


def front_matter(root: Path) -> list[str]:
    """What is wrong with the head of README.md, a sentence each."""
    told = metadata_load(root / "README.md") or {}
    pinned = re.search(r"^gradio==(\S+)$", (root / "requirements.txt").read_text(), re.MULTILINE)
    wanted = {
        "sdk": "gradio",
        "sdk_version": pinned and pinned[1],
        "app_file": "app.py",
    }
    faults = [
        f"{name} is {told.get(name)!r}, not {value!r}."
        for name, value in wanted.items()
        if told.get(name) != value
    ]
    missing = [
        name for name in ("title", "emoji", "license", "python_version") if not told.get(name)
    ]
    faults += [f"{name} is missing." for name in missing]
    for name in ("colorFrom", "colorTo"):
        if told.get(name) not in COLOURS:
            faults.append(f"{name} is none of {', '.join(COLOURS)}.")
    if len(str(told.get("short_description", ""))) > LONGEST:
        faults.append(f"short_description has more than {LONGEST} letters.")
    if told.get("suggested_hardware") not in {h.value for h in SpaceHardware}:
        faults.append("suggested_hardware is none that the Hub has.")
    return faults


def main() -> None:
    """Make it, and say how large it is."""
    parser = argparse.ArgumentParser(prog="python -m analysis.base.space", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder")
    folder = parser.parse_args().folder
    try:
        total = make(folder)
    except (BadSpace, OSError) as error:
        sys.exit(str(error))
    files = sum(path.is_file() for path in folder.rglob("*"))
    print(f"{folder}: {files} files, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
