"""A strip of example pictures to choose from."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import gradio as gr

from analysis.view.shared.files import source
from tatok.images import SUFFIXES, crop_square, open_image

THUMBNAIL = 112  # pixels, shown at half of it


def example_files(folder: Path) -> list[Path]:
    """The pictures in a folder, by name; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def picker(files: list[Path]) -> gr.HTML:
    """One button per picture; the event `pick` carries the name of the example wanted."""
    buttons = "".join(_button(path) for path in files)
    return gr.HTML(
        html_template=f'<div class="strip" role="group" aria-label="Examples">{buttons}</div>',
        css_template=source("tokenize/picker.css"),
        js_on_load=source("tokenize/picker.js"),
        apply_default_css=False,
        elem_id="examples",
        visible=bool(files),
    )


def _button(path: Path) -> str:
    name = escape(path.stem, quote=True)
    image = crop_square(open_image(path)).resize((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<button type="button" data-name="{name}" aria-pressed="false" title="{name}">'
        f'<img alt="" src="data:image/webp;base64,{data}"><span>{name}</span></button>'
    )
