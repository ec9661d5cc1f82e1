"""The tab Curves: what was measured over sets of pictures, and the paper's claims."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from analysis.base.results import BadResult, Experiment, load, path_of
from analysis.claims import protocol as claims
from analysis.peers.frontier import Peers
from analysis.rate.codecs import Codecs
from analysis.rate.sides import Sides
from analysis.view.curves import endpoint, run, text
from analysis.view.curves.lead import lead
from analysis.view.curves.own_run import OwnRuns
from analysis.view.curves.panel import missing, panel, shown
from analysis.view.shared.engine import Engine

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
FIRST = "fig5"  # the one that says most of what the paper claims
KINDS = {name: Experiment for name in text.FIGURES}
KINDS |= {"sides": Sides, "codecs": Codecs, "peers": Peers}


def build(engine: Engine, record: dict, tab: gr.Tab, folder: Path) -> None:
    """Lay out the tab and its endpoint inside the current Blocks, and wire them.

    The result files in `folder` are read when the tab is selected.
    """
    runs, fingerprint = OwnRuns(engine.model, record), engine.model.fingerprint
    _text(text.INTRO)
    which = gr.Radio(
        [(text.FIGURES[name], name) for name in KINDS],
        value=FIRST,
        label="Figure",
        elem_id="curves-which",
    )
    says = gr.HTML(elem_classes="curves-text", apply_default_css=False, elem_id="curves-lead")
    figure = panel("curves")
    words = gr.HTML(elem_classes="curves-text", apply_default_css=False, elem_id="curves-words")
    run.build(runs)
    endpoint.build(runs)
    _text(text.CLAIMS)
    table = gr.HTML(elem_classes="claims", apply_default_css=False, elem_id="claims")

    def draw(name: object, measure: object, axis: object) -> list:
        name = name if isinstance(name, str) and name in KINDS else FIRST
        if not path_of(name, folder).exists():
            return ["", *missing(text.not_measured(name)), ""]
        try:
            result = load(KINDS[name], path_of(name, folder))
        except BadResult as error:
            return ["", *missing(str(error)), ""]
        same = result.provenance.weights == fingerprint
        note = text.note(name, same)
        winners = text.where_each_wins(result) if isinstance(result, Codecs) else ""
        drawn = shown(name, text.FIGURES[name], result, measure, axis, note, marked=same)
        return [text.lead(lead(result)), *drawn, winners]

    inputs = [which, *figure.choices]
    for event in (tab.select, which.input, figure.measure.input, figure.axis.input):
        event(draw, inputs, [says, *figure.outputs, words], preprocess=False, **QUIET)
    tab.select(lambda: _claims(folder, fingerprint), None, table, **QUIET)


def _claims(folder: Path, fingerprint: str) -> str:
    """The table of claims as HTML, or the sentence that says how to make it."""
    if not path_of("claims", folder).exists():
        return text.not_measured("claims", html=True)
    try:
        return text.table(load(claims.Claims, path_of("claims", folder)), fingerprint)
    except BadResult as error:
        return text.sentence(str(error))


def _text(html: str) -> None:
    gr.HTML(html, elem_classes="curves-text", apply_default_css=False)
