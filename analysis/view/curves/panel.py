"""A figure of the tab Curves: what stands on its axes, the plot, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from analysis.draw.figures import Result, axes, draw, measures
from analysis.draw.tables import to_csv
from analysis.view.shared.files import source
from tatok.tokenfile import HEADER_BYTES


@dataclass(frozen=True)
class Panel:
    """`made` is the line below the plot with its buttons; see panel.js for its value."""

    measure: gr.Dropdown
    axis: gr.Dropdown
    plot: gr.Plot
    made: gr.HTML

    @property
    def choices(self) -> list[Component]:
        """Inputs for `shown`."""
        return [self.measure, self.axis]

    @property
    def outputs(self) -> list[Component]:
        """What `shown` and `missing` update."""
        return [self.measure, self.axis, self.plot, self.made]


def panel(name: str) -> Panel:
    """Lay it out inside the current Blocks, empty. `name`: of its elements on the page."""
    with gr.Row(elem_classes="axes"):
        measure = gr.Dropdown([], label="Vertical", visible=False, elem_id=f"{name}-measure")
        axis = gr.Dropdown([], label="Horizontal", visible=False, elem_id=f"{name}-axis")
    plot = gr.Plot(visible=False, show_label=False, container=False, elem_id=f"{name}-plot")
    made = gr.HTML(
        value=None,
        html_template=source("curves/panel.html"),
        css_template=source("shared/section.css", "curves/panel.css"),
        js_on_load=source("curves/panel.js"),
        apply_default_css=False,
        elem_id=f"{name}-made",
        plot=f"{name}-plot",
        header=HEADER_BYTES,
    )
    return Panel(measure, axis, plot, made)


def shown(
    name: str,
    title: str,
    result: Result,
    measure: object,
    axis: object,
    note: str,
    marked: bool = True,
) -> list:
    """Updates of a panel's outputs. `measure`, `axis`: from the browser; others give the default.

    name: of saved files; note: one more sentence, or nothing; marked: with the Tokenize tab's mark.
    """
    offered = measures(result), axes(result)
    keys = [
        wanted if wanted in {choice.key for choice in choices} else choices[0].key
        for wanted, choices in zip((_text(measure), _text(axis)), offered, strict=True)
    ]
    drawing = draw(result, *keys)
    value = {
        "title": title,
        "name": f"tatok-{name}",
        "csv": to_csv(result),
        "mark": drawing.mark if marked else None,
        "made": result.provenance.line(),
        "note": note,
    }
    dropdowns = [
        gr.update(choices=[(c.label, c.key) for c in choices], value=key, visible=True)
        for key, choices in zip(keys, offered, strict=True)
    ]
    return [*dropdowns, gr.update(value=drawing.figure, visible=True), gr.update(value=value)]


def missing(sentence: str) -> list:
    """Updates of a panel's outputs where there is nothing to draw."""
    hidden = gr.update(visible=False)
    return [hidden, hidden, hidden, gr.update(value={"missing": sentence})]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
