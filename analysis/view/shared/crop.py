"""Choosing a picture and the square of it that is tokenized."""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from analysis.view.shared.engine import Engine
from analysis.view.shared.files import source
from tatok.images import BadImage

PREVIEW_SIDE = 480  # pixels
# Pictures are read one after the other; "multiple" keeps Gradio from dropping events.
READ = {"concurrency_limit": 1, "concurrency_id": "read", "trigger_mode": "multiple"}


@dataclass(frozen=True)
class Accepted:
    """A picture file that could be read, kept for the session on the server's side only.

    `id` is what the browser calls it, new each time that a picture is chosen.
    """

    path: str
    id: str


def upload_field(**options) -> gr.Image:
    """A gr.Image that takes a file or the clipboard. Listen with preprocess=False and `uploaded`.

    Gradio's own preprocessing would open the picture with Pillow; our loader judges it instead.
    """
    return gr.Image(
        type="filepath", image_mode=None, sources=["upload", "clipboard"], buttons=[], **options
    )


def uploaded(payload: object, folder: str) -> str | None:
    """The path of the file that `upload_field` sent, or None. BadImage if outside `folder`.

    `folder` is the component's GRADIO_CACHE. A hand-made request can name any file of the server.
    """
    path = payload.get("path") if isinstance(payload, Mapping) else None
    if path is None:
        return None
    try:
        real = Path(path).resolve()
        if real.is_relative_to(Path(folder).resolve()):
            return str(real)
    except (TypeError, ValueError, OSError, RuntimeError):
        pass  # no text, a null byte, a name too long, a loop of links
    raise BadImage("The picture has to be uploaded.")


def own_picture(engine: Engine, upload: gr.Image, session: gr.State, view: gr.HTML) -> None:
    """Wire `upload`: the file goes to `session` as Accepted, its name to `uploaded` of `view`."""

    def choose(payload: object):
        try:
            path = uploaded(payload, upload.GRADIO_CACHE)
            if path is None:
                return gr.skip(), gr.skip(), gr.skip()
            accepted, _ = accept(engine, path)
        except BadImage as error:
            gr.Warning(str(error))
            return gr.skip(), gr.skip(), None
        name = {"id": accepted.id, "name": Path(path).stem[:40]}
        return accepted, gr.HTML(uploaded=name), None

    upload.input(
        choose,
        upload,
        [session, view, upload],
        preprocess=False,
        api_visibility="private",
        show_progress="hidden",
        **READ,
    )


def crop_view() -> gr.HTML:
    """The component; it puts the picture that has come and its box into the page's state."""
    return gr.HTML(
        value=None,
        html_template=source("shared/crop.html"),
        css_template=source("shared/crop.css"),
        js_on_load=source("shared/crop.js"),
        apply_default_css=False,
        elem_id="crop-view",
    )


def accept(engine: Engine, path: str, example: str | None = None) -> tuple[Accepted, dict]:
    """A picture file -> what the session keeps, and the value of `crop_view`. Raises BadImage.

    `example` is its name if it is one of the example pictures.
    """
    image = engine.open(path)
    accepted = Accepted(path, secrets.token_hex(8))
    scale = min(PREVIEW_SIDE / max(image.size), 1)
    size = tuple(max(round(side * scale), 1) for side in image.size)
    buffer = io.BytesIO()
    image.resize(size, reducing_gap=2.0).save(buffer, "JPEG", quality=88)
    return accepted, {
        "id": accepted.id,
        "example": example,
        "name": Path(path).name[:80],
        "width": image.width,
        "height": image.height,
        "preview": "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"),
    }
