"""Compare, a section below the patch view: settings side by side."""

from __future__ import annotations

import gradio as gr

from analysis.view.sections.comparison import compare_reply
from analysis.view.shared.engine import Engine
from analysis.view.shared.section import asks, section


def build(engine: Engine, session: gr.State) -> None:
    """Add the section to the current Blocks. Its event `compare` asks for one of its views."""
    view = section("sections/compare", "sections/difference.js")

    def serve(square, settings, wanted):
        return compare_reply(engine, square, settings, wanted.get("compare"))

    asks(view, "compare", engine, session, serve)
