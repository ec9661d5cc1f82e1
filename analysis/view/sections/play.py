"""Play, a section below the patch view: tokens added in DTF order, with PSNR against tokens."""

from __future__ import annotations

import base64

import gradio as gr

from analysis.view.sections.frames import Player, batches, gif, strides
from analysis.view.shared.engine import Engine
from analysis.view.shared.section import asks, section
from analysis.view.shared.settings import BadSetting
from analysis.view.shared.studio import page_sides
from analysis.view.tokenize.patch_view import mask_text, rgb_base64


def build(engine: Engine, session: gr.State) -> None:
    """Add the section to the current Blocks. Its event `play` asks for a batch, or for the GIF."""
    config, player = engine.model.config, Player(engine)
    counts = {str(side): strides(config.grid_of(side) ** 2) for side in page_sides(config)}
    view = section("sections/play", counts=counts)

    def frames(square, settings, wanted):
        index = wanted.get("batch")
        if type(index) is not int or not 0 <= index < batches(engine.grid(square) ** 2):
            raise BadSetting("There is no such part of the run.")
        found = player.batch(square, settings, index)
        return {
            "frames": [rgb_base64(frame.image) for frame in found],
            "keep": [mask_text(frame.keep) for frame in found],
            "psnr": [frame.psnr for frame in found],
        }

    def animation(square, settings, wanted):
        data = gif(square.x, player.run(square, settings), settings.k, engine.grid(square))
        return {"gif": base64.b64encode(data).decode("ascii")}

    def serve(square, settings, wanted):
        made = animation if wanted.get("gif") is True else frames
        return made(square, settings, wanted)

    asks(view, "play", engine, session, serve)
