"""What the tab Generate is set to, in the page's address: a reload or a link draws the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import gradio as gr

from analysis.view.generate.knobs import BY_COUNT, BY_EPSILON, Knobs
from analysis.view.generate.settings import CLASS, MODES, Drawing
from tatok.config import GeneratorConfig

PREFIX = "g."  # the other tabs' parameters and these leave each other alone
REST = 400  # milliseconds without a change; browsers refuse an address that changes often
BEST = "sea"  # of the classes, what looked best of four draws each
WORDS = ("mode", "label", "schedule", "guidance_schedule", "order")  # the others are numbers
# JavaScript: what the address said is on the page, changes may be written from now on.
READ_ONCE = "() => { document.body.dataset.generate = 'linked'; }"


def start_label(mode: str, config: GeneratorConfig) -> str:
    """The class that a mode begins with: a picture brings none of its own."""
    if mode != CLASS:
        return ""
    return BEST if BEST in config.classes else config.classes[0]


def read(query: Mapping[str, str], config: GeneratorConfig, examples: list[Path]) -> dict:
    """The allowed settings of an address, by name; what is not allowed is left out.

    mode and the names of `Knobs`; a and b: names of example pictures.
    """
    names = [path.stem for path in examples]
    listed = {"a": names, "b": names, "length": (BY_EPSILON, BY_COUNT)}
    wanted = {}
    for name in ("mode", *listed, *(field.name for field in fields(Knobs))):
        text = query.get(PREFIX + name)
        if text is None:
            continue
        try:
            value = text if name in listed or name in WORDS else float(text)
            if name in listed:
                wanted |= {name: value} if value in listed[name] else {}
            else:
                Drawing.parse({name: value}, config)
                wanted[name] = value
        except ValueError:  # BadSetting is one
            continue
    return wanted


def keep(
    mode: gr.Radio, pictures: list[gr.Dropdown], every: Knobs, config: GeneratorConfig
) -> None:
    """Write into the address, in the browser alone, what differs from where a mode begins."""
    parts = [mode, *pictures, *every.components]
    names = ["mode", "a", "b", *every.names]
    starts = {name: part.value for name, part in zip(names, parts, strict=True)}
    labels = {mode: start_label(mode, config) for mode in MODES}
    script = (
        "(...values) => { if (!document.body.dataset.generate) return; "
        "clearTimeout(window.generateAddress); window.generateAddress = setTimeout(() => { "
        f"const starts = {json.dumps(starts)}; starts.label = {json.dumps(labels)}[values[0]]; "
        f"const url = new URL(location.href); {json.dumps(names)}.forEach((name, i) => {{ "
        f"const key = '{PREFIX}' + name; "
        "if (values[i] === null || values[i] === starts[name]) url.searchParams.delete(key); "
        "else url.searchParams.set(key, values[i]); }); "
        "if (url.href !== location.href) history.replaceState(history.state, '', url.href); "
        f"}}, {REST}); }}"
    )
    gr.on([part.change for part in parts], None, parts, None, js=script, api_visibility="private")
