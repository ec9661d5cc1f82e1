"""ZeroGPU: one lent GPU for a drawn picture, none for the rest, and no tensor of it gets out."""

import base64
import io
import pickle

import numpy as np
import pytest
from conftest import pictures, random_generator, random_model
from PIL import Image
from pretend_device import NAME, Pretend

from analysis.view.generate import endpoint
from analysis.view.generate.painter import Painter, Sources
from analysis.view.generate.settings import MODES, Drawing, parse_hidden
from analysis.view.generate.view import frames
from analysis.view.shared import zero
from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.settings import Settings
from analysis.view.tokenize.patch_view import reply
from tatok.streams import seeded


class Lender:
    """As the package `spaces`: what goes into a call and what comes out is pickled."""

    def __init__(self):
        self.calls = 0

    def GPU(self, function):
        def lent(*given):
            self.calls += 1
            for made in function(*pickle.loads(pickle.dumps(given))):
                yield pickle.loads(pickle.dumps(made))

        return lent


@pytest.fixture
def lender(monkeypatch):
    monkeypatch.setattr(zero, "spaces", Lender())
    monkeypatch.setattr(zero, "LENT", True)
    monkeypatch.setattr("tatok.sampling.seeded", lambda *numbers, device: seeded(*numbers))
    return zero.spaces


def pixels(address):
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)), int)


def asked(painter, mode, pictures):
    values = {"mode": mode, "label": "a", "steps": 3, "epsilon": 0.3, "pictures": pictures}
    return Drawing.parse(values, painter.generator.config)


def test_a_picture_is_one_call(lender, monkeypatch):
    engine = Engine(random_model())
    generator = random_generator(engine.model)
    squares = [Square.of(x) for x in pictures(2).split(1)]
    sources = Sources(*squares, parse_hidden("0000011001100000", engine.model, 32))
    here = Painter(engine, generator)
    expected = {mode: list(frames(here, asked(here, mode, 2), sources)) for mode in MODES}
    lender.calls = 0
    with Pretend(monkeypatch) as device:
        painter = Painter(engine, generator, NAME)
        for mode in MODES:
            drawing = asked(painter, mode, 2)
            made = list(frames(painter, drawing, sources))
            for mine, other in zip(made, expected[mode], strict=True):
                difference = pixels(mine["image"]) - pixels(other["image"])
                assert abs(difference).max() <= 1  # the device may round another way
            assert [m["patches"] for m in made] == [e["patches"] for e in expected[mode]]
        assert lender.calls == 2 * len(MODES) and device.ran["addmm"] > 100
        (*_, (image, told)) = painter.lent(endpoint.whole)(asked(painter, "class", 1), 0, sources)
        assert lender.calls == 2 * len(MODES) + 1 and image.size == (32, 32) and told["kept"] > 0
        for epsilon in (0.1, 0.2, 0.3):  # a slider
            reply(engine, squares[0], Settings(epsilon, 4, "rate", "dtf", side=32), None)
        assert lender.calls == 2 * len(MODES) + 1
    assert str(engine.model.device) == str(painter.generator.device) == "cpu"


def test_without_zero_gpu_it_is_the_function_itself(monkeypatch):
    monkeypatch.setattr(zero, "spaces", Lender())
    monkeypatch.setattr(zero, "LENT", False)
    assert zero.gpu(reply) is reply
