"""The tab Tokenize: a picture, four knobs, and the patch view."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from analysis.view.crop import Accepted, accept, crop_view, upload_field, uploaded
from analysis.view.engine import Box, Engine
from analysis.view.patch_view import map_key, map_reply, patch_view, pixels_reply
from analysis.view.picker import picker
from analysis.view.state import BadSetting, Settings
from tatok import BadImage
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES

CHANNEL = "tokenize"  # name of the DOM events by which the controls reach the patch view
# "multiple" keeps Gradio from dropping events; pictures are read one after the other, in order.
READ = {"concurrency_limit": 1, "concurrency_id": "read", "trigger_mode": "multiple"}
MODEL = {"concurrency_limit": 2, "concurrency_id": "model", "trigger_mode": "multiple"}
PRIVATE = {"api_visibility": "private"}
TARGETS = range(12, 33, 2)  # dB
LOST = "The server no longer has the picture: please choose it again."


def build(demo: gr.Blocks, engine: Engine, examples: list[Path]) -> None:
    """Lay out the tab inside the current Blocks `demo` and wire it."""
    config = engine.model.config
    defaults = Settings(0.05, config.k, config.estimator, "dtf")
    session = gr.State(None)
    pick = picker(examples)
    with gr.Row(elem_classes="inputs"):
        with gr.Column(scale=0, min_width=170, elem_classes="narrow"):
            crop = crop_view(CHANNEL)
        with gr.Column(scale=0, min_width=170, elem_classes="narrow"):
            upload = upload_field(label="Your own picture", height=214, elem_id="upload")
        with gr.Column(scale=1, min_width=300):
            _controls(defaults, config.k_max)
    view = patch_view(CHANNEL, defaults)
    _wire(demo, engine, examples, session, upload, pick, crop, view)


def _controls(defaults: Settings, k_max: int) -> None:
    with gr.Row():
        epsilon = gr.Slider(
            0,
            0.95,
            defaults.epsilon,
            step=0.005,
            label="Information loss rate ε",
            elem_id="epsilon",
            min_width=240,
        )
        k = gr.Slider(
            0, k_max, defaults.k, step=1, label="Global tokens k", elem_id="k", min_width=240
        )
    with gr.Row():
        estimator = gr.Dropdown(
            list(ESTIMATORS),
            value=defaults.estimator,
            label="Estimator",
            filterable=False,
            min_width=100,
            elem_id="estimator",
        )
        policy = gr.Dropdown(
            list(POLICIES),
            value=defaults.policy,
            label="Policy",
            filterable=False,
            min_width=100,
            elem_id="policy",
        )
        target = gr.Dropdown(
            [("none", 0), *((f"{dB} dB", dB) for dB in TARGETS)],
            value=0,
            label="Target PSNR",
            filterable=False,
            min_width=100,
            elem_id="target",
        )
    for name, control in {
        "epsilon": epsilon,
        "k": k,
        "estimator": estimator,
        "policy": policy,
        "target_psnr": target,
    }.items():
        control.change(fn=None, inputs=control, js=_tell(name), **PRIVATE)


def _tell(name: str) -> str:
    """JavaScript that passes a control's value on to the patch view, without the server."""
    value = "value || null" if name == "target_psnr" else "value"
    return (
        f"(value) => {{ document.dispatchEvent(new CustomEvent('{CHANNEL}',"
        f" {{detail: {{{name}: {value}}}}})); return []; }}"
    )


def _wire(demo, engine, examples, session, upload, pick, crop, view) -> None:
    shown = [session, crop, pick]

    def choose_upload(payload: object):
        try:
            path = uploaded(payload, upload.GRADIO_CACHE)
            if path is None:
                return gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return *accept(path), None, None  # the last empties the field for the next picture
        except BadImage as error:
            gr.Warning(str(error))
            return gr.skip(), gr.skip(), gr.skip(), None

    def choose_example(event: gr.EventData):
        return example(event._data.get("index") if isinstance(event._data, dict) else None)

    def example(index: object = 0):
        if type(index) is not int or not 0 <= index < len(examples):
            return gr.skip(), gr.skip(), gr.skip()
        return *accept(str(examples[index])), index

    def ask(accepted: Accepted | None, event: gr.EventData) -> dict:
        return answer(engine, accepted, event._data)

    quiet = {"show_progress": "hidden", **PRIVATE}
    upload.input(choose_upload, upload, [*shown, upload], preprocess=False, **READ, **PRIVATE)
    pick.pick(choose_example, None, shown, **READ, **quiet)
    demo.load(example, None, shown, **READ, **quiet)
    # The browser asks one question at a time, so none has to be held back here.
    asked = view.ask(ask, session, view, **MODEL, **quiet)
    failed = f"() => {{ document.dispatchEvent(new CustomEvent('{CHANNEL}-failed')); return []; }}"
    asked.failure(fn=None, js=failed, **PRIVATE)


def answer(engine: Engine, accepted: Accepted | None, wanted: object) -> dict:
    """The reply to the patch view: pixels always, the entropy map if the browser lacks it.

    `wanted` comes from the browser and is not trusted. {serial, error} if it cannot be served;
    without `error` where the picture has changed in the meantime and a new question follows.
    """
    wanted = wanted if isinstance(wanted, Mapping) else {}
    serial = wanted.get("serial") if isinstance(wanted.get("serial"), int) else None
    if accepted is None:
        return {"serial": serial, "error": LOST}
    if wanted.get("picture") != accepted.id:
        return {"serial": serial}
    try:
        settings = Settings.parse(wanted, engine.model.config)
        square = engine.square(accepted.path, _box(wanted.get("box")))
    except (BadSetting, BadImage) as error:
        return {"serial": serial, "error": str(error)}
    reply = {"serial": serial, "pixels": pixels_reply(engine.tokenize(square, settings))}
    if wanted.get("have") != map_key(square, settings):
        reply["map"] = map_reply(engine, square, settings)
    return reply


def _box(box: object) -> Box | None:
    """Three whole numbers; whether they lie in the picture is for the loader to judge."""
    if box is None:
        return None
    if not isinstance(box, list) or len(box) != 3 or not all(type(v) is int for v in box):
        raise BadSetting("The crop must be three whole numbers: left, top and side.")
    return tuple(box)
