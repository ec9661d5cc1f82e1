"""The page's engine gives what the model gives, and refuses what is out of range."""

import dataclasses

import pytest
import torch
from conftest import pictures, random_model

from analysis.metrics import psnr, ssim
from analysis.view.crop import Accepted, accept
from analysis.view.engine import Engine
from analysis.view.state import BadSetting, Settings
from analysis.view.tokenize import LOST, answer
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES
from tatok.images import BadImage, to_pil

PLAIN = Settings(0.3, 4, "rate", "dtf")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    to_pil(pictures(1, size=48)).save(path)
    return str(path)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_tokenize_is_the_models_own_path(model, picture, estimator, policy):
    engine = Engine(model)
    square = engine.square(picture, None)
    for settings in (
        Settings(0.3, 4, estimator, policy),
        Settings(0.6, 2, estimator, policy, target_psnr=14.0),
    ):
        result = engine.tokenize(square, settings)
        encoding = model.encode(square.x, settings.k)
        selection = model.select(
            encoding, settings.epsilon, estimator, policy, target_psnr=settings.target_psnr
        )
        tokens = model.quantize(encoding, selection)
        image = model.decode(tokens)
        assert torch.equal(result.image, image)
        for field in dataclasses.fields(selection):
            ours, theirs = getattr(result.selection, field.name), getattr(selection, field.name)
            assert torch.equal(ours, theirs) if torch.is_tensor(ours) else ours == theirs
        numbers = result.statistics
        assert numbers.bits == int(tokens.bits()[0])
        assert numbers.bits_per_pixel == numbers.bits / 32**2
        assert numbers.tokens == settings.k + int(tokens.count[0])
        assert numbers.psnr == pytest.approx(float(psnr(square.x, image)))
        assert numbers.ssim == pytest.approx(float(ssim(square.x, image)))


def test_epsilon_costs_no_new_encoding(picture, monkeypatch):
    model = random_model()
    engine, calls = Engine(model), []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda *args: calls.append(args) or encode(*args))
    square = engine.square(picture, None)
    for epsilon in (0.1, 0.5, 0.9):
        engine.tokenize(square, dataclasses.replace(PLAIN, epsilon=epsilon))
    assert len(calls) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"epsilon": 1},
        {"epsilon": float("nan")},
        {"epsilon": "0.1"},
        {"epsilon": None},
        {"epsilon": True},
        {"k": 7},
        {"k": -1},
        {"k": 1.5},
        {"k": 10**400},
        {"estimator": "oracle"},
        {"estimator": ["rate"]},
        {"policy": None},
        {"target_psnr": 1000},
        {"target_psnr": "20"},
    ],
)
def test_settings_out_of_range(changes):
    with pytest.raises(BadSetting) as caught:
        Settings.parse(dataclasses.asdict(PLAIN) | changes, random_model().config)
    assert str(caught.value).count(".") >= 1 and "\n" not in str(caught.value)


def test_an_answer_holds_the_map_once(picture):
    engine = Engine(random_model())
    accepted, crop = accept(picture)
    assert (crop["width"], crop["height"]) == (48, 48)
    question = dataclasses.asdict(PLAIN) | {"picture": accepted.id, "box": None, "serial": 3}
    first = answer(engine, accepted, question)
    assert first["serial"] == 3 and len(first["map"]["entropy"]) == 16
    second = answer(engine, accepted, question | {"epsilon": 0.5, "have": first["map"]["key"]})
    assert "map" not in second and second["pixels"]["keep"] != first["pixels"]["keep"]
    moved = answer(engine, accepted, question | {"box": [3, 0, 40], "have": first["map"]["key"]})
    assert moved["map"]["key"] != first["map"]["key"]


@pytest.mark.parametrize(
    "question",
    [
        None,
        [],
        {"picture": "x"},
        {"box": [0, 0]},
        {"box": [0, 0, 10**30]},
        {"box": ["0", 0, 8]},
        {"box": {"left": 0}},
        {"k": 10**30},
        {"serial": {"a": 1}, "epsilon": []},
    ],
)
def test_a_hostile_question_gets_no_pixels(picture, question):
    engine = Engine(random_model())
    accepted = accept(picture)[0]
    if isinstance(question, dict):
        question = dataclasses.asdict(PLAIN) | {"picture": accepted.id, "box": None} | question
    reply = answer(engine, accepted, question)
    assert "pixels" not in reply and "map" not in reply


def test_a_lost_session_and_a_vanished_file(tmp_path):
    engine = Engine(random_model())
    assert answer(engine, None, {"serial": 1}) == {"serial": 1, "error": LOST}
    gone = Accepted(str(tmp_path / "gone.png"), "id")
    question = dataclasses.asdict(PLAIN) | {"picture": "id", "box": None, "serial": 1}
    assert answer(engine, gone, question)["error"] == "There is no file named gone.png."
    with pytest.raises(BadImage):
        accept(gone.path)
