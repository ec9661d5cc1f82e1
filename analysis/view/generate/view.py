"""The view of a drawing: one custom component that keeps all steps and replays them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import asdict
from secrets import token_hex

import gradio as gr
from torch import Tensor

from analysis.view.generate.painter import Painter, Progress, Sources, numbers
from analysis.view.generate.settings import Drawing, parse_tokens
from analysis.view.shared.files import source
from analysis.view.shared.settings import BadSetting
from analysis.view.tokenize.patch_view import mask_text
from tatok import tokenfile
from tatok.config import GeneratorConfig
from tatok.images import to_pil

SCRIPTS = ("shared/colour.js", "generate/token_grid.js", "generate/view.js")


def generate_view(channel: str, painter: Painter) -> gr.HTML:
    """The component. DOM events named `channel` tell it that a drawing begins or has ended.

    Its value is one `frame` after the other. Its own event `send` carries the upload of a picture
    that is to be tokenized.
    """
    config = painter.generator.config
    return gr.HTML(
        value=None,
        html_template=source("generate/view.html"),
        css_template=source("generate/view.css"),
        js_on_load=source(*SCRIPTS),
        apply_default_css=False,
        elem_id="generate-view",
        channel=channel,
        k=config.k,
        grid=config.grid,
        codebook_size=config.codebook_size,
        server_functions=[packer(painter)],
    )


def frames(painter: Painter, drawing: Drawing, sources: Sources) -> Iterator[dict]:
    """Values of the view, one per step of every picture. A picture is decoded for each: all of them
    are shown."""
    run, settings = token_hex(4), shown_settings(drawing, painter.generator.config)
    for row in range(drawing.pictures):
        about = {"run": run, "settings": settings, "picture": row, "title": drawing.title(row)}
        for made in painter.lent(frames_of_one)(drawing, row, sources):
            yield about | made


def frames_of_one(painter: Painter, drawing: Drawing, row: int, sources: Sources) -> Iterator[dict]:
    """`frame` after each step of one picture."""
    for progress in painter.draw(drawing, row, sources):
        yield frame(painter, progress)


def frame(painter: Painter, progress: Progress) -> dict:
    """What one picture looks like after one step. The tokens are all those known so far, so that a
    frame that the browser missed costs its picture only."""
    step = progress.step
    return {
        "step": step.index,
        "image": png_url(painter.picture(step)),
        "globals": progress.globals,
        "patches": progress.patches,
        "placed": progress.placed,
        "keep": None if progress.placed is None else mask_text(step.keep[0]),
        "places": step.tokens.places,
        "numbers": asdict(numbers(progress)) if progress.ended else None,
    }


def shown_settings(drawing: Drawing, config: GeneratorConfig) -> dict:
    """The settings as the browser shows and saves them."""
    return {
        "from": drawing.mode,
        "class": drawing.label,
        "pictures": drawing.pictures,
        "count": drawing.count,
        **asdict(drawing.options),
        "tokenizer": config.tokenizer,
    }


def png_url(x: Tensor) -> str:
    """(1, 3, S, S) in [-1, 1] -> a data address."""
    return "data:image/png;base64," + base64.b64encode(png(x)).decode("ascii")


def png(x: Tensor) -> bytes:
    """(1, 3, S, S) in [-1, 1] -> a PNG file."""
    buffer = io.BytesIO()
    to_pil(x).save(buffer, "PNG")
    return buffer.getvalue()


def packer(painter: Painter) -> Callable[[object], dict]:
    """What the browser calls to have a picture's tokens as a `.tatok` file."""

    def pack(values: object) -> dict:
        """{globals, patches, places} from the browser -> {file: base64} or {error}."""
        try:
            return {"file": base64.b64encode(token_file(values, painter)).decode("ascii")}
        except BadSetting as error:
            return {"error": str(error)}

    return pack


def token_file(values: object, painter: Painter) -> bytes:
    """Tokens from the browser as a `.tatok` file. Raises BadSetting."""
    return tokenfile.pack(parse_tokens(values, painter.generator.config), painter.engine.model)
