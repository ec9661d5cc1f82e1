"""Run it here: an experiment of the tab Curves on the visitor's own pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event

import gradio as gr

from analysis.base.results import Experiment
from analysis.paper.archive import MAX_PICTURES, BadArchive
from analysis.paper.own_pictures import TooFew
from analysis.paper.plans import PLANS
from analysis.view.curves import text
from analysis.view.curves.own_run import OwnRuns
from analysis.view.curves.panel import missing, panel, shown
from analysis.view.shared import waiting
from analysis.view.shared.settings import BadSetting
from tatok import BadImage

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
ONE = {"concurrency_limit": 1, "concurrency_id": "experiment"}  # it takes all cores for a while
REFUSALS = (BadImage, BadArchive, BadSetting, TooFew)
log = logging.getLogger(__name__)


@dataclass
class _Run:
    """A run under way: what stops it, and the axes that its figure has by now."""

    measure: object
    axis: object
    stop: Event = field(default_factory=Event)


def build(runs: OwnRuns) -> None:
    """Lay it out inside the current Blocks, and wire it."""
    running: dict[str, _Run] = {}  # by the browser's session
    gr.HTML(text.RUN, elem_classes="curves-text", apply_default_css=False)
    with gr.Row(elem_classes="own"):
        files = gr.File(
            file_count="multiple",
            file_types=["image", ".zip"],
            label=f"Your pictures, or a zip of them: at most {MAX_PICTURES}",
            height=170,
            elem_id="own-files",
        )
        with gr.Column():
            names = [(text.FIGURES[name], name) for name in PLANS]
            which = gr.Radio(names, value="epsilon", label="Experiment", elem_id="own-which")
            with gr.Row():
                go = gr.Button("Run it here", variant="primary", elem_id="own-go", min_width=90)
                halt = gr.Button("Stop", interactive=False, elem_id="own-stop", min_width=70)
    status = gr.HTML(elem_classes="own-status", apply_default_css=False, elem_id="own-status")
    figure, measured = panel("own"), gr.State(None)

    def run(payload, name, measure, axis, request: gr.Request) -> Iterator[list]:
        own = running[request.session_hash] = _Run(measure, axis)
        try:
            for told in _updates(runs, payload, files.GRADIO_CACHE, name, own):
                yield [*_buttons(running=True), *told]
        finally:
            own.stop.set()
            running.pop(request.session_hash, None)

    def end(request: gr.Request) -> None:
        if request.session_hash in running:
            running[request.session_hash].stop.set()

    def draw(experiment: Experiment | None, measure, axis, request: gr.Request) -> list:
        if request.session_hash in running:
            running[request.session_hash].measure = measure
            running[request.session_hash].axis = axis
        return [gr.skip()] * 4 if experiment is None else _drawn(experiment, measure, axis)

    buttons = [go, halt]
    pressed = go.click(
        run,
        [files, which, *figure.choices],
        [*buttons, status, measured, *figure.outputs],
        preprocess=False,
        **ONE,
        **QUIET | waiting.told(),
    )
    pressed.then(lambda: _buttons(running=False), None, buttons, **QUIET)
    halt.click(end, queue=False, **QUIET)
    for event in (figure.measure.input, figure.axis.input):
        event(draw, [measured, *figure.choices], figure.outputs, preprocess=False, **QUIET)


def _updates(runs: OwnRuns, payload, folder: str, name, own: _Run) -> Iterator[list]:
    """Updates of status, result and figure, one after the other."""
    nothing = [gr.skip()] * 5
    try:
        yield [text.sentence("Reading the pictures …"), None, *missing("")]
        album = runs.album(payload, folder)
        for report in runs.reports(name, album, own.stop):
            drawn = nothing
            if report.experiment is not None:
                drawn = [report.experiment, *_drawn(report.experiment, own.measure, own.axis)]
            yield [text.progress(report, album), *drawn]
        yield [text.ended(report, album), *nothing]
    except REFUSALS as error:
        yield [text.refusal(str(error)), *nothing]
    except Exception:
        log.exception("a run on a visitor's pictures failed")
        yield [text.refusal("These pictures could not be measured."), *nothing]


def _drawn(experiment: Experiment, measure: object, axis: object) -> list:
    n = experiment.provenance.data.n
    title = f"{text.FIGURES[experiment.id]}, on {n} of your pictures"
    measure = measure or "psnr"  # of few pictures a Fréchet distance says little
    return shown(f"own-{experiment.id}", title, experiment, measure, axis, text.FEW)


def _buttons(running: bool) -> list:
    return [gr.update(interactive=not running), gr.update(interactive=running)]
