"""The public endpoint `/tokenize`."""

from __future__ import annotations

from dataclasses import asdict

import gradio as gr

from analysis.view.shared.crop import upload_field, uploaded
from analysis.view.shared.engine import Engine
from analysis.view.shared.settings import BadSetting, Settings
from tatok import BadImage
from tatok.images import to_pil


def build(engine: Engine) -> None:
    """Add the endpoint to the current Blocks; it has no visible part."""
    config = engine.model.config

    def tokenize(picture, epsilon, k, estimator, policy, side):
        """Tokenize the centre square of a picture, made `side` pixels wide.

        Returns the reconstruction and its statistics: kept patches N, tokens k + N, exact bits,
        PSNR in dB, SSIM, the threshold and the total entropy with their unit.
        """
        values = {"epsilon": epsilon, "k": k, "estimator": estimator, "policy": policy}
        values["side"] = side
        try:
            path = uploaded(picture, inputs[0].GRADIO_CACHE)
            if path is None:
                raise BadImage("A picture is needed.")
            settings = Settings.parse(values, config)
            result = engine.tokenize(engine.square(path, None, settings.side), settings)
        except (BadImage, BadSetting) as error:
            raise gr.Error(str(error), print_exception=False) from None
        return to_pil(result.image), asdict(result.statistics)

    with gr.Group(visible=False):
        inputs = [
            upload_field(label="picture"),
            gr.Number(config.epsilon, label="epsilon"),
            gr.Number(config.k, label="k"),
            gr.Textbox(config.estimator, label="estimator"),
            gr.Textbox("dtf", label="policy"),
            gr.Number(config.image_size, label="side"),
        ]
        outputs = [gr.Image(label="reconstruction", format="png"), gr.JSON(label="statistics")]
        gr.Button().click(
            tokenize,
            inputs,
            outputs,
            preprocess=False,
            api_name="tokenize",
            concurrency_limit=2,
            concurrency_id="model",
        )
