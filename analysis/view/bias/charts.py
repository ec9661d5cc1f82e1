"""Charts of the result files, as HTML: numbers with their intervals on one axis, and maps."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isqrt

import numpy as np
from PIL import Image
from plotly.colors import hex_to_rgb, sequential

from analysis.base.results import Estimate, shown


@dataclass(frozen=True)
class Dot:
    """One line of a chart: a number with its interval, and what chance gives."""

    label: str
    estimate: Estimate
    chance: float


def dots(title: str, rows: Sequence[Dot], digits: int = 3, tick: str = "chance") -> str:
    """Numbers with their intervals on one common axis, a tick at chance, as HTML; "" for no rows.

    tick: what a screen reader calls the tick.
    """
    if not rows:
        return ""
    ends = [
        end
        for row in rows
        for end in (row.estimate.low, row.estimate.high, row.estimate.value, row.chance)
        if end is not None
    ]
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0

    def at(value: float) -> str:
        return f"{100 * (value - low) / span:.2f}%"

    lines = []
    for row in rows:
        value, one = row.estimate.value, row.estimate
        text = shown(one, digits)
        band = ""
        if one.low is not None:
            width = f"{100 * (one.high - one.low) / span:.2f}%"
            band = f'<i class="interval" style="left:{at(one.low)};width:{width}"></i>'
        lines.append(
            f"<span>{escape(row.label)}</span>"
            f'<span class="track" role="img" aria-label="{escape(row.label, quote=True)}: {text}, '
            f'{tick} {row.chance:.{digits}f}">'
            f'<i class="reference" style="left:{at(row.chance)}"></i>{band}'
            f'<i class="dot" style="left:{at(value)}"></i></span><span>{text}</span>'
        )
    return f'<h3>{title}</h3><div class="dots">{"".join(lines)}</div>'


def heat(values: Sequence[float], label: str) -> str:
    """A map (M,) in the colours of the page's other maps, dark is low, as HTML."""
    g = isqrt(len(values))
    grid = np.asarray(values, np.float64).reshape(g, g)
    span = np.ptp(grid) or 1.0
    buffer = io.BytesIO()
    Image.fromarray(_viridis((grid - grid.min()) / span)).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = f"{escape(label)}: {grid.min():.3g} to {grid.max():.3g}"
    return (
        f'<figure class="heat"><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _viridis(shares: np.ndarray) -> np.ndarray:
    """0..1 -> 8-bit RGB, (…, 3): linear between anchors at equal distances, as colour.js has it."""
    anchors = np.array([hex_to_rgb(colour) for colour in sequential.Viridis])
    at = np.linspace(0, 1, len(anchors))
    channels = [np.interp(shares, at, anchors[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
