"""What the whole page shares: the heading, and the line that says which weights these are."""

from __future__ import annotations

from html import escape

import gradio as gr

from analysis.view.files import source
from tatok import TaTok

TITLE = "TaTok Studio"
SENTENCE = (
    "A picture becomes <i>k</i> global tokens and as many patch tokens as it needs: every patch is "
    "scored by the information that the global tokens lack, and the fewest patches that carry "
    "(1 − ε) of the total are kept."
)


def css() -> str:
    """The page's own style sheet."""
    return source("page.css", "generate.css", "curves_page.css")


def heading() -> None:
    """Title and one sentence."""
    gr.HTML(
        f'<h1>{TITLE} <a href="https://arxiv.org/abs/2605.16384">arXiv:2605.16384</a></h1>'
        f"<p>{SENTENCE}</p>",
        elem_classes="heading",
        apply_default_css=False,
    )


def weights_line(model: TaTok, record: dict) -> None:
    """Which weights these are: fingerprint, size, images seen in training."""
    config, images = model.config, record.get("images")
    seen = f"{images:,} images seen in training" if isinstance(images, int) else "training unknown"
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    gr.HTML(
        f"<p>Weights <code>{escape(model.fingerprint)}</code>: {millions:.1f} million parameters, "
        f"{seen}; {config.image_size} × {config.image_size} pixels, patches of "
        f"{config.patch_size} × {config.patch_size}, M = {config.num_patches}, layout "
        f"{config.layout}. All numbers on this page are computed from these weights when you ask "
        "for them; a model this small blurs detail that a large one keeps.</p>",
        elem_classes="weights",
        apply_default_css=False,
    )
