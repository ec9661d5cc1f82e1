"""What all figures share: axes, legend, bands and bars, and the mark of the tab Tokenize.

Only what plotly.js 3.3 knows is used, since that is what Gradio 6 brings along. Backgrounds are
transparent; the page gives the text its colour.
"""

from __future__ import annotations

from textwrap import wrap

import plotly.graph_objects as go

from analysis.base.results import Estimate

COLOURS = (
    *("#2b7bba", "#2a9d5c", "#a35fb5", "#b8860b", "#c2477f"),
    *("#1a9a9a", "#6f74d8", "#8a6d5a"),
)
GREY = "#868686"  # of the paper
MARK = "#d9480f"  # of the setting on the tab Tokenize
CLEAR = "rgba(0,0,0,0)"
GRID = "rgba(128,128,128,0.22)"
LETTERS = 46  # of a line in the legend: as many as a phone shows
LEGEND = {  # at the bottom, in room of its own
    "orientation": "h",
    "xref": "container",
    "x": 0,
    "yref": "container",
    "y": 0,
    "yanchor": "bottom",
    "tracegroupgap": 0,
}


def blank(x: str, y: str) -> go.Figure:
    """Axes with their titles, and nothing drawn."""
    axis = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    return go.Figure(
        layout={
            "template": "none",
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "height": 480,
            "margin": {"l": 56, "r": 16, "t": 12, "b": 48},
            "font": {"size": 12},
            "hovermode": "closest",
            "hoverlabel": {"align": "left"},
            "legend": LEGEND,
            "xaxis": {"title": {"text": x}, **axis},
            "yaxis": {"title": {"text": y}, **axis},
        }
    )


def marked(figure: go.Figure) -> go.Figure:
    """A vertical line, not shown, which the browser moves to the setting of the tab Tokenize."""
    figure.add_scatter(
        x=[],
        y=[],
        yaxis="y3",
        mode="lines",
        name="",
        meta="mark",
        alignmentgroup="mark",
        visible=False,
        line={"color": MARK, "width": 1.5, "dash": "dash"},
        hovertemplate="%{fullData.name}<extra></extra>",
    )
    hidden = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    return figure.update_layout(yaxis3=hidden)


def bars(estimates: list[Estimate], colour: str) -> dict | None:
    """Error bars of the intervals; none where one is not known."""
    if any(e.low is None for e in estimates):
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [e.high - e.value for e in estimates],
        "arrayminus": [e.value - e.low for e in estimates],
        "color": colour,
        "thickness": 1.2,
        "width": 3,
    }


def faint(colour: str) -> str:
    """The colour of a band beside its line."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def padded(high: float) -> list[float]:
    """A range from 0 to `high`, with a margin."""
    return [-0.04 * high, 1.04 * high]


def span(values: list[float | None]) -> list[float]:
    """A range that holds all that are known, with a margin: plotly begins groups of points at 0."""
    low, high = (end(v for v in values if v is not None) for end in (min, max))
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return [low - margin, high + margin]


def legend(name: str) -> str:
    """The name of a series in lines that a phone can show."""
    return "<br>".join(wrap(name, LETTERS))
