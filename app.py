"""TaTok Studio: assembles the page from its tabs and launches it. Nothing is computed here."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
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
from tatok import BadCheckpoint, TaTok

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
                drawn = generate.build(demo, engine, pair, pictures, results)
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


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; an unknown flag ends it."""
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="TaTok Studio: the page, with the weights that ship or with others.",
        epilog="Where a flag is not given, the environment is asked: TATOK_WEIGHTS, TATOK_RESULTS, "
        "GRADIO_SERVER_NAME, GRADIO_SERVER_PORT (else the first free one from 7860), GRADIO_SHARE, "
        "GRADIO_ROOT_PATH; GRADIO_TEMP_DIR is where uploads lie until they are an hour old.",
    )
    weights = os.environ.get("TATOK_WEIGHTS")
    parser.add_argument(
        "--model",
        metavar="FOLDER_OR_HUB_ID",
        default=weights,
        help="weights of a tokenizer, with its generator if it has one (safetensors)",
    )
    results = Path(os.environ.get("TATOK_RESULTS", FOLDER))
    parser.add_argument("--results", type=Path, default=results, help="folder of result files")
    parser.add_argument("--host", help="name or address to serve at; 0.0.0.0: for every machine")
    parser.add_argument("--port", type=int, choices=range(1, 65536), metavar="PORT")
    parser.add_argument("--share", action="store_true", default=None, help="a public link")
    parser.add_argument("--root-path", metavar="PATH", help="the page's path behind a proxy")
    parser.add_argument("--mcp", action="store_true", default=None, help="an MCP server, too")
    args = parser.parse_args(argv)
    if args.mcp and find_spec("mcp") is None:
        parser.error('--mcp needs a package more: pip install "gradio[mcp]"')
    return args


def main(argv: list[str] | None = None) -> None:
    """Serve the page; what a user can cause ends in one sentence."""
    args = arguments(argv)
    pair = args.model or ASSETS / "demo"
    try:
        demo, head = build(
            args.model or ASSETS / "anygrid", pair, ASSETS / "examples", args.results
        )
        demo.launch(
            **LAUNCH,
            head=head,
            server_name=args.host,
            server_port=args.port,
            share=args.share,
            root_path=args.root_path,
            mcp_server=args.mcp,
        )
    except (BadCheckpoint, OSError) as error:  # OSError: the port is taken, the host is not here
        sys.exit(str(error).splitlines()[0])


if __name__ == "__main__":
    main()
