"""The weights for any square grid, as they ship."""

from pathlib import Path

import pytest
import torch

from tatok import TaTok, load_image
from tatok.quality import psnr

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def model():
    return TaTok.from_pretrained(ASSETS / "anygrid")


@pytest.mark.parametrize(("side", "least"), [(64, 15.5), (128, 19.3), (256, 21.5)])
def test_pictures_of_every_side_are_pictures(model, side, least):
    """Least: some dB below what the first weights reach on this picture with all patches."""
    x = load_image(ASSETS / "examples" / "astronaut.webp", size=side)
    with torch.inference_mode():
        encoding = model.encode(x)
        M = (side // 8) ** 2
        every, some = (model.select(encoding, count=n) for n in (M, M // 4))
        all_, quarter = (
            float(psnr(x, model.decode(model.quantize(encoding, s)))) for s in (every, some)
        )
    assert all_ > least and all_ - quarter > 1.0


def test_the_sides_are_those_that_the_card_names(model):
    sides = model.config.sides
    assert (sides[0], sides[-1], model.config.image_size) == (64, 256, 256)
    assert (ASSETS / "anygrid" / "tokenizer.safetensors").stat().st_size < 15e6


@pytest.mark.parametrize(("name", "target"), [("astronaut", 20), ("cat", 22), ("pagoda", 22)])
def test_the_minimum_of_gain_reaches_the_target(model, name, target):
    """With few patches in all, what each saves adds up to the PSNR asked for, or a little more."""
    x = load_image(ASSETS / "examples" / f"{name}.webp", size=256)
    with torch.inference_mode():
        encoding = model.encode(x)
        s = model.select(encoding, epsilon=0.99, estimator="gain", target_psnr=target)
        found = float(psnr(x, model.decode(model.quantize(encoding, s))))
    assert s.binding == ("minimum",) and s.count < 1024
    assert target - 0.1 < found < target + 1.5
