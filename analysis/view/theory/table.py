"""Table 1 and Fig. 1 of the paper as one figure with any two axes, and our own rows apart.

Our tokenizer's and generator's distances are by other features than the paper's Inception, on other
images: they stand in a table of their own and on no axis of the paper's.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import gradio as gr

from analysis.base import evaluate
from analysis.base.provenance import ROOT, Provenance
from analysis.base.recipes import COMMANDS
from analysis.base.results import BadResult, load, path_of
from analysis.generator import quality as generation
from analysis.generator import speed
from analysis.view.shared.files import source
from analysis.view.shared.origin import note

TABLE = ROOT / "assets" / "paper" / "table1.csv"
LONGEST = "Hita"  # 569 tokens: what the paper's speed-up of 8.7 is against
AXES = {
    "throughput": "samples per second, A100; more is better",
    "gfid": "gFID; less is better",
    "rfid": "rFID; less is better",
    "tokens": "tokens of a picture",
    "parameters": "parameters of the generator, millions",
    "speedup": "speed as a multiple of that with 569 tokens",
}
APART = (
    "<p>Filled points are the paper’s rows (Table 1: ImageNet, features of Inception, an A100); "
    "nothing of them was measured here. Open squares are ours. Ours have no place on rFID and "
    "gFID: our distances are rFD and gFD by the features of EfficientNet-Lite0, on other pictures "
    "of 128 px, and such values do not compare. Nor do a CPU’s samples per second with an A100’s: "
    "only the ratio of two lengths on one machine does, the axis “speed as a multiple”. The paper "
    "gives TaTok’s gFID as 1.89 in Table 1 and as 2.17 in Fig. 5.</p>"
)


@dataclass(frozen=True)
class Point:
    """One row of the figure. values: by the keys of AXES, None where the row gives no number.

    kind: "tatok", "transformer" or "diffusion" for a row of the paper, else "ours".
    """

    name: str
    kind: str
    values: dict[str, float | None]
    source: str


def paper_points(path: Path = TABLE) -> tuple[Point, ...]:
    """The rows of Table 1."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    longest = next(
        float(row["samples_per_s_a100_fp32"]) for row in rows if row["tokenizer"] == LONGEST
    )
    return tuple(_paper_point(row, longest) for row in rows)


def _paper_point(row: dict[str, str], longest: float) -> Point:
    rate = _number(row["samples_per_s_a100_fp32"])
    values = {
        "throughput": rate,
        "gfid": _number(row["gfid"]),
        "rfid": _number(row["rfid"]),
        "tokens": _number(row["tokens"].split("x")[0]),  # "4096x3": 4096 tokens of 3 numbers
        "parameters": _number(row["params_m"]),
        "speedup": None if rate is None else rate / longest,
    }
    tokens = row["tokens"].replace("x", " × ")
    more = f"; {row['note']}" if row["note"] else ""
    source = (
        f"paper, {row['family']}, {row['generator']}, {tokens} tokens, {row['steps']} steps{more}"
    )
    kind = "tatok" if row["tokenizer"] == "TaTok" else row["family"]
    return Point(f"{row['tokenizer']} + {row['generator']}", kind, values, source)


def own_points(result: speed.Speed) -> tuple[Point, ...]:
    """Our generator by the length of its sequence: tokens, and the ratio of speeds alone."""
    nothing = dict.fromkeys(AXES)
    return tuple(
        Point(
            f"ours, {row.size}, {row.tokens} tokens",
            "ours",
            nothing | {"tokens": float(row.tokens), "speedup": row.ratio_timed},
            f"measured here: {row.per_second:.3g} samples per second on {result.device}, "
            f"random weights, {result.steps} steps",
        )
        for row in result.rows
    )


def build(fingerprint: str, folder: Path) -> None:
    """Add the figure and our own rows to the current Blocks.

    fingerprint: of the page's tokenizer; folder: of the result files.
    """
    points, sentences = list(paper_points()), [APART]
    try:
        measured = load(speed.Speed, path_of("speed", folder))
        points += own_points(measured)
        sentences.append(f'<p class="note">Ours: {escape(measured.line())}</p>')
    except BadResult as error:
        sentences.append(missing(error, "speed"))
    for name, show in OWN.items():
        try:
            sentences.append(show(folder, fingerprint))
        except BadResult as error:
            sentences.append(missing(error, name))
    gr.HTML(
        value={"axes": AXES, "points": [vars(point) for point in points]},
        html_template=source("theory/table.html"),
        css_template=source("shared/section.css", "theory/table.css"),
        js_on_load=source("theory/table.js"),
        apply_default_css=False,
        elem_id="theory-table",
    )
    gr.HTML(
        html_template="${value}",
        value=f'<div class="section rows">{"".join(sentences)}</div>',
        css_template=source("shared/section.css", "theory/table.css"),
        apply_default_css=False,
        elem_id="theory-own",
    )


def missing(error: BadResult, name: str) -> str:
    """One sentence, and the command that makes the file."""
    command = escape(COMMANDS[name])
    return f'<p class="missing">{escape(str(error))} <code>{command}</code> makes it.</p>'


# --- our rows --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluated(evaluate.Report):
    """The file evaluate.json: the report, and its provenance."""

    provenance: Provenance


def _evaluated(folder: Path, fingerprint: str) -> str:
    """The tokenizer's rows that have an rFD."""
    report = load(Evaluated, path_of("evaluate", folder))
    rows = [
        (row.name, f"{row.setting.k} + {row.count:.1f}", f"{row.rfd.value:.2f}", row.rfd.label)
        for row in report.rows
        if row.setting is not None and row.count is not None and row.rfd is not None
    ]
    made = note(report.provenance, fingerprint)
    return _table("Our tokenizer", ("row", "k + N", "rFD", "label"), rows, made)


def _generated(folder: Path, fingerprint: str) -> str:
    """The chosen setting drawn anew, two others of small gFD, and the references."""
    result = load(generation.Generation, path_of("generation", folder))
    seed = result.chosen.options.seed
    others = [
        row for row in result.generated if replace(row.options, seed=seed) != result.chosen.options
    ]
    rows = [
        (
            row.name,
            "–" if row.count is None else f"{row.count:.1f}",
            f"{row.distance.value:.2f}",
            row.distance.label,
        )
        for row in (result.chosen, *others[:2], result.reconstructed, result.held_out)
    ]
    own = result.tokenizer == fingerprint  # the line names the generator's own weights
    made = escape(result.provenance.line())
    if not own:
        made = f"Of another tokenizer than this page’s. {made}"
    return _table("Our generator", ("row", "N", "gFD", "label"), rows, made)


OWN = {"evaluate": _evaluated, "generation": _generated}


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], made: str) -> str:
    """made: how, as HTML."""
    cells = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in head)
    return (
        f"<table><caption>{title}: {made}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{cells}</tbody></table>"
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
