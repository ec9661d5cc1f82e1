"""The controls of the Generate tab."""

from __future__ import annotations

from dataclasses import dataclass, fields

import gradio as gr

from analysis.view.generate.settings import (
    MAX_PICTURES,
    MAX_SEED,
    MAX_STEPS,
    OF_PATCHES,
    RANGES,
    Drawing,
)
from analysis.view.shared.settings import BadSetting
from tatok.config import GeneratorConfig
from tatok.sampling import GUIDANCE_SCHEDULES, SCHEDULES, SamplingOptions

BY_EPSILON, BY_COUNT = "epsilon", "count"
MAY_IDLE = ("guidance", "temperature", "patch_guidance", "patch_temperature")
MAY_IDLE += ("guidance_schedule", "schedule", "choice_temperature", "order", "patch_spread")
PRIVATE = {"api_visibility": "private"}
NARROW = 120  # pixels, the least width of a control


@dataclass(frozen=True)
class Knobs:
    """The components, named as in `Drawing.parse`; `length`: BY_EPSILON or BY_COUNT."""

    label: gr.Dropdown
    pictures: gr.Slider
    steps: gr.Slider
    guidance: gr.Slider
    temperature: gr.Slider
    patch_guidance: gr.Slider
    patch_temperature: gr.Slider
    patch_spread: gr.Slider
    length: gr.Radio
    epsilon: gr.Slider
    count: gr.Slider
    seed: gr.Number
    schedule: gr.Dropdown
    guidance_schedule: gr.Dropdown
    order: gr.Dropdown
    choice_temperature: gr.Slider
    top_p: gr.Slider

    @property
    def names(self) -> list[str]:
        """Their names, in the order of `values`; `label` is the first."""
        return [field.name for field in fields(self)]

    @property
    def components(self) -> list:
        """All of them, in the order of `names`."""
        return [getattr(self, name) for name in self.names]


def values(raw: tuple) -> dict:
    """What the browser sent for `Knobs.components` -> what `Drawing.parse` reads."""
    named = dict(zip((field.name for field in fields(Knobs)), raw, strict=True))
    if named.pop("length") != BY_COUNT:
        named["count"] = None
    return named


def class_knob(config: GeneratorConfig) -> gr.Dropdown:
    """Which class guides the drawing."""
    return gr.Dropdown(
        [*((name, name) for name in config.classes), ("no class", "")],
        value=config.classes[0],
        label="Class",
        elem_id="generate-class",
        min_width=NARROW,
    )


def knobs(config: GeneratorConfig, label: gr.Dropdown) -> Knobs:
    """Lay out all the others, and let `length` show the one that is in force."""
    default = SamplingOptions()
    with gr.Row():
        pictures = gr.Slider(1, MAX_PICTURES, 4, step=1, label="Pictures", **_slid("pictures"))
        steps = gr.Slider(1, MAX_STEPS, default.steps, step=1, label="Steps", **_slid("steps"))
    with gr.Row():
        guidance = _slider("guidance", "Guidance, G", 0.1)
        patch_guidance = _slider("patch_guidance", "Guidance, patches", 0.1)
    with gr.Row():
        temperature = _slider("temperature", "Temperature, G", 0.05)
        patch_temperature = _slider("patch_temperature", "Temperature, patches", 0.05)
    patch_spread = _slider("patch_spread", "Spread of the patches about their mean", 0.05)
    with gr.Group():
        length = gr.Radio(
            [("DTF at ε", BY_EPSILON), ("fixed N", BY_COUNT)],
            value=BY_EPSILON,
            label="Number of patches",
            **_named("length"),
        )
        epsilon = gr.Slider(
            0, 0.95, default.epsilon, step=0.005, label="Loss rate ε", **_slid("epsilon")
        )
        count = gr.Slider(
            0,
            config.num_patches,
            config.num_patches // 4,
            step=1,
            label="N",
            visible=False,
            **_slid("count"),
        )
    seed = gr.Number(
        default.seed, precision=0, minimum=0, maximum=MAX_SEED, label="Seed", **_named("seed")
    )
    with gr.Accordion("More", open=False):
        schedule = gr.Dropdown(
            list(SCHEDULES),
            value=default.schedule,
            label="Schedule: how many are kept when",
            **_named("schedule"),
        )
        guidance_schedule = gr.Dropdown(
            list(GUIDANCE_SCHEDULES),
            value=default.guidance_schedule,
            label="Guidance over the steps",
            **_named("guidance-schedule"),
        )
        order = gr.Dropdown(
            [("surest first", "confidence"), ("spread over the picture (Halton)", "halton")],
            value=default.order,
            label="Order of the patches",
            **_named("order"),
        )
        choice_temperature = _slider(
            "choice_temperature", "Choice temperature: noise on the confidence", 0.1
        )
        top_p = _slider("top_p", "Top-p: codes that hold this share", 0.01)
    length.change(
        lambda chosen: [gr.update(visible=chosen == name) for name in (BY_EPSILON, BY_COUNT)],
        length,
        [epsilon, count],
        show_progress="hidden",
        preprocess=False,
        **PRIVATE,
    )
    found = locals()
    return Knobs(**{field.name: found[field.name] for field in fields(Knobs)})


def switch_idle(config: GeneratorConfig, mode: gr.Radio, every: Knobs) -> None:
    """Switch off the knobs that are `Drawing.idle`, with the reason beside them."""

    def switch(mode: object, *raw):
        try:
            idle = Drawing.parse(values(raw) | {"mode": mode}, config).idle
        except BadSetting:  # told when it is to be drawn
            return [gr.skip() for _ in MAY_IDLE]
        return [
            gr.update(interactive=name not in idle, info=idle.get(name, "")) for name in MAY_IDLE
        ]

    gr.on(
        [
            knob.change
            for knob in (
                mode,
                every.label,
                every.steps,
                every.guidance,
                every.patch_guidance,
                every.order,
            )
        ],
        switch,
        [mode, *every.components],
        [getattr(every, name) for name in MAY_IDLE],
        show_progress="hidden",
        preprocess=False,
        **PRIVATE,
    )


def _named(name: str) -> dict:
    return {"elem_id": f"generate-{name}", "min_width": NARROW}


def _slid(name: str) -> dict:
    return {"buttons": [], **_named(name)}


def _slider(name: str, label: str, step: float) -> gr.Slider:
    _, low, high = (RANGES | OF_PATCHES)[name]
    default = SamplingOptions()
    start = getattr(default, name)
    if start is None:  # as of the global codes
        start = getattr(default, name.removeprefix("patch_"))
    return gr.Slider(low, high, start, step=step, label=label, **_slid(name.replace("_", "-")))
