"""What the sections below the patch view share: how they are made, and how they ask the server."""

from __future__ import annotations

import gradio as gr

from analysis.view.crop import Accepted
from analysis.view.engine import Engine
from analysis.view.files import source
from analysis.view.questions import TRIGGER, Serve, answer, failed

# Not in the queue of the patch view, which must not wait for it.
ASIDE = {"concurrency_limit": 1, "concurrency_id": "aside"}


def section(name: str, head: str, *scripts: str, **props) -> gr.HTML:
    """Add it to the current Blocks. `scripts` come before its own; `props` are for them."""
    return gr.HTML(
        value=None,
        html_template=source(f"{name}.html"),
        css_template=source("section.css", f"{name}.css"),
        js_on_load=source(*scripts, f"{name}.js"),
        head=head,
        apply_default_css=False,
        elem_id=name,
        **props,
    )


def asks(view: gr.HTML, channel: str, engine: Engine, session: gr.State, serve: Serve) -> None:
    """Let `serve` answer what the section asks with its event `channel`."""

    def ask(accepted: Accepted | None, event: gr.EventData) -> dict:
        return answer(engine, accepted, event._data, serve)

    asked = getattr(view, channel)(ask, session, view, **ASIDE, **TRIGGER)
    asked.failure(fn=None, js=failed(channel), api_visibility="private")
