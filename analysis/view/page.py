"""What the whole page shares: the heading, and the line that says which weights these are."""

from __future__ import annotations

import json
from html import escape

import gradio as gr

from analysis.view.shared.files import source
from tatok import TaTok

TITLE = "TaTok Studio"
SENTENCE = (
    "See what a picture is made of: a few <i>global tokens</i> say what it shows, and of its "
    "patches only those are stored that the global tokens cannot tell. Move <i>ε</i> to store "
    "fewer, and see what is lost."
)


def css() -> str:
    """The page's own style sheet, with what many components share, so that it is sent once."""
    results = source("bias/tab.css", "bias/results.css")
    return source("page.css", "generate/tab.css", "curves/page.css") + f".bias-result {{{results}}}"


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
    sides, M = f"squares of {config.image_size} pixels", str(config.num_patches)
    if len(config.sides) > 1:
        sides = f"squares of {config.smallest} to {config.largest} pixels"
        M = f"{config.grid_of(config.smallest) ** 2} to {config.grid_of(config.largest) ** 2}"
    place = "the CPU" if model.device.type == "cpu" else str(model.device)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    gr.HTML(
        f"<p>Weights <code>{escape(model.fingerprint)}</code>: {millions:.1f} million parameters, "
        f"{seen}; {sides}, patches of {config.patch_size} × {config.patch_size}, M = {M}, layout "
        f"{config.layout}; on {place}. Numbers on this page are computed from these weights (in "
        "the tab Generate from those of its generator, too) when you ask for them, or read from "
        "result files, each of which says how it was made; the paper’s are called the paper’s. A "
        "model this small blurs detail that a large one keeps.</p>",
        elem_classes="weights",
        apply_default_css=False,
    )


def link_tabs(demo: gr.Blocks, tabs: gr.Tabs) -> None:
    """Keep the open tab in the page's address as `tab`; the first one needs no name there.

    In the browser alone; parameters of others stay, and Back returns to the tab before. Gradio also
    says "selected" of the tab that a page begins with, so nothing is written before the address was
    read.
    """
    names = [tab.id for tab in tabs.children]
    for tab in tabs.children:
        first = tab.id == names[0]
        change = "delete('tab')" if first else f"set('tab', {json.dumps(tab.id)})"
        write = (
            "() => { if (!document.body.dataset.tabs) return; "
            f"const url = new URL(location.href); url.searchParams.{change}; "
            "if (url.href !== location.href) history.pushState(history.state, '', url.href); }"
        )
        tab.select(None, js=write, api_visibility="private")
    back = (
        "window.addEventListener('popstate', () => { "
        f"const names = {json.dumps(names)}; "
        "const name = new URLSearchParams(location.search).get('tab') ?? names[0]; "
        "const tab = document.querySelectorAll('[role=tablist] [role=tab]')[names.indexOf(name)]; "
        "if (tab?.getAttribute('aria-selected') === 'false') tab.click(); }); "
    )
    read = (
        f"() => {{ document.body.dataset.tabs = 'linked'; {back}"
        "const name = new URLSearchParams(location.search).get('tab'); "
        f"const known = {json.dumps(names)}.includes(name); "
        "return { __type__: 'update', ...(known ? { selected: name } : {}) }; }"
    )
    demo.load(None, None, tabs, js=read, api_visibility="private")
