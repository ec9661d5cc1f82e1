"""The patch inspector, a section below the patch view."""

from __future__ import annotations

import gradio as gr

from analysis.view.crop import Accepted
from analysis.view.engine import Engine
from analysis.view.files import source
from analysis.view.inspection import inspect, inspection_reply
from analysis.view.questions import TRIGGER, answer, failed
from analysis.view.state import parse_place

# Not in the queue of the patch view, which must not wait for it.
ASIDE = {"concurrency_limit": 1, "concurrency_id": "aside"}


def build(engine: Engine, session: gr.State, head: str) -> None:
    """Add the section to the current Blocks. Its event `inspect` asks about the selected patch."""
    view = gr.HTML(
        value=None,
        html_template=source("inspector.html"),
        css_template=source("section.css", "inspector.css"),
        js_on_load=source("inspector.js"),
        head=head,
        apply_default_css=False,
        elem_id="inspector",
    )

    def look(square, settings, wanted):
        place = parse_place(wanted.get("selected"), engine.model.config.num_patches)
        return inspection_reply(inspect(engine, square, settings, place))

    def ask(accepted: Accepted | None, event: gr.EventData) -> dict:
        return answer(engine, accepted, event._data, look)

    asked = view.inspect(ask, session, view, **ASIDE, **TRIGGER)
    asked.failure(fn=None, js=failed("inspect"), api_visibility="private")
