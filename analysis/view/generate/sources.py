"""The pictures that a drawing starts from: chosen, shown as the model sees them, painted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from analysis.view.generate.view import png_url
from analysis.view.shared.crop import READ, Accepted, upload_field, uploaded
from analysis.view.shared.engine import Engine
from analysis.view.shared.files import source
from tatok import BadImage

QUIET = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Picked:
    """The components of one picture: what the session keeps of it, and what the visitor sees."""

    session: gr.State
    view: gr.HTML
    example: gr.Dropdown


def picture(engine: Engine, examples: list[Path], label: str, elem_id: str) -> Picked:
    """Lay out and wire the choice of one picture; `view` is painted on where its prop says so."""
    names = [path.stem for path in examples]
    example = gr.Dropdown(names, value=None, label=label, elem_id=f"{elem_id}-example")
    view = gr.HTML(
        value=None,
        html_template=source("generate/sources.html"),
        css_template=source("generate/sources.css"),
        js_on_load=source("generate/sources.js"),
        apply_default_css=False,
        elem_id=elem_id,
        paint=False,
    )
    upload = upload_field(
        label=f"{label} of your own", show_label=False, height=84, elem_id=f"{elem_id}-upload"
    )
    picked = Picked(gr.State(None), view, example)

    def choose_example(name: object):
        if not isinstance(name, str) or name not in names:
            return gr.skip(), gr.skip()
        return taken(engine, str(examples[names.index(name)]), name)

    def choose_upload(payload: object):
        try:
            path = uploaded(payload, upload.GRADIO_CACHE)
            if path is None:
                return gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return *taken(engine, path, Path(path).stem[:40]), None, None
        except BadImage as error:
            gr.Warning(str(error))
            return gr.skip(), gr.skip(), gr.skip(), None

    shown = [picked.session, picked.view]
    example.input(choose_example, example, shown, preprocess=False, **READ, **QUIET)
    upload.input(
        choose_upload, upload, [*shown, example, upload], preprocess=False, **READ, **QUIET
    )
    return picked


def taken(engine: Engine, path: str, name: str) -> tuple[Accepted, dict]:
    """A picture file -> what the session keeps, and the value of the view. Raises BadImage."""
    square = engine.square(path, None)
    return Accepted(path, square.key), {
        "id": square.key,
        "name": name,
        "image": png_url(square.x),
        "grid": engine.grid(square),
    }


def painted(value: object) -> object:
    """The painted patches out of the value that the browser sends, to be parsed."""
    return value.get("hidden") if isinstance(value, Mapping) else None
