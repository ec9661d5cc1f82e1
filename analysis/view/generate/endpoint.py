"""The public endpoint `/generate`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import gradio as gr
from PIL.Image import Image

from analysis.view.generate.painter import Painter, Sources, numbers
from analysis.view.generate.settings import CLASS, MAX_PICTURES, MAX_STEPS, RANGES, Drawing
from analysis.view.shared.answers import answer
from analysis.view.shared.settings import BadSetting
from tatok.config import GeneratorConfig
from tatok.images import to_pil
from tatok.sampling import SamplingOptions


def whole(
    painter: Painter, drawing: Drawing, row: int, sources: Sources
) -> Iterator[tuple[Image, dict] | None]:
    """A picture and its numbers after the last step, None after the others: between two steps who
    hung up is noticed."""
    for progress in painter.draw(drawing, row, sources):
        picture = to_pil(painter.picture(progress.step)) if progress.ended else None
        yield (picture, asdict(numbers(progress))) if progress.ended else None


def build(painter: Painter, limits: dict) -> None:
    """Add the endpoint to the current Blocks; it has no visible part. `limits`: on its queue."""
    config, default = painter.generator.config, SamplingOptions()

    def generate(
        label,
        pictures,
        steps,
        guidance,
        temperature,
        epsilon,
        n=None,
        seed=0,
        patch_guidance=None,
        patch_temperature=None,
    ):
        """Draw pictures of a class, or of none.

        Returns the pictures, and for each: seed, N, tokens k + N, exact bits, the mean ln p of its
        codes and the seconds of drawing. Until then it returns those that are done, and it ends
        when the caller hangs up.
        """
        values = {
            "mode": CLASS,
            "label": label,
            "pictures": pictures,
            "steps": steps,
            "guidance": guidance,
            "temperature": temperature,
            "epsilon": epsilon,
            "count": n,
            "seed": seed,
            "patch_guidance": patch_guidance,
            "patch_temperature": patch_temperature,
        }
        try:
            drawing = Drawing.parse(values, config)
        except BadSetting as error:
            raise gr.Error(str(error), print_exception=False) from None
        drawn, statistics = [], []
        for row in range(drawing.pictures):
            for made in painter.lent(whole)(drawing, row, Sources()):
                if made is not None:
                    drawn.append(made[0])
                    statistics.append({"seed": drawing.seed(row), **made[1]})
            yield [answer(picture) for picture in drawn], statistics

    generate.__doc__ += parameters(config)
    with gr.Group(visible=False):
        inputs = [
            gr.Textbox(config.classes[0], label="label"),
            gr.Number(1, label="pictures"),
            gr.Number(default.steps, label="steps"),
            gr.Number(default.guidance, label="guidance"),
            gr.Number(default.temperature, label="temperature"),
            gr.Number(default.epsilon, label="epsilon"),
            gr.Number(None, label="n"),
            gr.Number(default.seed, label="seed"),
            gr.Number(None, label="patch_guidance"),
            gr.Number(None, label="patch_temperature"),
        ]
        outputs = [gr.Gallery(label="pictures", format="png"), gr.JSON(label="statistics")]
        gr.Button().click(
            generate, inputs, outputs, preprocess=False, api_name="generate", **limits
        )


def parameters(config: GeneratorConfig) -> str:
    """What the parameters of a call mean, as the page and MCP's tools read it in a docstring."""
    spans = {name: f"{low:g} to {high:g}" for name, (_, low, high) in RANGES.items()}
    return f"""
        Parameters:
            label: {", ".join(config.classes)}; empty for no class
            pictures: how many, 1 to {MAX_PICTURES}
            steps: 1 to {MAX_STEPS}
            guidance: {spans["guidance"]}; 1 is none
            temperature: {spans["temperature"]}
            epsilon: information loss rate of DTF, from 0 to below 1
            n: patches, 0 to {config.num_patches} (none: DTF's number at epsilon)
            seed: of the first picture; of the next it is one more
            patch_guidance: {spans["guidance"]} (none: guidance)
            patch_temperature: {spans["temperature"]} (none: temperature)
        """
