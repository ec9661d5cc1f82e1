"""What the lab's commands measured over sets of pictures: a figure, its table and its origin each.

A file that is missing or damaged shows one sentence with the command that makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import isqrt
from pathlib import Path

import gradio as gr
import numpy as np

from analysis.base.provenance import Provenance
from analysis.base.recipes import COMMANDS
from analysis.base.results import BadResult, load, path_of, shown
from analysis.bias import counterfactuals, cure, decomposition, placement, probe
from analysis.view.bias.charts import Dot, dots, heat
from analysis.view.shared.origin import note, note_of_model

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
SIGNIFICANT = 0.05
TIGHT = 0.4  # the edges cannot hold more of the kept: little enough to say so


@dataclass(frozen=True)
class Shown:
    """One result as the page shows it: HTML of the figure, Markdown of the table, the origins.

    models: whose origins they are, in a file that holds several.
    """

    figure: str
    table: str
    origins: tuple[Provenance, ...]
    models: tuple[str, ...] = ()


# --- one function for each result ------------------------------------------------------------


def of_bias(result: placement.Bias) -> Shown:
    """Share of the kept patches in the outer columns and rows, and the mean maps of the sets."""
    figure, tables = _placed(result.placements), [placement.markdown(result.placements)]
    if result.at_share:
        figure += f"<h3>With the paper’s mean share of patches kept</h3>{_placed(result.at_share)}"
        tables.append(placement.markdown(result.at_share))
    return Shown(figure, "\n\n".join(tables), (result.provenance,))


def _placed(placements: Sequence[placement.Placement]) -> str:
    sets = [placed for placed in placements if placed.shares and placed.n + placed.left_out > 1]
    parts = [_verdict(sets)]
    for i, name in enumerate(("columns", "rows")):
        rows = [
            Dot(_counted(placed), placed.shares[i].share, placed.shares[i].chance)
            for placed in sets
        ]
        title = f"Share of the kept in the outer {name}, n of m pictures; the tick is chance"
        parts.append(dots(title, rows))
    maps = "".join(
        heat(placed.entropy, f"{placed.pictures}, {placed.estimator}") for placed in sets
    )
    parts.append(f'<h3>Mean <i>H</i> by place, dark is low</h3><div class="heats">{maps}</div>')
    return "".join(parts)


def _counted(placed: placement.Placement | decomposition.Bar) -> str:
    """Its name, and how many of the pictures count: those in which H tells anything apart."""
    return f"{placed.pictures}, {placed.estimator}, {placed.n} of {placed.n + placed.left_out}"


def _verdict(sets: Sequence[placement.Placement]) -> str:
    """Whether the edges are preferred, from the test of every set."""
    sentences = []
    for placed in sets:
        most, M = int(np.argmax(placed.kept)), len(placed.kept)
        row, column = divmod(most, isqrt(M))
        sentence = edges_verdict(placed.shares[0], placed.count, M)
        sentences.append(
            f"<li>{escape(_counted(placed))} pictures: {sentence}; kept most at row {row + 1}, "
            f"column {column + 1}.</li>"
        )
    return f"<ul>{''.join(sentences)}</ul>"


def edges_verdict(columns: placement.Share, count: float, num_patches: int) -> str:
    """What the test says of the outer columns, and what they can hold; runs.js says it, too.

    count: mean N, of M patches.
    """
    if columns.p is None:
        verdict, test = "one picture: no test", ""
    else:
        verdict = "no difference shown"
        if columns.p < SIGNIFICANT:
            more = columns.share.value > columns.chance
            verdict = f"surely {'more' if more else 'fewer'} than chance at the edges"
        test = "; p < 0.001" if columns.p < 0.001 else f"; p = {columns.p:.3f}"
    value, chance = (f"{100 * share:.1f} %" for share in (columns.share.value, columns.chance))
    return f"{verdict}, {value} (chance {chance}{_reach(count, num_patches)}{test})"


def _reach(count: float, num_patches: int) -> str:
    """The least and the most of N kept patches that 2 g of the M places can be, where it is little.

    Where nearly all are kept, hardly more than chance can lie anywhere.
    """
    outer, N = 2 * isqrt(num_patches), int(count + 0.5)
    least, most = max(0.0, 1 - (num_patches - outer) / N), min(1.0, outer / N)
    bounds = [f"at least {100 * least:.1f} %"] if least > 0 else []
    bounds += [f"at most {100 * most:.1f} %"] if most < TIGHT else []
    return f", {' and '.join(bounds)} with N = {N} in each" if bounds else ""


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
            parts.append(f'<h3>{name}</h3><div class="stack wide">{"".join(map(_bar, bars))}</div>')
    tables = (f"{m.weights}, {m.layout}\n\n{decomposition.markdown(m.bars)}" for m in result.models)
    return Shown("".join(parts), "\n\n".join(tables), *_of_models(result.models))


def _of_models(
    models: Sequence[decomposition.ModelBars | probe.ModelProbes],
) -> tuple[tuple[Provenance, ...], tuple[str, ...]]:
    """For `Shown`: their origins and names."""
    return tuple(m.provenance for m in models), tuple(m.weights for m in models)


def _legend() -> str:
    keys = (f'<span><i class="{name}"></i>{name}</span>' for name in decomposition.FACTORS)
    return (
        f'<p class="legend">{"".join(keys)}</p><p class="note">Mean split over the pictures, n of '
        "m: those in which something varies; right: the place’s share with its 95 % interval, and "
        "the total variance. The interval is Student’s t over the pictures: of a dozen, a "
        "bootstrap’s is a seventh too narrow. Compare the rows with a seam and those without "
        "(seamless): what differs is the seam’s.</p>"
    )


def _bar(bar: decomposition.Bar) -> str:
    label = f"<span>{escape(_counted(bar))}</span>"
    if bar.total is None:
        return f'{label}<span class="whole"></span><span class="variance">nothing varies</span>'
    split = ", ".join(
        f"{part.factor} {shown(part.share, 3)}, variance {part.variance.value:.3g}"
        for part in bar.parts
    )
    spans = "".join(
        f'<span class="{part.factor}" style="width:{100 * part.share.value:.2f}%"></span>'
        for part in bar.parts
    )
    right = f"{shown(bar.parts[0].share, 3)}; {bar.total.value:.3g}"
    return (
        f'{label}<span class="whole" role="img" title="{split}" aria-label="{split}">{spans}</span>'
        f'<span class="variance">{right}</span>'
    )


def of_probe(result: probe.Probes) -> Shown:
    """Accuracy of the probes on rolled pictures, of networks and of raw patches, and differences.

    One chart for each target, so that all stand on one axis.
    """
    parts = [
        '<p class="note">Pictures rolled at random, so that content says nothing of place: what a '
        "network’s feature knows beyond the raw patches’ the network put in. If the paper’s "
        "explanation is right, layout sequence must carry place in its codes, and grid need not. "
        "What the layout does can be read only from two models that were trained for as long: see "
        "the lines below.</p>"
    ]
    for target in probe.TARGETS:
        accuracies = dots(
            f"Accuracy of the {target} on {result.n_test} test images; the tick is chance",
            _accuracies(result, target, ("accuracy",)),
        )
        pairs = [
            Dot(f"{feature}, {difference.name}", difference.estimate, 0.0)
            for feature in probe.FEATURES
            for difference in result.differences
            if (difference.target, difference.feature) == (target, feature)
        ]
        title = f"Differences of these accuracies, paired by test image; the tick is 0 ({target})"
        edges = dots(
            f"Accuracy of the {target}, on the first and last and on the others",
            _accuracies(result, target, ("edge", "centre")),
        )
        more = f"<details><summary>Edge and centre, {target}</summary>{edges}</details>"
        parts += [accuracies, dots(title, pairs, tick="no difference"), more]
    return Shown("".join(parts), probe.markdown(result), *_of_models(result.models))


def _accuracies(result: probe.Probes, target: str, fields: Sequence[str]) -> list[Dot]:
    """By feature, the networks and raw patches one below the other; fields of `Probed`."""
    return [
        Dot(
            f"{feature}, {name}{'' if field == 'accuracy' else f': {field}'}",
            getattr(probed, field).value,
            getattr(probed, field).chance,
        )
        for feature in probe.FEATURES
        for name, probes in probe.by_source(result)
        for probed in probes
        if (probed.condition, probed.target, probed.feature) == ("rolled", target, feature)
        for field in fields
    ]


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
    """A result of the page: its file, its type, and how it is shown."""

    name: str
    title: str
    kind: type
    show: Callable[..., Shown]


PARTS = (
    Part("bias", "Where patches are kept, over sets", placement.Bias, of_bias),
    Part(
        "counterfactuals",
        "Position or content, over a set",
        counterfactuals.Counterfactuals,
        of_counterfactuals,
    ),
    Part(
        "decompose",
        "The decomposition, over sets",
        decomposition.PlaceShares,
        of_decompose,
    ),
    Part("probe", "Does position live in the codes?", probe.Probes, of_probe),
    Part("cure", "What the cure costs or gains", cure.Cure, of_cure),
)


def read(part: Part, folder: Path) -> Shown | str:
    """The result, or one sentence why there is none."""
    try:
        return part.show(load(part.kind, path_of(part.name, folder)))
    except BadResult as error:
        return f"{error} This command makes it:"


def build(folder: Path, fingerprint: str) -> None:
    """Add all results of a folder to the current Blocks. fingerprint: of the page's weights."""
    _html('<div class="lab"><h2>Measured over sets of pictures</h2></div>')
    for part in PARTS:
        add(part, folder, fingerprint)


def add(part: Part, folder: Path, fingerprint: str) -> None:
    """Add one result to the current Blocks, or the sentence that says why there is none."""
    result = read(part, folder)
    if isinstance(result, str):
        sentence = f"{escape(result)} <code>{escape(COMMANDS[part.name])}</code>"
        _html(f'<div class="lab"><p><b>{part.title}</b> {sentence}</p></div>')
        return
    origins = "".join(f'<p class="note">{line}</p>' for line in notes(result, fingerprint))
    content = f'<div class="lab results">{result.figure}{origins}</div>', result.table
    with gr.Accordion(part.title, open=False) as whole:
        figure = _html("")
        with gr.Accordion("As a table", open=False):
            table = gr.Markdown()
    # A dozen figures are most of the page's bytes: they are sent when someone opens one.
    whole.expand(lambda: content, None, [figure, table], **QUIET)


def notes(result: Shown, fingerprint: str) -> list[str]:
    """The lines below a figure, as HTML; they mark what was measured on other weights."""
    if not result.models:
        return [note(origin, fingerprint) for origin in result.origins]
    pairs = zip(result.models, result.origins, strict=True)
    return [note_of_model(name, origin, fingerprint) for name, origin in pairs]


def _html(text: str) -> gr.HTML:
    return gr.HTML(
        html_template="${value}",
        value=text,
        apply_default_css=False,
        elem_classes="bias-result",  # its style is the page's
    )
