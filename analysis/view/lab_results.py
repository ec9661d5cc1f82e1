"""What the lab's commands measured over sets of pictures: a figure, its table and its origin each.

A file that is missing or damaged shows one sentence with the command that makes it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import isqrt
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image
from plotly.colors import hex_to_rgb, sequential

from analysis import bias, counterfactuals, cure, decomposition, probe
from analysis.provenance import Provenance
from analysis.results import BadResult, Estimate, load, path_of, shown
from analysis.view.files import source

TRAIN = "--train DATA/imagenette/train DATA/scenes/train"
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Shown:
    """One result as the page shows it: HTML of the figure, Markdown of the table, the origins."""

    figure: str
    table: str
    origins: tuple[Provenance, ...]


@dataclass(frozen=True)
class Dot:
    """One line of a chart: a number with its interval, and what chance gives."""

    label: str
    estimate: Estimate
    chance: float


# --- drawing ---------------------------------------------------------------------------------


def dots(title: str, rows: Sequence[Dot], digits: int = 3, tick: str = "chance") -> str:
    """Numbers with their intervals on one common axis, a tick at chance, as HTML.

    tick: what a screen reader calls the tick.
    """
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
    return f'<h4>{title}</h4><div class="dots">{"".join(lines)}</div>'


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


# --- one function for each result ------------------------------------------------------------


def of_bias(result: bias.Bias) -> Shown:
    """Share of the kept patches in the outer columns and rows, and the mean maps of the sets."""
    sets = [one for one in result.placements if one.shares and one.n > 1]
    parts = [_verdict(sets)]
    for i, name in enumerate(("columns", "rows")):
        rows = [
            Dot(f"{one.pictures}, {one.estimator}", one.shares[i].share, one.shares[i].chance)
            for one in sets
        ]
        title = f"Share of the kept patches in the outer {name}; the tick is chance"
        parts.append(dots(title, rows) if rows else "")
    maps = "".join(heat(one.entropy, f"{one.pictures}, {one.estimator}") for one in sets)
    parts.append(f'<h4>Mean <i>H</i> by place, dark is low</h4><div class="heats">{maps}</div>')
    return Shown("".join(parts), bias.markdown(result.placements), (result.provenance,))


def _verdict(sets: Sequence[bias.Placement]) -> str:
    """Whether the weights show the paper's edge bias, from the test of every set."""
    sentences = []
    for one in sets:
        columns = one.shares[0]
        share, p = columns.share.value, columns.p
        most = int(np.argmax(one.kept))
        g = isqrt(len(one.kept))
        where = f"kept most at row {most // g + 1}, column {most % g + 1}"
        told = "no edge bias shown"
        if p is not None and p < SIGNIFICANT:
            more = share > columns.chance
            told = "the paper’s edge bias" if more else "the opposite of the paper’s edge bias"
        test = "" if p is None else f", p = {p:.4f}"
        sentences.append(
            f"<li>{escape(one.pictures)}, {escape(one.estimator)}: {told} ({share:.3f} of the kept "
            f"in the outer columns, chance {columns.chance:.3f}{test}); {where}.</li>"
        )
    return f"<ul>{''.join(sentences)}</ul>"


def of_counterfactuals(result: counterfactuals.Counterfactuals) -> Shown:
    """Agreement beyond chance, by place and by content, one chart for each estimator."""
    parts = []
    for name in dict.fromkeys(row.estimator for row in result.rows):
        rows = [
            Dot(f"{row.change}: {kind}", summary.beyond, 0.0)
            for row in result.rows
            if row.estimator == name
            for kind, summary in (("place", row.place), ("content", row.content))
            if summary is not None and summary.beyond is not None
        ]
        if rows:
            title = "Kept before and after, beyond chance (1: all); the tick is chance"
            chart = dots(title, rows, 2)
            parts.append(f"<details><summary>{escape(name)}</summary>{chart}</details>")
    table = counterfactuals.markdown(result.rows)
    return Shown("".join(parts), table, (result.provenance,))


def of_decompose(result: decomposition.PlaceShares) -> Shown:
    """Stacked bars: by model, by pictures and by estimator."""
    parts = [_legend()]
    for model in result.models:
        for response in decomposition.RESPONSES:
            bars = [bar for bar in model.bars if bar.response == response]
            of = "<i>H</i>" if response == "entropy" else f"the kept mask, ε = {result.epsilon:g}"
            name = f"{escape(model.weights)}, layout {escape(model.layout)}: variance of {of}"
            parts.append(f'<h4>{name}</h4><div class="stack wide">{"".join(map(_bar, bars))}</div>')
    tables = (f"{m.weights}, {m.layout}\n\n{decomposition.markdown(m.bars)}" for m in result.models)
    return Shown("".join(parts), "\n\n".join(tables), tuple(m.provenance for m in result.models))


def _legend() -> str:
    keys = (f'<span><i class="{name}"></i>{name}</span>' for name in decomposition.FACTORS)
    return (
        f'<p class="legend">{"".join(keys)}</p><p class="note">Mean shares over the pictures; '
        "right: the place’s share with its 95 % interval, and the total variance. Compare the rows "
        "with a seam and those without (seamless): what differs is the seam’s.</p>"
    )


def _bar(bar: decomposition.Bar) -> str:
    label = f"<span>{escape(bar.pictures)}, {escape(bar.estimator)}</span>"
    if bar.total is None:
        return f'{label}<span class="whole"></span><span class="variance">nothing varies</span>'
    told = ", ".join(
        f"{part.factor} {shown(part.share, 3)}, variance {part.variance.value:.3g}"
        for part in bar.parts
    )
    spans = "".join(
        f'<span class="{part.factor}" style="width:{100 * part.share.value:.2f}%"></span>'
        for part in bar.parts
    )
    right = f"{shown(bar.parts[0].share, 3)}; {bar.total.value:.3g}"
    return (
        f'{label}<span class="whole" role="img" title="{told}" aria-label="{told}">{spans}</span>'
        f'<span class="variance">{right}</span>'
    )


def of_probe(result: probe.Probes) -> Shown:
    """Accuracy of the probes on rolled pictures beyond chance, beside those without a network."""
    parts = [
        '<p class="note">Pictures rolled at random, so that content says nothing of place: what a '
        "network’s feature knows beyond the raw patches’ the network put in. If the paper’s "
        "explanation is right, layout sequence must carry place in its codes, and grid need "
        "not.</p>"
    ]
    for model in result.models:
        rows = [
            Dot(
                f"{one.target}, {one.feature}, {'network' if one.network else 'raw patches'}",
                one.accuracy.value,
                one.accuracy.chance,
            )
            for one in model.probes
            if one.condition == "rolled"
        ]
        if rows:
            name = f"{escape(model.weights)}, layout {escape(model.layout)}"
            parts.append(dots(f"{name}: accuracy on {model.n_test} test images", rows))
    tables = (f"{m.weights}, {m.layout}\n\n{probe.markdown(m.probes)}" for m in result.models)
    return Shown("".join(parts), "\n\n".join(tables), tuple(m.provenance for m in result.models))


def of_cure(result: cure.Cure) -> Shown:
    """Gain in PSNR and change of the Fréchet distance of every way, beside the paper's."""
    others = [row for row in result.rows if row.way != cure.Way()]
    charts = (
        ("Gain in PSNR, dB; right is better", "gain", 2),
        (f"Change of {result.fd_label}; left is better", "fd_change", 1),
    )
    parts = [
        dots(
            escape(title),
            [
                Dot(f"{row.estimator}, N = {row.count}: {row.way.name}", getattr(row, field), 0.0)
                for row in others
            ],
            digits,
        )
        for title, field, digits in charts
        if others
    ]
    return Shown("".join(parts), cure.markdown(result), (result.provenance,))


def costs(folder: Path, weights: str) -> dict | None:
    """What the cure of the lab cost or gained over a set of pictures, for the lesson; None without
    the file.

    weights: the fingerprint of those on the page; `own` says whether they were measured.
    """
    try:
        result = load(cure.Cure, path_of("cure", folder))
    except BadResult:
        return None
    rows = [
        {
            "estimator": row.estimator,
            "rule": row.way.rule,
            "count": row.count,
            "gain": shown(row.gain, 2),
            "fd_change": shown(row.fd_change, 1),
        }
        for row in result.rows
        if row.way.bias == "content-free"
    ]
    own = result.provenance.weights == weights
    return {"n": result.n, "fd_label": result.fd_label, "own": own, "rows": rows}


# --- on the page -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A result of the page: its file, its type, how it is shown, and the command's options."""

    name: str
    title: str
    kind: type
    show: Callable[..., Shown]
    options: str = ""

    @property
    def command(self) -> str:
        """What makes the file."""
        options = f" {self.options}" if self.options else ""
        return (
            f"python -m analysis {self.name} --weights assets/demo --data DATA{options} "
            f"--out assets/results/{self.name}.json"
        )


PARTS = (
    Part("bias", "Where patches are kept, over sets", bias.Bias, of_bias),
    Part(
        "counterfactuals",
        "Position or content, over a set",
        counterfactuals.Counterfactuals,
        of_counterfactuals,
    ),
    Part("decompose", "The decomposition, over sets", decomposition.PlaceShares, of_decompose),
    Part("probe", "Does position live in the codes?", probe.Probes, of_probe, TRAIN),
    Part("cure", "What the cure costs or gains", cure.Cure, of_cure, TRAIN),
)


def read(part: Part, folder: Path) -> Shown | str:
    """The result, or one sentence why there is none."""
    try:
        return part.show(load(part.kind, path_of(part.name, folder)))
    except BadResult as error:
        return f"{error} This command makes it:"


def build(folder: Path) -> None:
    """Add all results of a folder to the current Blocks."""
    _html('<div class="lab"><h3>Measured over sets of pictures</h3></div>')
    for part in PARTS:
        add(part, folder)


def add(part: Part, folder: Path) -> None:
    """Add one result to the current Blocks, or the sentence that says why there is none."""
    found = read(part, folder)
    if isinstance(found, str):
        sentence = f"{escape(found)} <code>{escape(part.command)}</code>"
        _html(f'<div class="lab"><p><b>{part.title}.</b> {sentence}</p></div>')
        return
    with gr.Accordion(part.title, open=False):
        origins = "".join(f'<p class="note">{escape(o.line())}</p>' for o in found.origins)
        _html(f'<div class="lab results">{found.figure}{origins}</div>')
        with gr.Accordion("As a table", open=False):
            gr.Markdown(found.table)


def _html(text: str) -> None:
    gr.HTML(
        html_template="${value}",
        value=text,
        css_template=source("lab.css", "lab_results.css"),
        apply_default_css=False,
    )
