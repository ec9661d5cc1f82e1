"""The tab Tokenize: a picture, the knobs, the patch view and what lies below it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.components import Component

from analysis.view.sections import compare, export, inspector, play
from analysis.view.shared import waiting
from analysis.view.shared.asking import TRIGGER, answer, failed
from analysis.view.shared.crop import READ, Accepted, accept, crop_view, upload_field, uploaded
from analysis.view.shared.engine import Engine
from analysis.view.shared.files import source
from analysis.view.tokenize import stories
from analysis.view.tokenize.patch_view import patch_view, reply
from analysis.view.tokenize.picker import picker
from tatok import BadImage

PRIVATE = {"api_visibility": "private"}
MODEL = {"concurrency_limit": 2, "concurrency_id": "model"}


@dataclass(frozen=True)
class Stage:
    """The picture of the page, which other tabs read from the session or replace.

    To show one from elsewhere let a listener with `outputs` return `show(path)`; it raises BadImage
    if the file is no picture. Then the session belongs to that picture.
    """

    session: gr.State  # Accepted, or None before the first picture
    crop: gr.HTML
    show: Callable[[str], tuple]

    @property
    def outputs(self) -> list[Component]:
        return [self.session, self.crop]


def build(engine: Engine, examples: list[Path]) -> Stage:
    """Lay out the tab inside the current Blocks and wire it."""
    session = gr.State(None)
    pick = picker(examples)
    with gr.Row(elem_classes="first"):
        with gr.Column(scale=1, min_width=300):
            _html("front")
        with gr.Column(scale=0, min_width=300, elem_classes="aside"):
            _html("controls")
            with gr.Row(elem_classes="inputs"):
                with gr.Column(scale=1, min_width=140):
                    crop = crop_view()
                with gr.Column(scale=1, min_width=140):
                    upload = upload_field(label="Your own picture", height=190, elem_id="upload")
        with gr.Column(scale=1, min_width=300):
            stories.build()
    view = patch_view()
    stage = Stage(session, crop, lambda path: accept(engine, path))
    _wire_pictures(engine, {path.stem: path for path in examples}, stage, upload, pick)

    def ask(accepted: Accepted | None, event: gr.EventData) -> dict:
        return answer(
            engine,
            accepted,
            event._data,
            lambda square, settings, wanted: reply(engine, square, settings, wanted.get("have")),
        )

    asked = view.ask(ask, session, view, **MODEL, **TRIGGER | waiting.told())
    asked.failure(fn=None, js=failed("ask"), **PRIVATE)
    export.build(engine, session)
    inspector.build(engine, session)
    play.build(engine, session)
    compare.build(engine, session)
    return stage


def _html(name: str) -> None:
    """A component that follows the page's state in the browser, and asks the server nothing."""
    gr.HTML(
        html_template=source(f"tokenize/{name}.html"),
        css_template=source(f"tokenize/{name}.css"),
        js_on_load=source(f"tokenize/{name}.js"),
        apply_default_css=False,
        elem_id=name,
    )


def _wire_pictures(
    engine: Engine, examples: dict[str, Path], stage: Stage, upload: gr.Image, pick: gr.HTML
) -> None:
    nothing = tuple(gr.skip() for _ in stage.outputs)

    def choose_upload(payload: object):
        """The last value empties the field for the next picture."""
        try:
            path = uploaded(payload, upload.GRADIO_CACHE)
            return (*nothing, gr.skip()) if path is None else (*stage.show(path), None)
        except BadImage as error:
            gr.Warning(str(error))
            return *nothing, None

    def choose_example(event: gr.EventData):
        name = event._data.get("example") if isinstance(event._data, dict) else None
        if not isinstance(name, str) or name not in examples:
            return nothing
        return accept(engine, str(examples[name]), name)

    upload.input(
        choose_upload, upload, [*stage.outputs, upload], preprocess=False, **READ, **PRIVATE
    )
    pick.pick(choose_example, None, stage.outputs, show_progress="hidden", **READ, **PRIVATE)
