"""Several weights on one server: a page for each, and the box that leads from one to the others.

Layout, knobs and scripts of a page follow from the configuration of its weights, so that each has
a Gradio app of its own: the first at the root, the others at /models/<name>/.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from analysis.view.faults import HANDLERS
from analysis.view.shared.files import source
from tatok import BadCheckpoint, MaskGIT, TaTok, TokenizerConfig

Weights = str | Path  # a folder, or an id on the Hub
log = logging.getLogger(__name__)


def shelf(given: Weights) -> dict[str, Weights]:
    """The weights to show, by name: each folder of weights in a folder of them, else the one."""
    mark = f"{TaTok.stem}.json"
    folders = sorted(path.parent for path in Path(given).glob(f"*/{mark}"))
    named = {folder.name: folder for folder in folders if re.fullmatch(r"[\w.-]+", folder.name)}
    return {Path(given).name: given} if Path(given, mark).exists() or not named else named


def pair(name: str, weights: Mapping[str, Weights]) -> Weights:
    """Where the generator is that the page of `name` draws with: its own, else the first."""
    with_one = (
        each
        for each in (weights[name], *weights.values())
        if Path(each, f"{MaskGIT.stem}.json").exists()
    )
    return next(with_one, weights[name])


def loaded(weights: Mapping[str, Weights]) -> dict[str, TaTok]:
    """The tokenizers by name. What cannot be read is left out, with a line in the log; raises
    BadCheckpoint where that is all of them."""
    models, error = {}, None
    for name, each in weights.items():
        try:
            models[name] = TaTok.from_pretrained(each)
        except BadCheckpoint as bad:
            error = bad
            log.warning("%s is left out: %s", name, bad)
    if not models:
        raise error
    return models


def place_of(name: str) -> str:
    """The path of a page that is not the first."""
    return f"/models/{name}"


def box(own: str, configs: Mapping[str, TokenizerConfig]) -> None:
    """The links to the other weights; nothing where there are none.

    They are made in the browser, from the address that it has: a proxy may have put a prefix before
    it. What the address says of the view goes along.
    """
    if len(configs) < 2:
        return
    at = {name: place_of(name) if n else "" for n, name in enumerate(configs)}
    link = '<a href="#" data-place="{}">{}</a>'
    shown = [
        f'<b aria-current="page">{_label(name, c)}</b>'
        if name == own
        else link.format(escape(at[name]), _label(name, c))
        for name, c in configs.items()
    ]
    gr.HTML(
        f'<nav aria-label="Tokenizer">Tokenizer: {" · ".join(shown)}</nav>',
        elem_classes="models",
        elem_id="models",
        apply_default_css=False,
        js_on_load=source("models.js"),
        own=at[own],
    )


def _label(name: str, config: TokenizerConfig) -> str:
    sides = sorted({config.smallest, config.largest})
    return f"{escape(name)} ({' to '.join(map(str, sides))} px)"


# --- one server ------------------------------------------------------------------------------


def mounted(others: Mapping[str, tuple[gr.Blocks, str]], root_path: str, options: dict) -> dict:
    """What `launch` takes as app_kwargs to serve further pages beside its own.

    others: pages by name, each with the script for its head; options: of all. root_path: of the
    server behind its proxy, "" for none; a path or an address.
    """
    kwargs: dict = {"exception_handlers": HANDLERS}
    if not others:
        return kwargs
    holder, root_path, apps = FastAPI(), root_path.rstrip("/"), {}
    for name, (demo, head) in others.items():
        place = place_of(name)
        more = {
            "head": head,
            "root_path": root_path + place,
            "app_kwargs": dict(kwargs),
            "mcp_server": False,
        }
        gr.mount_gradio_app(holder, demo, place, **more, **options)
        apps[place] = holder.routes[-1].app
    switch = Middleware(Switch, pages=apps, prefix=urlsplit(root_path).path)
    return kwargs | {"middleware": [switch], "lifespan": holder.router.lifespan_context}


class Switch:
    """Leads a request below a page's path to that page, whether a proxy took the prefix off or not.

    (Starlette's Mount finds nothing where a prefix is set and the proxy has taken it off.)
    """

    def __init__(self, app: ASGIApp, pages: Mapping[str, ASGIApp], prefix: str) -> None:
        self.app, self.pages, self.prefix = app, pages, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")  # "lifespan" has none
        if path.startswith(self.prefix + "/"):
            path = path[len(self.prefix) :]
        for place, page in self.pages.items():
            if path == place:  # relative, so that it holds behind a proxy
                to = [(b"location", f"{place.rpartition('/')[2]}/".encode())]
                await send({"type": "http.response.start", "status": 307, "headers": to})
                return await send({"type": "http.response.body", "body": b""})
            if path.startswith(place + "/"):
                rest = {"path": path[len(place) :], "root_path": ""}  # the page knows its own
                return await page(dict(scope) | rest, receive, send)
        return await self.app(scope, receive, send)
