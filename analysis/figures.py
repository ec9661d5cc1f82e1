"""Result files as plotly figures. Pure: reads no file and knows nothing of Gradio.

Only what plotly.js 3.3 knows is used, since that is what Gradio 6 brings along. Backgrounds are
transparent; the page gives the text its colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

import plotly.graph_objects as go

from analysis import paper
from analysis.codecs import DISTANCE, MEASURES, SIZES, TATOK, CodecPoint, Codecs, hulls
from analysis.results import Estimate, Experiment, Point, Series, shown

COLOURS = ("#2b7bba", "#2a9d5c", "#a35fb5", "#b8860b", "#c2477f")
GREY = "#868686"  # of the paper
MARK = "#d9480f"  # of the setting on the tab Tokenize
CLEAR = "rgba(0,0,0,0)"
GRID = "rgba(128,128,128,0.22)"
OWN, RATE = "own", "bits_per_pixel"  # axes of an experiment: the one it is made for, and the rate
BYTES = [round(10**e * d) for e in range(1, 6) for d in (1, 2, 5)]  # where an axis has labels
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
POLICIES = "fig5"  # the id of the experiment whose x counts policies

Result = Experiment | Codecs


@dataclass(frozen=True)
class Choice:
    """What can be put on an axis: its key, and how it is called."""

    key: str
    label: str


@dataclass(frozen=True)
class Drawing:
    """A figure, and what goes with it.

    mark: which number of the Tokenize tab has its place on this x-axis: "k", "removed",
    "policy", "epsilon", "bits_per_pixel", "file" or "payload" (bytes).
    """

    figure: go.Figure
    mark: str


def measures(result: Result) -> tuple[Choice, ...]:
    """What can stand on the y-axis, the default first."""
    if isinstance(result, Codecs):
        return Choice("PSNR", "PSNR, dB"), Choice(DISTANCE, result.distance_label)
    return (
        Choice("fd", result.fd_label),
        Choice("psnr", "PSNR, dB"),
        Choice("kid", result.kid_label),
        Choice("count", "N, mean ± standard deviation over images"),
    )


def axes(result: Result) -> tuple[Choice, ...]:
    """What can stand on the x-axis, the default first."""
    if isinstance(result, Codecs):
        return Choice("file", "bytes of the whole file"), Choice("payload", "bytes of the payload")
    own = Choice(OWN, result.x)
    return (own,) if result.id == POLICIES else (own, Choice(RATE, "bits per pixel"))


def draw(result: Result, measure: str, axis: str) -> Drawing:
    """The figure of a result file for keys of `measures` and `axes`; ValueError for others."""
    y = _label(measures(result), measure)
    x = _label(axes(result), axis)
    if isinstance(result, Codecs):
        return Drawing(_codecs(result, measure, axis, x, y), axis)
    if result.id == POLICIES:
        return Drawing(_policies(result, measure, x, y), "policy")
    marks = {"fig3": "k", "fig4": "removed", "epsilon": "epsilon"}
    mark = RATE if axis == RATE else marks[result.id]
    return Drawing(_curves(result, measure, axis, x, y), mark)


# --- the figures of the paper ----------------------------------------------------------------


def _curves(result: Experiment, measure: str, axis: str, x: str, y: str) -> go.Figure:
    figure = _figure(x, y)
    for colour, series in zip(COLOURS, result.series, strict=False):
        xs = [point.bits_per_pixel if axis == RATE else point.x for point in series.points]
        _curve(figure, series, xs, measure, (x, y), colour)
    if axis == OWN and measure == "fd" and result.id in paper.OVERLAYS:
        _overlay(figure, paper.OVERLAYS[result.id], result)
    return _marked(figure)


def _curve(figure, series: Series, xs: list, measure: str, names, colour: str) -> None:
    """A line with its band; a curve of one point has an error bar."""
    estimates = [_estimate(point, measure) for point in series.points]
    banded = all(e.low is not None for e in estimates)
    group = {"legendgroup": series.name}
    if banded and len(xs) > 1:
        order = sorted(range(len(xs)), key=xs.__getitem__)
        figure.add_scatter(
            x=[xs[i] for i in (*order, *reversed(order))],
            y=[estimates[i].high for i in order] + [estimates[i].low for i in reversed(order)],
            mode="lines",
            fill="toself",
            fillcolor=_faint(colour),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            **group,
        )
    figure.add_scatter(
        x=xs,
        y=[e.value for e in estimates],
        mode="lines+markers" if len(xs) > 1 else "markers",
        name=_legend(series.name),
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 7},
        error_y=_bars(estimates, colour) if len(xs) == 1 else None,
        text=[
            _told(series.name, point, names, x, measure)
            for point, x in zip(series.points, xs, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
        **group,
    )


def _policies(result: Experiment, measure: str, x: str, y: str) -> go.Figure:
    """Fig. 5: a place on the x-axis for each policy, side by side what the series have there."""
    figure = _figure(x, y)
    figure.update_layout(scattermode="group", scattergap=0.35, height=560)  # long labels
    names = list(dict.fromkeys(p.setting.label for s in result.series for p in s.points))
    every: list[Estimate] = []
    for colour, series in zip(COLOURS, result.series, strict=False):
        estimates = [_estimate(point, measure) for point in series.points]
        labels = [point.setting.label for point in series.points]
        every += estimates
        figure.add_scatter(
            x=labels,
            y=[e.value for e in estimates],
            mode="markers",
            name=_legend(series.name),
            marker={"color": colour, "size": 8},
            error_y=_bars(estimates, colour),
            offsetgroup=series.name,
            text=[
                _told(series.name, p, (x, y), label, measure)
                for p, label in zip(series.points, labels, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(categoryorder="array", categoryarray=names, range=[-0.6, len(names) - 0.4])
    figure.update_yaxes(range=_span([v for e in every for v in (e.value, e.low, e.high)]))
    if measure == "fd":
        _overlay(figure, paper.OVERLAYS[POLICIES], result)
    return _marked(figure)


def _overlay(figure: go.Figure, overlay: paper.Overlay, result: Experiment) -> None:
    """The paper's points on axes of their own: y at the right; x above where it counts patches."""
    title = {"text": paper.LABEL, "font": {"color": GREY}}
    scale = {"type": "log", "dtick": 1}
    if not overlay.logarithmic:
        scale = {"range": _span([y for curve in overlay.curves for _, y in curve.points])}
    figure.update_layout(
        yaxis2={
            "title": title,
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"color": GREY},
            "automargin": True,
            **scale,
        }
    )
    if overlay.patches:
        figure.update_layout(
            xaxis={"range": _padded(result.num_patches)},
            xaxis2={
                "title": {"text": f"the paper's, of {overlay.patches}", "font": {"color": GREY}},
                "overlaying": "x",
                "side": "top",
                "range": _padded(overlay.patches),
                "showgrid": False,
                "zeroline": False,
                "tickfont": {"color": GREY},
            },
            margin={"t": 60},
        )
    elif result.id != POLICIES:  # the paper's x goes on where our weights end
        figure.update_xaxes(range=_padded(max(p.x for s in result.series for p in s.points)))
    symbols = ("diamond-open", "square-open", "triangle-up-open", "x-open")
    for symbol, curve in zip(symbols, overlay.curves, strict=False):
        xs, ys = zip(*curve.points, strict=True)
        figure.add_scatter(
            x=xs,
            y=ys,
            yaxis="y2",
            xaxis="x2" if overlay.patches else "x",
            mode="markers" if result.id == POLICIES else "lines+markers",
            name=f"the paper: {curve.name}",
            alignmentgroup="paper",
            line={"color": GREY, "width": 1, "dash": "dot"},
            marker={"color": GREY, "size": 9, "symbol": symbol},
            text=[
                f"{paper.LABEL}<br>{curve.where}, {curve.name}<br>{x}: {y:g}"
                for x, y in curve.points
            ],
            hovertemplate="%{text}<extra></extra>",
        )


def _estimate(point: Point, measure: str) -> Estimate:
    if measure == "count":
        N, spread = point.count, point.count_deviation
        return Estimate(N, N - spread, N + spread)
    return {"fd": point.fd, "psnr": point.psnr, "kid": point.kid}[measure]


def _told(name: str, point: Point, names: tuple[str, str], x: float | str, measure: str) -> str:
    """What hovering over a point says."""
    digits = {"psnr": 2, "fd": 2, "kid": 4, "count": 1}[measure]
    place = x if isinstance(x, str) else f"{x:.4g}"
    lines = [
        name,
        f"{names[0]}: {place}",
        f"{names[1]}: {shown(_estimate(point, measure), digits)}",
        f"k = {point.setting.k}, N = {point.count:.1f} ± {point.count_deviation:.1f}",
        f"{point.bits_per_pixel:.4f} bits per pixel, PSNR {point.psnr.value:.2f} dB",
    ]
    return "<br>".join(lines)


# --- TaTok against codecs --------------------------------------------------------------------


def _codecs(result: Codecs, measure: str, size: str, x: str, y: str) -> go.Figure:
    """Every way to code as a point; a line joins what no mixture of a coder's points beats."""
    figure = _figure(x, y)
    figure.update_xaxes(type="log", tickvals=BYTES)
    names = [TATOK, *dict.fromkeys(p.coder for p in result.points if p.coder != TATOK)]
    for colour, name in zip(COLOURS, names, strict=False):
        points = [point for point in result.points if point.coder == name]
        best = hulls(points, size, measure)[0]
        figure.add_scatter(
            x=[bytes_ for bytes_, _ in best],
            y=[abs(value) for _, value in best],
            mode="lines",
            line={"color": colour, "width": 2},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
        estimates = [MEASURES[measure](p) for p in points]
        figure.add_scatter(
            x=[SIZES[size](p).value for p in points],
            y=[e.value for e in estimates],
            mode="markers",
            name=name,
            legendgroup=name,
            marker={"color": colour, "size": 6},
            error_y=_bars(estimates, colour),
            text=[_told_codec(p, result.distance_label) for p in points],
            hovertemplate="%{text}<extra></extra>",
        )
    return _marked(figure)


def _told_codec(point: CodecPoint, distance_label: str) -> str:
    knob = "global tokens alone" if point.knob is None else f"quality {point.knob:g}"
    if point.coder == TATOK and point.knob is not None:
        knob = f"ε = {point.knob:g}"
    return (
        f"{point.coder}, {knob}, {point.side} px<br>{point.file_bytes.value:.0f} bytes, payload "
        f"{point.payload_bytes.value:.0f}<br>PSNR, dB: {shown(point.psnr, 2)}<br>{distance_label}: "
        f"{shown(point.distance, 4)}"
    )


# --- what all figures share ------------------------------------------------------------------


def _figure(x: str, y: str) -> go.Figure:
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


def _marked(figure: go.Figure) -> go.Figure:
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


def _bars(estimates: list[Estimate], colour: str) -> dict | None:
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


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def _padded(high: float) -> list[float]:
    return [-0.04 * high, 1.04 * high]


def _span(values: list[float | None]) -> list[float]:
    """A range that holds all that are known, with a margin: plotly begins groups of points at 0."""
    low, high = (end(v for v in values if v is not None) for end in (min, max))
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return [low - margin, high + margin]


def _legend(name: str) -> str:
    """The name of a series in lines that a phone can show."""
    return "<br>".join(wrap(name, LETTERS))


def _label(choices: tuple[Choice, ...], key: str) -> str:
    for choice in choices:
        if choice.key == key:
            return choice.label
    raise ValueError(f"{key} is not on offer.")
