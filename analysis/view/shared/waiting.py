"""The place in the server's queue, for whoever waits longer than a moment."""

from __future__ import annotations

import gradio as gr


def told() -> dict:
    """Options of a listener: Gradio tells its place in the queue at the lower edge of the window.

    The style in page.css keeps it hidden for the first second.
    """
    line = gr.HTML(elem_classes="queue-place", apply_default_css=False)
    return {"show_progress": "minimal", "show_progress_on": line}
