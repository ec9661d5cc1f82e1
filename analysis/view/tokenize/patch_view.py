"""The patch view: one custom component that draws and computes all that needs no pixels."""

from __future__ import annotations

import base64

import gradio as gr
import numpy as np
from torch import Tensor

from analysis.view.shared.engine import Engine, Result, Square
from analysis.view.shared.files import source
from analysis.view.shared.settings import Settings
from tatok.entropy import ESTIMATORS
from tatok.images import to_pil

SCRIPTS = ("tokenize/statistics.js", "tokenize/patch_view.js", "tokenize/choice.js")


def patch_view() -> gr.HTML:
    """The component. It follows the page's state (state.js).

    Its event `ask` carries the settings it wants drawn; the answer is `reply` below.
    """
    return gr.HTML(
        value=None,
        html_template=source("tokenize/patch_view.html"),
        css_template=source("tokenize/patch_view.css"),
        js_on_load=source(*SCRIPTS),
        apply_default_css=False,
        elem_id="patch-view",
    )


def reply(engine: Engine, square: Square, settings: Settings, have: object) -> dict:
    """Pixels always, the entropy map if the browser does not `have` its key."""
    answer = {"pixels": pixels_reply(engine.tokenize(square, settings))}
    if have != map_key(square, settings):
        answer["map"] = map_reply(engine, square, settings)
    return answer


def map_key(square: Square, settings: Settings) -> str:
    """What the entropy map depends on."""
    return f"{square.key}|{settings.k}|{settings.estimator}|{settings.target_psnr}"


def map_reply(engine: Engine, square: Square, settings: Settings) -> dict:
    """All that the browser needs to filter by itself, sent once per picture, k and estimator."""
    config = engine.model.config
    base = engine.measure(square, settings.k, settings.estimator, settings.target_psnr)
    return {
        "key": map_key(square, settings),
        "size": square.x.shape[-1],
        "grid": engine.grid(square),
        "stride": config.stride,
        "layout": config.layout,
        "codebook_size": config.codebook_size,
        "from_globals": ESTIMATORS[settings.estimator].from_globals,
        "picture": rgb_base64(square.x),
        "entropy": base.entropy[0].tolist(),  # JSON keeps float64 exactly
        "minimum": float(base.minimum[0]),
        "error": engine.error_of_all(square, settings.k) if settings.estimator == "gain" else None,
        "unit": ESTIMATORS[settings.estimator].unit,
        "codes": engine.quantize(square, settings.k).patch_codes[0].tolist(),
    }


def pixels_reply(result: Result) -> dict:
    """The reconstruction and what is measured on it."""
    return {
        "image": rgb_base64(result.image),
        "keep": mask_text(result.selection.keep[0]),
        "psnr": result.statistics.psnr,
        "ssim": result.statistics.ssim,
    }


def mask_text(keep: Tensor) -> str:
    """(M,) bool -> M characters, "1" where a patch is kept."""
    return "".join("01"[kept] for kept in keep.tolist())


def rgb_base64(x: Tensor) -> str:
    """(1, 3, S, S) in [-1, 1] -> base64 of S * S * 3 bytes, row by row."""
    return base64.b64encode(np.asarray(to_pil(x)).tobytes()).decode("ascii")
