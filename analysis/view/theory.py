"""The tab Theory: R(D) of a picture, what T asks of it, and what the paper proves and measures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import log10
from pathlib import Path

import gradio as gr

from analysis.theory import demand
from analysis.view import studio, theory_results, theory_table
from analysis.view.crop import Accepted, own_picture, upload_field
from analysis.view.engine import CACHED, Engine, Square
from analysis.view.files import source
from analysis.view.lab_question import Subject
from analysis.view.patch_view import rgb_base64
from analysis.view.questions import TRIGGER, failed
from analysis.view.section import ASIDE
from analysis.view.state import BadSetting, parse_whole
from tatok import BadImage
from tatok.quality import RANGE
from tatok.tokens import code_bits

CHANNEL = "theory"
LOW, STEP, POINTS = 5.0, 0.2, 176  # the targets D0, dB: 5 to 40
TARGETS = tuple(round(LOW + STEP * i, 1) for i in range(POINTS))
LEAD = (
    "<p>How many bits does this picture need? A smaller distortion <i>D</i> costs more bits "
    "<i>R</i>. App. B asks the patch tokens for <i>T</i> = (1 − α) <i>R</i>(<i>D</i><sub>0</sub>), "
    "the bits that the global tokens <i>G</i> leave missing to reach the target "
    "<i>D</i><sub>0</sub>. Drag <i>D</i><sub>0</sub>, or change <i>k</i>: <i>D<sub>G</sub></i>, "
    "the error of the picture decoded from <i>G</i> alone, follows.</p>"
)


def build(engine: Engine, examples: list[Path], folder: Path) -> None:
    """Lay out the tab inside the current Blocks and wire it; result files are read in `folder`."""
    config, files = engine.model.config, {path.stem: path for path in examples}
    rates = Rates(engine)
    session = gr.State(None)
    with gr.Row():
        with gr.Column(scale=3, min_width=280):
            gr.HTML(LEAD, elem_classes="curves-text", apply_default_css=False)
        with gr.Column(scale=1, min_width=240):
            upload = upload_field(
                label="Your own picture", show_label=False, height=84, elem_id="theory-upload"
            )
    view = gr.HTML(
        value=None,
        html_template=source("theory.html"),
        css_template=source("section.css", "theory.css"),
        js_on_load=source("theory_plot.js", "theory.js"),
        head=studio.head(config, list(files)),
        apply_default_css=False,
        elem_id="theory",
        uploaded=None,
        targets=TARGETS,
        target=config.target_psnr,
        pixels=3 * config.image_size**2,
        code_bits=code_bits(config.codebook_size),
    )

    def ask(accepted: Accepted | None, event: gr.EventData) -> dict:
        return answer(rates, files, accepted, event._data)

    asked = view.theory(ask, session, view, **ASIDE, **TRIGGER)
    asked.failure(fn=None, js=failed(CHANNEL), api_visibility="private")
    own_picture(engine, upload, session, view)
    theory_results.build(engine.model.fingerprint, folder)
    theory_table.build(folder)


class Rates:
    """Everything about one picture at one k that the browser needs, remembered."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.of = lru_cache(CACHED)(self._of)

    def _of(self, square: Square, k: int) -> dict:
        """R at each of TARGETS by Eq. 18 and by reverse water-filling, and both at D_G; bits.

        psnr_G in dB, None where G alone leaves no error.
        """
        found = demand(self.engine.model, square.x, TARGETS, k)
        one = found[0]
        return {
            "picture": rgb_base64(square.x),
            "k": k,
            "rate": [d.rate for d in found],
            "water": [d.water for d in found],
            "D_G": one.D_G,
            "psnr_G": 10 * log10(RANGE**2 / one.D_G) if one.D_G else None,
            "rate_G": one.rate_G,
            "water_G": one.water_G,
            "capacity": one.capacity,
        }


def answer(
    rates: Rates, examples: Mapping[str, Path], accepted: Accepted | None, wanted: object
) -> dict:
    """The numbers of the picture and k that are wanted, with the question's serial number.

    `wanted` comes from the browser and is not trusted. {serial, error} if it cannot be served.
    """
    wanted = wanted if isinstance(wanted, Mapping) else {}
    serial = wanted.get("serial") if isinstance(wanted.get("serial"), int) else None
    try:
        k = parse_whole(wanted.get("k"), "k", 0, rates.engine.model.config.k_max)
        square = Subject.parse(wanted.get("subject")).square(rates.engine, examples, accepted)
        return rates.of(square, k) | {"serial": serial}
    except (BadSetting, BadImage) as error:
        return {"serial": serial, "error": str(error)}
