"""What the components of the tab Tokenize share in the browser: one script, read once."""

from __future__ import annotations

import json
from dataclasses import asdict

from analysis.view.shared.files import source
from analysis.view.shared.settings import TARGET_PSNR, Settings
from tatok import TokenizerConfig
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES

SCRIPTS = (
    "shared/state.js",
    "shared/share.js",
    "shared/courier.js",
    "shared/format.js",
    "shared/numbers.js",
    "shared/selection.js",
    "shared/colour.js",
    "shared/panels.js",
    "shared/curve.js",
)
SHARED = "Share, courier, Format, Numbers, Selection, Colour, Panels, Curve"
SIDES = (128, 192, 256)  # pixels
EPSILON_MAX = 0.95  # of the slider


def head(config: TokenizerConfig, examples: list[str]) -> str:
    """The script that makes `window.Studio`, see state.js: for the head of the page, once.

    As the `head` of each component it would be sent a dozen times.
    """
    limits = {
        "defaults": asdict(default_settings(config)),
        "epsilon_max": EPSILON_MAX,
        "k_max": config.k_max,
        "sides": {side: config.grid_of(side) ** 2 for side in page_sides(config)},  # M of each
        "estimators": list(ESTIMATORS),
        "policies": list(POLICIES),
        "target_psnr": TARGET_PSNR,
        "target": config.target_psnr,  # D0 of `rate` where none is set
        "examples": examples,
    }
    data = json.dumps(limits).replace("<", "\\u003c")  # a name must not end the script
    return (
        # Gradio's container is as narrow as its spinner while the page loads, and then everything
        # would jump.
        "<style>.gradio-container { width: 100%; max-width: 1320px; margin: 0 auto }</style>"
        f"<script>(() => {{\nconst LIMITS = {data};\n{source(*SCRIPTS)}\n"
        f"window.Studio = Object.assign(Studio, {{ {SHARED} }});\n}})();</script>"
    )


def page_sides(config: TokenizerConfig) -> list[int]:
    """The sides that the page offers, of those that the weights take, rising."""
    return sorted({side for side in SIDES if side in config.sides} | {config.image_size})


def default_settings(config: TokenizerConfig) -> Settings:
    """What the page begins with."""
    return Settings(config.epsilon, config.k, config.estimator, "dtf", side=config.image_size)
