"""The patch inspector, a section below the patch view."""

from __future__ import annotations

import gradio as gr

from analysis.view.sections.inspection import inspect, inspection_reply
from analysis.view.shared.engine import Engine
from analysis.view.shared.section import asks, section
from analysis.view.shared.settings import parse_place


def build(engine: Engine, session: gr.State) -> None:
    """Add the section to the current Blocks. Its event `inspect` asks about the selected patch."""
    view = section("sections/inspector")

    def look(square, settings, wanted):
        place = parse_place(wanted.get("selected"), engine.grid(square) ** 2)
        return inspection_reply(inspect(engine, square, settings, place))

    asks(view, "inspect", engine, session, look)
