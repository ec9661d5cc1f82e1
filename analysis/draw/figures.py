"""Result files as plotly figures. Pure: reads no file and knows nothing of Gradio."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import plotly.graph_objects as go

from analysis.base.metrics import limit_label
from analysis.base.results import Estimate, Experiment, Point, Series, shown
from analysis.draw.base import (
    COLOURS,
    GREY,
    bars,
    blank,
    faint,
    legend,
    marked,
    padded,
    span,
)
from analysis.paper import overlay as paper
from analysis.peers.frontier import Peers
from analysis.rate.codecs import DISTANCE, MEASURES, SIZES, TATOK, CodecPoint, Codecs, hulls
from analysis.rate.sides import ESTIMATORS, SidePoint, Sides

OWN, RATE = "own", "bits_per_pixel"  # axes of an experiment: the one it is made for, and the rate
BYTES = [round(10**e * d) for e in range(1, 6) for d in (1, 2, 5)]  # where an axis has labels
EPSILON = "epsilon"
SIDE_MEASURES = {  # by key: what it is called, and its decimals
    "count": ("N", 1),
    "share": ("N / M", 3),
    "bits": ("bits", 0),
    "psnr": ("PSNR, dB", 2),
    "loss": ("loss of PSNR against all patches, dB", 2),
}
FRECHET = ("fd", "limit")  # beside which the paper's rFID is drawn
POLICIES = "fig5"  # the id of the experiment whose x counts policies

Result = Experiment | Codecs | Sides | Peers


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
    if isinstance(result, Sides):
        return tuple(Choice(key, label) for key, (label, _) in SIDE_MEASURES.items())
    limits = all(point.limit for series in result.series for point in series.points)
    extrapolated = Choice("limit", limit_label(result.provenance.extractor))
    return (
        *([extrapolated] if limits else []),
        Choice("fd", result.fd_label),
        Choice("psnr", "PSNR, dB"),
        Choice("kid", result.kid_label),
        Choice("count", "N, mean ± standard deviation over images"),
    )


def axes(result: Result) -> tuple[Choice, ...]:
    """What can stand on the x-axis, the default first."""
    if isinstance(result, Codecs):
        return Choice("file", "bytes of the whole file"), Choice("payload", "bytes of the payload")
    if isinstance(result, Sides):
        over_epsilon = f"information loss rate ε, at {result.largest} px"
        return Choice("side", f"side in pixels, ε = {result.epsilon}"), Choice(
            EPSILON, over_epsilon
        )
    if isinstance(result, Peers):
        return (Choice(RATE, result.x),)
    own = Choice(OWN, result.x)
    return (own,) if result.id == POLICIES else (own, Choice(RATE, "bits per pixel"))


def draw(result: Result, measure: str, axis: str) -> Drawing:
    """The figure of a result file for keys of `measures` and `axes`; ValueError for others."""
    y = _label(measures(result), measure)
    x = _label(axes(result), axis)
    if isinstance(result, Codecs):
        return Drawing(_codecs(result, measure, axis, x, y), axis)
    if isinstance(result, Sides):
        return Drawing(_sides(result, measure, axis, x, y), axis)
    if isinstance(result, Peers):
        return Drawing(_curves(result, measure, axis, x, y), RATE)
    if result.id == POLICIES:
        return Drawing(_policies(result, measure, x, y), "policy")
    marks = {"fig3": "k", "fig4": "removed", "epsilon": "epsilon"}
    mark = RATE if axis == RATE else marks[result.id]
    return Drawing(_curves(result, measure, axis, x, y), mark)


# --- the figures of the paper ----------------------------------------------------------------


def _curves(result: Experiment | Peers, measure: str, axis: str, x: str, y: str) -> go.Figure:
    figure = blank(x, y)
    for colour, series in zip(cycle(COLOURS), result.series, strict=False):
        xs = [point.bits_per_pixel if axis == RATE else point.x for point in series.points]
        _curve(figure, series, xs, measure, (x, y), colour)
    if axis == OWN and measure in FRECHET and result.id in paper.OVERLAYS:
        _overlay(figure, paper.OVERLAYS[result.id], result)
    return marked(figure)


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
            fillcolor=faint(colour),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            **group,
        )
    figure.add_scatter(
        x=xs,
        y=[e.value for e in estimates],
        mode="lines+markers" if len(xs) > 1 else "markers",
        name=legend(series.name),
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 7},
        error_y=bars(estimates, colour) if len(xs) == 1 else None,
        text=[
            _told(series.name, point, names, x, measure)
            for point, x in zip(series.points, xs, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
        **group,
    )


def _policies(result: Experiment, measure: str, x: str, y: str) -> go.Figure:
    """Fig. 5: a place on the x-axis for each policy, side by side what the series have there."""
    figure = blank(x, y)
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
            name=legend(series.name),
            marker={"color": colour, "size": 8},
            error_y=bars(estimates, colour),
            offsetgroup=series.name,
            text=[
                _told(series.name, p, (x, y), label, measure)
                for p, label in zip(series.points, labels, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(categoryorder="array", categoryarray=names, range=[-0.6, len(names) - 0.4])
    figure.update_yaxes(range=span([v for e in every for v in (e.value, e.low, e.high)]))
    if measure in FRECHET:
        _overlay(figure, paper.OVERLAYS[POLICIES], result)
    return marked(figure)


def _overlay(figure: go.Figure, overlay: paper.Overlay, result: Experiment) -> None:
    """The paper's points on axes of their own: y at the right; x above where it counts patches."""
    title = {"text": paper.LABEL, "font": {"color": GREY}}
    scale = {"type": "log", "dtick": 1}
    if not overlay.logarithmic:
        scale = {"range": span([y for curve in overlay.curves for _, y in curve.points])}
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
            xaxis={"range": padded(result.num_patches)},
            xaxis2={
                "title": {"text": f"the paper's, of {overlay.patches}", "font": {"color": GREY}},
                "overlaying": "x",
                "side": "top",
                "range": padded(overlay.patches),
                "showgrid": False,
                "zeroline": False,
                "tickfont": {"color": GREY},
            },
            margin={"t": 60},
        )
    elif result.id != POLICIES:  # the paper's x goes on where our weights end
        figure.update_xaxes(range=padded(max(p.x for s in result.series for p in s.points)))
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
    if measure == "limit":
        return point.limit.estimate
    return {"fd": point.fd, "psnr": point.psnr, "kid": point.kid}[measure]


def _told(name: str, point: Point, names: tuple[str, str], x: float | str, measure: str) -> str:
    """What hovering over a point says."""
    digits = {"psnr": 2, "fd": 2, "limit": 2, "kid": 4, "count": 1}[measure]
    place = x if isinstance(x, str) else f"{x:.4g}"
    lines = [
        name,
        f"{names[0]}: {place}",
        f"{names[1]}: {shown(_estimate(point, measure), digits)}",
        f"k = {point.setting.k}, N = {point.count:.1f} ± {point.count_deviation:.1f}",
        f"{point.bits_per_pixel:.4f} bits per pixel, PSNR {point.psnr.value:.2f} dB",
    ]
    if measure == "limit":
        over_n = zip(point.limit.sizes, point.limit.values, strict=True)
        lines.append("from " + ", ".join(f"{fd:.1f} with {n} images" for n, fd in over_n))
    return "<br>".join(lines)


# --- sides -----------------------------------------------------------------------------------


def _sides(result: Sides, measure: str, axis: str, x: str, y: str) -> go.Figure:
    """A line for each estimator, over the side or over ε."""
    figure = blank(x, y)
    for colour, name in zip(COLOURS, ESTIMATORS, strict=False):
        points = result.over_epsilon(name) if axis == EPSILON else result.over_sides(name)
        estimates = [getattr(point, measure) for point in points]
        figure.add_scatter(
            x=[point.epsilon if axis == EPSILON else point.side for point in points],
            y=[e.value for e in estimates],
            mode="lines+markers",
            name=f"DTF, {name}",
            line={"color": colour, "width": 2},
            marker={"color": colour, "size": 7},
            error_y=bars(estimates, colour),
            text=[_side_told(point, measure, y) for point in points],
            hovertemplate="%{text}<extra></extra>",
        )
    return marked(figure)


def _side_told(p: SidePoint, measure: str, y: str) -> str:
    """What hovering over a point says."""
    lines = [
        f"DTF, {p.estimator}, ε = {p.epsilon:g}",
        f"{p.side} × {p.side} pixels, M = {p.patches}",
        f"{y}: {shown(getattr(p, measure), SIDE_MEASURES[measure][1])}",
        f"N = {p.count.value:.1f}, PSNR {p.psnr.value:.2f} dB, at most {p.worst:.2f} dB lost",
    ]
    return "<br>".join(lines)


# --- TaTok against codecs --------------------------------------------------------------------


def _codecs(result: Codecs, measure: str, size: str, x: str, y: str) -> go.Figure:
    """Every way to code as a point; a line joins what no mixture of a coder's points beats."""
    figure = blank(x, y)
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
            error_y=bars(estimates, colour),
            text=[_told_codec(p, result.distance_label) for p in points],
            hovertemplate="%{text}<extra></extra>",
        )
    return marked(figure)


def _told_codec(point: CodecPoint, distance_label: str) -> str:
    return (
        f"{point.coder}, {point.how}, {point.side} px<br>{point.file_bytes.value:.0f} bytes, "
        f"payload {point.payload_bytes.value:.0f}<br>PSNR, dB: {shown(point.psnr, 2)}<br>"
        f"{distance_label}: {shown(point.distance, 4)}"
    )


def _label(choices: tuple[Choice, ...], key: str) -> str:
    for choice in choices:
        if choice.key == key:
            return choice.label
    raise ValueError(f"{key} is not on offer.")
