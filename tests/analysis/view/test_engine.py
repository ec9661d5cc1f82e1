"""The page's engine gives what the model gives, and refuses what is out of range."""

import dataclasses
import json

import pytest
import torch
from conftest import pictures, random_model

from analysis.base.metrics import psnr, ssim
from analysis.view.shared.asking import LOST, answer
from analysis.view.shared.crop import Accepted, accept
from analysis.view.shared.engine import Engine, decode_seconds
from analysis.view.shared.settings import BadSetting, Settings
from analysis.view.tokenize.patch_view import reply
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES
from tatok.images import BadImage, to_pil
from tatok.tokens import place_bits

PLAIN = Settings(0.3, 4, "rate", "dtf")


AS_JSON = json.loads(json.dumps(dataclasses.asdict(PLAIN)))


def ask(engine: Engine, accepted: Accepted | None, question: object) -> dict:
    """The patch view's question, as the page's listener answers it."""

    def serve(square, settings, wanted):
        return reply(engine, square, settings, wanted.get("have"))

    return answer(engine, accepted, question, serve)


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


def test_in_half_precision_only_the_picture_differs(model, picture):
    exact, half = Engine(model), Engine(model, half=True)
    square = exact.square(picture, None)
    for estimator in ESTIMATORS:
        settings = Settings(0.3, 4, estimator, "dtf")
        ours, theirs = (engine.tokenize(square, settings) for engine in (half, exact))
        assert torch.equal(ours.selection.entropy, theirs.selection.entropy)
        assert torch.equal(ours.tokens.patch_codes, theirs.tokens.patch_codes)
        assert ours.image.dtype == torch.float32 and not torch.equal(ours.image, theirs.image)
        assert float(psnr(ours.image, theirs.image)) > 40


def test_decoding_takes_time_in_either_arithmetic(model, no_accelerator):
    assert min(decode_seconds(model, half) for half in (False, True)) > 0


@pytest.mark.parametrize("name", ["encode", "quantize", "measure"])
def test_epsilon_costs_decoding_alone(picture, monkeypatch, name):
    model = random_model()
    engine, calls = Engine(model), []
    function = getattr(model, name)
    monkeypatch.setattr(model, name, lambda *args: calls.append(args) or function(*args))
    square = engine.square(picture, None)
    for epsilon in (0.1, 0.5, 0.9):
        settings = dataclasses.replace(PLAIN, epsilon=epsilon, forced_in=(3,))
        engine.tokenize(square, settings)
    assert len(calls) == 1


@pytest.mark.parametrize("policy, estimator", [("dtf", "prior"), ("first", "rate")])
def test_forced_patches_come_after_the_policy_and_their_places_are_sent(
    model, picture, policy, estimator
):
    engine = Engine(model)
    square = engine.square(picture, None)
    plain = Settings(0.5, 4, estimator, policy)
    chosen = engine.select(square, plain)
    inside, outside = int((~chosen.keep[0]).nonzero()[0]), int(chosen.keep[0].nonzero()[0])
    forced = dataclasses.replace(plain, forced_in=(inside,), forced_out=(outside, 15))
    result = engine.tokenize(square, forced)
    expected = chosen.keep.clone()
    expected[0, inside], expected[0, [outside, 15]] = True, False
    assert torch.equal(result.selection.keep, expected)
    assert torch.equal(result.tokens.keep, expected)
    N = int(expected.sum())
    assert result.statistics.kept == N == int(result.selection.count)
    assert torch.equal(result.selection.threshold, chosen.threshold)
    places = place_bits(16, N) if model.config.layout == "grid" else 0
    assert result.statistics.bits == 6 * (4 + N) + 5 + places
    assert torch.equal(result.image, model.decode(result.tokens))


def test_decode_takes_many_sets_of_patches(model, picture):
    engine = Engine(model)
    square = engine.square(picture, None)
    codes = engine.quantize(square, 4).patch_codes
    keep = torch.rand(5, 16, generator=torch.Generator().manual_seed(0)) < 0.5
    images = engine.decode(square, 4, codes.masked_fill(~keep, -1))
    for row in range(5):
        alone = engine.decode(square, 4, codes.masked_fill(~keep[row], -1))
        torch.testing.assert_close(images[row : row + 1], alone, atol=1e-4, rtol=0)


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
        {"forced_in": 3},
        {"forced_in": [16]},
        {"forced_out": [-1]},
        {"forced_out": [True]},
        {"forced_in": [0.0]},
        {"forced_in": [[1]]},
        {"forced_in": [0] * 17},
        {"forced_in": [2, 3], "forced_out": [3]},
    ],
)
def test_settings_out_of_range(changes):
    with pytest.raises(BadSetting) as caught:
        Settings.parse(AS_JSON | changes, random_model().config)
    assert str(caught.value).count(".") >= 1 and "\n" not in str(caught.value)


def test_settings_keep_forced_patches_in_order():
    values = AS_JSON | {"forced_in": [5, 1, 5], "forced_out": [2]}
    settings = Settings.parse(values, random_model().config)
    assert (settings.forced_in, settings.forced_out, settings.forced) == ((1, 5), (2,), True)
    assert not Settings.parse(AS_JSON, random_model().config).forced


def test_an_answer_holds_the_map_once(picture):
    engine = Engine(random_model())
    accepted, crop = accept(engine, picture)
    assert (crop["width"], crop["height"]) == (48, 48)
    question = AS_JSON | {"picture": accepted.id, "box": None, "serial": 3}
    first = ask(engine, accepted, question)
    assert first["serial"] == 3 and len(first["map"]["entropy"]) == 16
    second = ask(engine, accepted, question | {"epsilon": 0.5, "have": first["map"]["key"]})
    assert "map" not in second and second["pixels"]["keep"] != first["pixels"]["keep"]
    moved = ask(engine, accepted, question | {"box": [3, 0, 40], "have": first["map"]["key"]})
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
    accepted = accept(engine, picture)[0]
    if isinstance(question, dict):
        question = AS_JSON | {"picture": accepted.id, "box": None} | question
    reply = ask(engine, accepted, question)
    assert "pixels" not in reply and "map" not in reply


def test_a_lost_session_and_a_vanished_file(tmp_path):
    engine = Engine(random_model())
    assert ask(engine, None, {"serial": 1}) == {"serial": 1, "error": LOST}
    gone = Accepted(str(tmp_path / "gone.png"), "id")
    question = AS_JSON | {"picture": "id", "box": None, "serial": 1}
    assert ask(engine, gone, question)["error"] == "There is no file named gone.png."
    with pytest.raises(BadImage):
        accept(engine, gone.path)
