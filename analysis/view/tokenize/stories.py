"""Stories: settings to start from, each with a sentence; see stories.js."""

from __future__ import annotations

import gradio as gr

from analysis.view.shared.files import source


def build() -> None:
    """Add the row of stories to the current Blocks."""
    gr.HTML(
        html_template=source("tokenize/stories.html"),
        css_template=source("tokenize/stories.css"),
        js_on_load=source("tokenize/stories.js"),
        apply_default_css=False,
        elem_id="stories",
    )
