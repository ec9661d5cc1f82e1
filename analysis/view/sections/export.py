"""The bar below the patch view: the link to the view, and the files that can be saved of it."""

from __future__ import annotations

import base64

import gradio as gr

from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.files import source
from analysis.view.shared.section import asks
from analysis.view.shared.settings import Settings
from tatok import tokenfile


def build(engine: Engine, session: gr.State) -> None:
    """Add the bar to the current Blocks. Its event `tokens` asks for the `.tatok` file."""
    view = gr.HTML(
        value=None,
        html_template=source("sections/export.html"),
        css_template=source("sections/export.css"),
        js_on_load=source("sections/figure_png.js", "sections/export.js"),
        apply_default_css=False,
        elem_id="export",
        weights=engine.model.fingerprint,
    )

    def pack(square, settings, wanted):
        return tokens_reply(engine, square, settings)

    asks(view, "tokens", engine, session, pack)


def tokens_reply(engine: Engine, square: Square, settings: Settings) -> dict:
    """The tokens that the page shows as a `.tatok` file, what is forced by hand included."""
    data = tokenfile.pack(engine.tokenize(square, settings).tokens, engine.model)
    return {"tatok": base64.b64encode(data).decode("ascii")}
