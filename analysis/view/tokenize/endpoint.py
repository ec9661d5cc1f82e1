"""The public endpoints `/tokenize`, `/select` and `/decode`."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path

import gradio as gr
import torch

from analysis.view.shared.answers import answer
from analysis.view.shared.crop import upload_field, uploaded
from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.settings import TARGET_PSNR, BadSetting, Settings
from tatok import BadImage, TokenizerConfig, tokenfile
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES
from tatok.images import FORMATS, to_pil
from tatok.tokenfile import BadTokenFile

LARGEST = 1 << 16  # bytes of a `.tatok` file; one of 1,024 patches has some 1,600
PARAMETERS = ("epsilon", "k", "estimator", "policy", "side", "target_psnr")
LIMITS = {"concurrency_limit": 2, "concurrency_id": "model", "preprocess": False}


def build(engine: Engine) -> None:
    """Add the endpoints to the current Blocks; they have no visible part."""
    config = engine.model.config

    def read(picture: object, values: tuple, field: gr.Image) -> tuple[Square, Settings]:
        """The square and the settings that a call names. gr.Error with one sentence."""
        try:
            path = uploaded(picture, field.GRADIO_CACHE)
            if path is None:
                raise BadImage("A picture is needed.")
            settings = Settings.parse(dict(zip(PARAMETERS, values, strict=True)), config)
            return engine.square(path, None, settings.side), settings
        except (BadImage, BadSetting) as error:
            raise gr.Error(str(error), print_exception=False) from None

    def tokenize(picture, epsilon, k, estimator, policy, side, target_psnr=None):
        """Tokenize the centre square of a picture, made `side` pixels wide.

        Returns the reconstruction and its statistics: kept patches N, tokens k + N, exact bits,
        PSNR in dB, SSIM, the threshold and the total entropy with their unit.
        """
        values = (epsilon, k, estimator, policy, side, target_psnr)
        result = engine.tokenize(*read(picture, values, asked[0]))
        return answer(to_pil(result.image)), asdict(result.statistics)

    def select(picture, epsilon, k, estimator, policy, side, target_psnr=None):
        """Which patches of the centre square are kept, without decoding the picture.

        Returns the entropy of every patch (raster order) with its unit, the kept places, N,
        threshold, total, T and which constraint binds; the codes (-1: dropped), the exact bits, and
        the tokens as a `.tatok` file in base64, which `/decode` takes.
        """
        values = (epsilon, k, estimator, policy, side, target_psnr)
        return selected(engine, *read(picture, values, asked[0]))

    def decode(tokens):
        """The picture of a `.tatok` file that was made with the weights of this page.

        Returns it, and its side, k, N and exact bits.

        Parameters:
            tokens: a .tatok file
        """
        try:
            return decoded(engine, uploaded(tokens, file.GRADIO_CACHE))
        except (BadImage, BadTokenFile) as error:
            raise gr.Error(str(error), print_exception=False) from None

    for function in (tokenize, select):
        function.__doc__ += parameters(config)
    with gr.Group(visible=False):
        asked = [
            upload_field(label="picture"),
            gr.Number(config.epsilon, label="epsilon"),
            gr.Number(config.k, label="k"),
            gr.Textbox(config.estimator, label="estimator"),
            gr.Textbox("dtf", label="policy"),
            gr.Number(config.image_size, label="side"),
            gr.Number(None, label="target_psnr"),
        ]
        file = gr.File(label="tokens")
        picture, statistics = gr.Image(label="picture", format="png"), gr.JSON(label="statistics")
        for function, inputs, outputs in (
            (tokenize, asked, [picture, statistics]),
            (select, asked, statistics),
            (decode, file, [picture, statistics]),
        ):
            gr.Button().click(function, inputs, outputs, api_name=function.__name__, **LIMITS)


def parameters(config: TokenizerConfig) -> str:
    """What the parameters of a call mean, as the page and MCP's tools read it in a docstring."""
    low, high = TARGET_PSNR
    return f"""
        Parameters:
            picture: {", ".join(FORMATS)}
            epsilon: information loss rate, from 0 to below 1
            k: global tokens, 0 to {config.k_max}
            estimator: of the entropies: {", ".join(ESTIMATORS)}
            policy: which patches are kept: {", ".join(POLICIES)}
            side: pixels, {config.smallest} to {config.largest} in steps of {config.stride}
            target_psnr: {low:g} to {high:g} dB; sets D0 and with it T of Eq. 5 (none: T = 0)
        """


@torch.inference_mode()
def selected(engine: Engine, square: Square, settings: Settings) -> dict:
    """What `/select` answers."""
    selection = engine.select(square, settings)
    tokens = engine.tokens(square, settings, selection)
    return {
        "entropy": selection.entropy[0].tolist(),
        "unit": selection.unit,
        "grid": engine.grid(square),
        "keep": selection.keep[0].nonzero()[:, 0].tolist(),
        "kept": int(selection.count),
        "threshold": float(selection.threshold),
        "total": float(selection.total),
        "minimum": float(selection.minimum),
        "binding": selection.binding[0],
        "global_codes": tokens.global_codes[0].tolist(),
        "patch_codes": tokens.patch_codes[0].tolist(),
        "bits": int(tokens.bits()),
        "tatok": base64.b64encode(tokenfile.pack(tokens, engine.model)).decode("ascii"),
    }


@torch.inference_mode()
def decoded(engine: Engine, path: str | None) -> tuple:
    """What `/decode` answers. Raises BadTokenFile."""
    if path is None:
        raise BadTokenFile("A .tatok file is needed.")
    with Path(path).open("rb") as opened:
        data = opened.read(LARGEST)
    tokens = tokenfile.unpack(data, engine.model)
    x = engine.image(tokens)
    statistics = {"side": x.shape[-1], "k": tokens.global_codes.shape[1]}
    return answer(to_pil(x)), statistics | {"kept": int(tokens.count), "bits": int(tokens.bits())}
