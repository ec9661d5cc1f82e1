"""The tab Theory: R(D) of the picture, what T asks of it; what the paper proves and measures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import log10
from pathlib import Path

import gradio as gr

from analysis.rate.theory import demand
from analysis.view.shared.engine import CACHED, Engine, Square
from analysis.view.shared.section import asks, section
from analysis.view.shared.settings import Settings
from analysis.view.theory import results, table
from analysis.view.tokenize.patch_view import rgb_base64
from analysis.view.tokenize.tab import Stage
from tatok.quality import RANGE
from tatok.tokens import code_bits

LOW, STEP, POINTS = 5.0, 0.2, 176  # the targets D0, dB: 5 to 40
TARGETS = tuple(round(LOW + STEP * i, 1) for i in range(POINTS))
LEAD = (
    "<p>How many bits does this picture need? A smaller distortion <i>D</i> costs more bits "
    "<i>R</i>. App. B asks the patch tokens for <i>T</i> = (1 − α) <i>R</i>(<i>D</i><sub>0</sub>), "
    "the bits that the global tokens <i>G</i> leave missing to reach the target "
    "<i>D</i><sub>0</sub>. Drag <i>D</i><sub>0</sub>, or change <i>k</i>: <i>D<sub>G</sub></i>, "
    "the error of the picture decoded from <i>G</i> alone, follows. Drag <i>D<sub>G</sub></i> to "
    "ask what another <i>G</i> would change. α and <i>T</i> follow from the two (Eq. 25–27) and "
    "have no handle of their own.</p>"
)


def build(engine: Engine, stage: Stage, examples: list[Path], folder: Path) -> None:
    """Lay out the tab inside the current Blocks and wire it; result files are read in `folder`.

    The picture is that of the tab Tokenize, `stage`, with its crop.
    """
    config = engine.model.config
    gr.HTML(LEAD, elem_classes="curves-text", apply_default_css=False)
    view = section(
        "theory/theory",
        "theory/plot.js",
        targets=TARGETS,
        target=config.target_psnr,
        code_bits=code_bits(config.codebook_size),
    )
    asks(view, "theory", engine, stage.session, Rates(engine).serve)
    results.build(engine.model.fingerprint, folder)
    table.build(engine.model.fingerprint, folder)


class Rates:
    """Everything about one picture at one k that the browser needs, remembered."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.of = lru_cache(CACHED)(self._of)

    def serve(self, square: Square, settings: Settings, wanted: Mapping) -> dict:
        """For `questions.answer`."""
        return self.of(square, settings.k)

    def _of(self, square: Square, k: int) -> dict:
        """R at each of TARGETS by Eq. 18 and by reverse water-filling, and both at D_G; bits.

        psnr_G in dB, None where G alone leaves no error.
        """
        demands = demand(self.engine.model, square.x, TARGETS, k)
        first = demands[0]
        return {
            "pixels": rgb_base64(square.x),
            "values": square.x.numel(),
            "M": self.engine.grid(square) ** 2,
            "k": k,
            "rate": [d.rate for d in demands],
            "water": [d.water for d in demands],
            "D_G": first.D_G,
            "psnr_G": 10 * log10(RANGE**2 / first.D_G) if first.D_G else None,
            "rate_G": first.rate_G,
            "water_G": first.water_G,
            "capacity": first.capacity,
        }
