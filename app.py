"""TaTok Studio: assembles the page from its tabs and launches it. Nothing is computed here."""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr

from analysis.base.results import FOLDER
from analysis.view import page
from analysis.view.bias import tab as bias_tab
from analysis.view.curves import tab as curves
from analysis.view.generate import tab as generate
from analysis.view.shared import studio
from analysis.view.shared.engine import Engine
from analysis.view.theory import tab as theory
from analysis.view.tokenize import endpoint
from analysis.view.tokenize import tab as tokenize
from analysis.view.tokenize.picker import example_files
from tatok import TaTok

ASSETS = Path(__file__).parent / "assets"
LAUNCH = {
    # Darker than Gradio's own where grey or white text would be too faint to read.
    "theme": gr.themes.Default(primary_hue="blue", neutral_hue="gray").set(
        body_text_color_subdued="*neutral_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    ),
    "css": page.css(),
    "max_file_size": "30mb",
    "run_history": False,
    "footer_links": ["api", "gradio", "settings"],
}


def build(
    weights: str | Path, pair: str | Path, examples: Path, results: Path
) -> tuple[gr.Blocks, str]:
    """The page for the checkpoint in a folder or on the Hub, and the script for its head.

    examples: folder of the pictures that it offers.
    pair: where the generator is, with the tokenizer whose tokens it draws. results: folder of the
    measured result files.
    """
    model = TaTok.from_pretrained(weights)
    engine = Engine(model)
    with gr.Blocks(
        title=page.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 7200)
    ) as demo:
        page.heading()
        pictures = example_files(examples)
        with gr.Tabs() as tabs:
            with gr.Tab("Tokenize", id="tokenize"):
                stage = tokenize.build(engine, pictures)
            with gr.Tab("Generate", id="generate"):
                drawn = generate.build(engine, pair, pictures, results)
            with gr.Tab("Bias", id="bias"):
                bias_tab.build(engine, pictures, results)
            with gr.Tab("Curves", id="curves") as tab:
                curves.build(engine, TaTok.training_record(weights), tab, results)
            with gr.Tab("Theory", id="theory"):
                theory.build(engine, stage, pictures, results)
        if drawn is not None:
            generate.sends(drawn, tabs, "tokenize", stage)
        page.link_tabs(demo, tabs)
        page.weights_line(model, TaTok.training_record(weights))
        endpoint.build(engine)
    return demo.queue(max_size=64), studio.head(model.config, [path.stem for path in pictures])


if __name__ == "__main__":
    weights = os.environ.get("TATOK_WEIGHTS")
    demo, head = build(
        weights or ASSETS / "anygrid",
        weights or ASSETS / "demo",
        ASSETS / "examples",
        Path(os.environ.get("TATOK_RESULTS", FOLDER)),
    )
    demo.launch(**LAUNCH, head=head)
