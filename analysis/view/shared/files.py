"""The templates, styles and scripts that lie beside this package's modules."""

import re
from pathlib import Path

HERE = Path(__file__).parents[1]


def source(*names: str) -> str:
    """The text of the named files, one after the other; lines that are comments stay here."""
    return "\n".join(_without_comments(HERE / name) for name in names)


def _without_comments(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^ *//.*\n", "", text, flags=re.MULTILINE) if path.suffix == ".js" else text
