"""Compare, a section below the patch view: settings side by side."""

from __future__ import annotations

import gradio as gr

from analysis.view.comparison import compare_reply
from analysis.view.crop import Accepted
from analysis.view.engine import Engine
from analysis.view.files import source
from analysis.view.inspector import ASIDE
from analysis.view.questions import TRIGGER, answer, failed


def build(engine: Engine, session: gr.State, head: str) -> None:
    """Add the section to the current Blocks. Its event `compare` asks for one of its views."""
    view = gr.HTML(
        value=None,
        html_template=source("compare.html"),
        css_template=source("section.css", "compare.css"),
        js_on_load=source("difference.js", "compare.js"),
        head=head,
        apply_default_css=False,
        elem_id="compare",
    )

    def serve(square, settings, wanted):
        return compare_reply(engine, square, settings, wanted.get("compare"))

    def ask(accepted: Accepted | None, event: gr.EventData) -> dict:
        return answer(engine, accepted, event._data, serve)

    asked = view.compare(ask, session, view, **ASIDE, **TRIGGER)
    asked.failure(fn=None, js=failed("compare"), api_visibility="private")
