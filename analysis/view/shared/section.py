"""What the sections below the patch view share: how they are made, and how they ask the server."""

from __future__ import annotations

import gradio as gr

from analysis.view.shared.asking import TRIGGER, Serve, answer, failed
from analysis.view.shared.crop import Accepted
from analysis.view.shared.engine import Engine
from analysis.view.shared.files import source

# Not in the queue of the patch view, which must not wait for it.
ASIDE = {"concurrency_limit": 1, "concurrency_id": "aside"}


def section(path: str, *scripts: str, **props) -> gr.HTML:
    """Add `path`.html with its style and script to the current Blocks; its id is the last name.

    `scripts` come before its own; `props` are for them.
    """
    return gr.HTML(
        value=None,
        html_template=source(f"{path}.html"),
        css_template=source("shared/section.css", f"{path}.css"),
        js_on_load=source(*scripts, f"{path}.js"),
        apply_default_css=False,
        elem_id=path.rpartition("/")[2],
        **props,
    )


def asks(view: gr.HTML, channel: str, engine: Engine, session: gr.State, serve: Serve) -> None:
    """Let `serve` answer what the section asks with its event `channel`."""

    def ask(accepted: Accepted | None, event: gr.EventData) -> dict:
        return answer(engine, accepted, event._data, serve)

    asked = getattr(view, channel)(ask, session, view, **ASIDE, **TRIGGER)
    asked.failure(fn=None, js=failed(channel), api_visibility="private")
