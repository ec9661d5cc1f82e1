"""TaTok Studio: assembles the page from its tabs and launches it. Nothing is computed here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import gradio as gr

from analysis.base.results import FOLDER
from analysis.view import models, page
from analysis.view.bias import tab as bias_tab
from analysis.view.curves import tab as curves
from analysis.view.generate import tab as generate
from analysis.view.shared import studio
from analysis.view.shared.engine import Engine, decode_seconds
from analysis.view.shared.zero import LENT
from analysis.view.theory import tab as theory
from analysis.view.tokenize import endpoint
from analysis.view.tokenize import tab as tokenize
from analysis.view.tokenize.picker import example_files
from tatok import BadCheckpoint, TaTok
from tatok.pretrained import NoDevice, find_device

ASSETS = Path(__file__).parent / "assets"
ARITHMETIC = ("auto", "float32", "bfloat16")
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
    name: str,
    weights: Mapping[str, models.Weights],
    loaded: Mapping[str, TaTok],
    results: Path,
    half: bool = False,
) -> tuple[gr.Blocks, str]:
    """The page of one tokenizer, and the script for its head.

    name: of it among the `loaded` ones. weights: where they are, with their generators. results:
    folder of the measured result files. half: as in `Engine`.
    """
    model, record = loaded[name], TaTok.training_record(weights[name])
    engine = Engine(model, half=half)
    with gr.Blocks(
        title=page.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 7200)
    ) as demo:
        page.heading()
        models.box(name, {other: each.config for other, each in loaded.items()})
        pictures = example_files(ASSETS / "examples")
        with gr.Tabs() as tabs:
            with gr.Tab("Tokenize", id="tokenize"):
                stage = tokenize.build(engine, pictures)
            with gr.Tab("Generate", id="generate"):
                pair = models.pair(name, weights)
                drawn = generate.build(demo, engine, pair, pictures, results)
            with gr.Tab("Bias", id="bias"):
                bias_tab.build(engine, pictures, results)
            with gr.Tab("Curves", id="curves") as tab:
                curves.build(engine, record, tab, results)
            with gr.Tab("Theory", id="theory"):
                theory.build(engine, stage, pictures, results)
        if drawn is not None:
            generate.sends(drawn, tabs, "tokenize", stage)
        page.link_tabs(demo, tabs)
        page.weights_line(model, record)
        endpoint.build(engine)
    return demo.queue(max_size=64), studio.head(model.config, [path.stem for path in pictures])


def serve(pages: Mapping[str, tuple[gr.Blocks, str]], args: argparse.Namespace) -> None:
    """Launch the first page, with the others below it; returns when the server ends."""
    (_, (demo, head)), *others = pages.items()
    demo.launch(
        **LAUNCH,
        head=head,
        server_name=args.host,
        server_port=args.port,
        share=args.share,
        root_path=args.root_path,
        mcp_server=args.mcp,
        app_kwargs=models.mounted(dict(others), args.root_path, LAUNCH),
    )


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; an unknown flag ends it."""
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="TaTok Studio: the page, with the weights that ship or with others.",
        epilog="Where a flag is not given, the environment is asked: TATOK_WEIGHTS, TATOK_DEVICE, "
        "TATOK_ARITHMETIC, TATOK_RESULTS, GRADIO_SERVER_NAME, GRADIO_SERVER_PORT (else the first "
        "free one from 7860), GRADIO_SHARE, GRADIO_ROOT_PATH; GRADIO_TEMP_DIR is "
        "where uploads lie until they are an hour old.",
    )
    weights = os.environ.get("TATOK_WEIGHTS", ASSETS)
    parser.add_argument(
        "--model",
        metavar="FOLDER_OR_HUB_ID",
        default=weights,
        help="weights of a tokenizer, with its generator if it has one (safetensors), or a folder "
        "of such folders, which the page then offers by their names",
    )
    parser.add_argument(
        "--device",
        default=os.environ.get("TATOK_DEVICE"),
        help="cuda, cuda:1, mps or cpu; default: the first of them that is there",
    )
    parser.add_argument(
        "--arithmetic",
        choices=ARITHMETIC,
        default=os.environ.get("TATOK_ARITHMETIC", "auto"),
        help="in which pictures are decoded to look at; auto: the faster here, measured at start. "
        "Tokens, entropies and draws are float32 always",
    )
    results = Path(os.environ.get("TATOK_RESULTS", FOLDER))
    parser.add_argument("--results", type=Path, default=results, help="folder of result files")
    parser.add_argument("--host", help="name or address to serve at; 0.0.0.0: for every machine")
    parser.add_argument("--port", type=int, choices=range(1, 65536), metavar="PORT")
    parser.add_argument("--share", action="store_true", default=None, help="a public link")
    root = os.environ.get("GRADIO_ROOT_PATH", "")
    parser.add_argument(
        "--root-path", metavar="PATH", default=root, help="the page's path behind a proxy"
    )
    parser.add_argument("--mcp", action="store_true", default=None, help="an MCP server, too")
    args = parser.parse_args(argv)
    if args.arithmetic not in ARITHMETIC:  # from the environment it comes unchecked
        parser.error(f"TATOK_ARITHMETIC is one of {', '.join(ARITHMETIC)}.")
    if args.mcp and find_spec("mcp") is None:
        parser.error('--mcp needs a package more: pip install "gradio[mcp]"')
    return args


def in_half(arithmetic: str, model: TaTok) -> bool:
    """Whether pictures are decoded in bfloat16; with `auto`, whether it was faster just now."""
    if arithmetic != "auto" or model.device.type == "mps":  # where we have not tried it
        return arithmetic == "bfloat16"
    took = {kind: decode_seconds(model, kind == "bfloat16") for kind in ARITHMETIC[1:]}
    fastest = min(took, key=lambda kind: took[kind])
    times = ", ".join(f"{kind} {1000 * each:.0f} ms" for kind, each in took.items())
    print(f"Pictures are decoded in {fastest} ({times}).")
    return fastest == "bfloat16"


def main(argv: list[str] | None = None) -> None:
    """Serve the page; what a user can cause ends in one sentence."""
    args = arguments(argv)
    try:
        device = find_device("cpu" if LENT and not args.device else args.device)
        weights = models.shelf(args.model)
        loaded = {name: model.to(device) for name, model in models.loaded(weights).items()}
        half = in_half(args.arithmetic, next(iter(loaded.values())))
        serve({name: build(name, weights, loaded, args.results, half) for name in loaded}, args)
    except (BadCheckpoint, NoDevice, OSError) as error:  # the port is taken, the host is not here
        sys.exit(str(error).splitlines()[0])


if __name__ == "__main__":
    main()
