"""The templates, styles and scripts that lie beside this package's modules."""

from pathlib import Path

HERE = Path(__file__).parents[1]


def source(*names: str) -> str:
    """The text of the named files, one after the other."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)
