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
