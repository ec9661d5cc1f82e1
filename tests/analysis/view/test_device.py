"""What the page computes on another device than the CPU is what it computes there: nothing is left
behind, and no float64 is asked of a device that has none."""

import base64
import io
import json

import numpy as np
import pytest
import small_results
import torch
from conftest import pictures, random_generator, random_model
from PIL import Image, ImageSequence
from pretend_device import NAME, Pretend

from analysis.base.runner import Runner, Setting
from analysis.view.bias import tab as bias_tab
from analysis.view.bias.bench import Bench
from analysis.view.generate.painter import Painter, Sources
from analysis.view.generate.settings import MODES, Drawing, parse_hidden
from analysis.view.generate.view import token_file
from analysis.view.sections.compare import compare_reply
from analysis.view.sections.inspector import inspect, inspection_reply
from analysis.view.sections.play import Player, gif
from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.settings import Settings
from analysis.view.theory.tab import Rates
from analysis.view.tokenize.endpoint import decoded, selected
from analysis.view.tokenize.patch_view import reply
from tatok import tokenfile
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES
from tatok.images import to_pil
from tatok.streams import seeded

PLAIN = Settings(0.3, 4, "rate", "dtf", target_psnr=12.0, side=32)


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, whatever threads the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def elsewhere(monkeypatch):
    """The device, and that most of what is computed while it is there is computed on it."""
    with Pretend(monkeypatch) as device:
        yield device
    assert device.ran.get("addmm", 0) + device.ran.get("mm", 0) > 5


@pytest.fixture
def squares():
    return [Square.of(x) for x in pictures(2).split(1)]


def both(make, look):
    """What `look` sees of what `make` makes on either device."""
    return look(make("cpu")), look(make(NAME))


def engine(device, **changes) -> Engine:
    return Engine(random_model(**changes).to(device))


def pixels(content):
    """Bytes of a picture, or the pictures of a GIF; a file of tokens has none that may differ."""
    assert not content.startswith(tokenfile.MAGIC)
    if not content.startswith(b"GIF8"):
        return np.frombuffer(content, np.uint8).astype(int)
    frames = ImageSequence.Iterator(Image.open(io.BytesIO(content)))
    return np.stack([np.asarray(frame.convert("RGB"), int) for frame in frames])


def alike(a, b):
    """Pictures one level of 255 apart at most; those of a GIF on average, for its palettes."""
    apart = np.abs(pixels(a) - pixels(b))
    assert (apart.mean() if a.startswith(b"GIF8") else apart.max()) <= 1


def close(a, b):
    """Equal JSON and pictures, but for the last digits."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        a, b = list(a.values()), list(b.values())
    if isinstance(a, list | tuple):
        assert len(a) == len(b)
        for mine, other in zip(a, b, strict=True):
            close(mine, other)
    elif isinstance(a, bytes) and a != b:
        alike(a, b)
    elif isinstance(a, str) and a != b:
        alike(base64.b64decode(a, validate=True), base64.b64decode(b, validate=True))
    else:
        assert a == (pytest.approx(b, rel=1e-4, abs=1e-7) if isinstance(a, float) else b)


@pytest.mark.parametrize("layout", ["grid", "sequence"])
def test_the_tab_tokenize(elsewhere, squares, layout, tmp_path):
    def look(engine):
        told = []
        for settings in (
            *(Settings(0.3, 4, name, "dtf", target_psnr=12.0, side=32) for name in ESTIMATORS),
            *(Settings(0.3, 4, "prior", name, side=32) for name in POLICIES),
            Settings(0.3, 4, "gain", "dtf", forced_in=(1,), forced_out=(0,), side=32),
        ):
            told.append(reply(engine, squares[0], settings, None))
            told.append(answer := selected(engine, squares[0], settings))
            file = tmp_path / "a.tatok"
            file.write_bytes(base64.b64decode(answer["tatok"]))
            told.append(decoded(engine, str(file))[0].tobytes())
        return told

    close(*both(lambda device: engine(device, layout=layout), look))


def test_the_sections_and_the_theory(elsewhere, squares):
    def look(engine):
        square, player = squares[0], Player(engine)
        frames = player.run(square, PLAIN)
        told = [Rates(engine).serve(square, PLAIN, {}), [f.psnr for f in frames]]
        told += [compare_reply(engine, square, PLAIN, v) for v in ("features", "policies")]
        for name in ESTIMATORS:
            settings = Settings(0.3, 4, name, "dtf", side=32)
            told.append(inspection_reply(inspect(engine, square, settings, 3)))
        return [*told, gif(square.x, frames, 4, 4)]

    close(*both(engine, look))


def test_the_tab_bias(elsewhere):
    noise = {"k": 4, "serial": 5, "subject": {"kind": "noise", "seed": 3}}
    questions = [
        {"ask": "look"},
        {"ask": "change", "change": {"kind": "roll", "dy": 1, "dx": 2}},
        {"ask": "change", "change": {"kind": "positions", "how": "zero", "parts": ["encoder"]}},
        {"ask": "cure", "rule": "subtract"},
        {"ask": "set", "set": "noise", "part": 0, "epsilon": 0.3},
        {"ask": "rolls", "part": 0, "epsilon": 0.3},
    ]

    def look(bench):
        return [
            json.loads(json.dumps(bias_tab.answer(bench, {}, None, noise | q))) for q in questions
        ]

    mine, other = both(lambda device: Bench(engine(device)), look)
    assert not [answer["error"] for answer in mine if "error" in answer]
    close(mine, other)


@pytest.mark.parametrize("mode", MODES)
def test_the_tab_generate(elsewhere, squares, monkeypatch, mode):
    """Its random numbers come from the CPU, as this device has none of its own."""
    monkeypatch.setattr("tatok.sampling.seeded", lambda *numbers, device: seeded(*numbers))

    def painter(device):
        model = random_model()
        drawer = random_generator(model).to(device)
        return Painter(Engine(model.to(device)), drawer)

    def look(painter):
        hidden = parse_hidden("0000011001100000", painter.engine.model, 32)
        asked = {"mode": mode, "label": "a", "steps": 3, "epsilon": 0.3, "seed": 7}
        drawing = Drawing.parse(asked, painter.generator.config)
        made = list(painter.draw(drawing, 0, Sources(*squares, hidden)))
        values = tokens_of(made[-1])
        return [to_pil(painter.picture(p.step)).tobytes() for p in made], token_file(
            values, painter
        )

    close(*both(painter, look))


def tokens_of(progress) -> dict:
    """As the browser sends them back."""
    tokens = progress.step.tokens
    return {
        "globals": tokens.global_codes[0].tolist(),
        "patches": tokens.patch_codes[0].tolist(),
        "places": tokens.places,
    }


def test_experiments(elsewhere):
    def look(runner):
        setting = Setting(4, epsilon=0.3, features=True)
        result = runner.measure(pictures(3), [setting])[setting]
        return [result.psnr.tolist(), result.bits.tolist(), result.features.tolist()]

    def runner(device):
        return Runner(random_model().to(device), small_results.Moments())

    close(*both(runner, look))
