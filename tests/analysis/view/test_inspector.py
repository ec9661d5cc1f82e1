"""The inspector's numbers are those of the model, found another way."""

import dataclasses
import json
import math

import pytest
import torch
from conftest import pictures, random_model

from analysis.base.metrics import psnr
from analysis.view.sections.inspector import NEAREST, inspect, inspection_reply
from analysis.view.shared.engine import Engine
from analysis.view.shared.settings import Settings
from tatok.entropy import ESTIMATORS
from tatok.images import to_pil
from tatok.tokens import code_bits


@pytest.fixture
def engine():
    return Engine(random_model())


@pytest.fixture
def square(engine, tmp_path):
    to_pil(pictures(1, size=48)).save(tmp_path / "picture.png")
    return engine.square(str(tmp_path / "picture.png"), None)


def H_from(estimator: str, p: dict) -> float | None:
    """The formulas of inspector.js."""
    if estimator == "residual":
        return p["scale"] * p["distance"] * p["pixels"]
    if estimator == "residual-token":
        return p["distance"] * p["token"]
    if estimator == "residual-plain":
        return p["distance"]
    if estimator == "gaussian":
        return max(0.0, p["nats"] / math.log(2) - p["d_p"] * math.log2(p["delta"]))
    if estimator == "code":
        return -math.log2(p["p"])
    if estimator == "rate":
        return p["half"] * math.log2(max(1.0, p["D_i"] / p["D_0"]))
    if estimator == "gain":
        return max(0.0, p["D_G"] - p["D_all"])
    return None  # prior: H of all the probabilities, not of these few


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("k, target", [(4, None), (0, 18.0)])
def test_the_parts_make_H(engine, square, estimator, k, target):
    settings = Settings(0.3, k, estimator, "dtf", target)
    H = engine.measure(square, k, estimator, target).entropy[0]
    for place in (0, 7, 15):
        found = inspect(engine, square, settings, place)
        value = H_from(estimator, found.parts)
        if value is None:
            assert 0 < found.parts["p"] <= found.parts["p_max"] <= 1
            assert H[place] <= code_bits(64)
        else:
            assert value == pytest.approx(float(H[place]), rel=1e-4, abs=1e-4)


def test_nearest_codes_begin_with_the_patchs_own(engine, square):
    model = engine.model
    z = model.patch_codebook.down(engine.encode(square, 4).patches[0])
    for place in range(16):
        found = inspect(engine, square, Settings(0.3, 4, "rate", "dtf"), place)
        all_distances = (model.patch_codebook.codes - z[place]).square().sum(1).sqrt()
        assert found.nearest[0].code == found.code == int(all_distances.argmin())
        assert len({n.code for n in found.nearest}) == len(found.nearest) == NEAREST
        distances = [n.distance for n in found.nearest]
        assert distances == sorted(distances)
        expected = all_distances.sort().values[:NEAREST].tolist()
        assert distances == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("policy", ["dtf", "random"])
@pytest.mark.parametrize("forced", [(), (3,)])
def test_errors_are_those_of_a_new_decoding(engine, square, policy, forced):
    plain = Settings(0.4, 4, "rate", policy, forced_in=forced)
    keep = engine.select(square, plain).keep[0]
    for place in (3, 5, 12):
        found = inspect(engine, square, plain, place)
        for errors, changes in (
            (found.kept, {"forced_in": (*forced, place)}),
            (found.dropped, {"forced_out": (place,), "forced_in": tuple(set(forced) - {place})}),
        ):
            result = engine.tokenize(square, dataclasses.replace(plain, **changes))
            others = torch.arange(16) != place
            assert torch.equal(result.selection.keep[0, others], keep[others])
            decibels = 10 * math.log10(4 / errors.picture)
            assert decibels == pytest.approx(float(psnr(square.x, result.image)), abs=1e-3)
            row, column = divmod(place, 4)
            part = (slice(None), slice(None), slice(8 * row, 8 * row + 8))
            difference = (square.x - result.image)[part][..., 8 * column : 8 * column + 8]
            assert errors.patch == pytest.approx(float(difference.square().mean()), rel=1e-3)


def test_a_swatch_is_the_patch_decoded_with_that_code(engine, square):
    settings, place = Settings(0.4, 4, "rate", "dtf"), 6
    found = inspect(engine, square, settings, place)
    codes = engine.tokenize(square, settings).tokens.patch_codes.clone()
    for near in found.nearest:
        codes[0, place] = near.code
        image = engine.decode(square, 4, codes)
        torch.testing.assert_close(near.pixels, image[:, :, 8:16, 16:24], atol=1e-5, rtol=0)


def test_every_estimator_has_its_say(engine, square):
    settings = Settings(0.4, 4, "rate", "last", 16.0)
    for place in (0, 9):
        found = inspect(engine, square, settings, place)
        assert [opinion.estimator for opinion in found.opinions] == list(ESTIMATORS)
        for opinion in found.opinions:
            own = dataclasses.replace(settings, estimator=opinion.estimator, policy="dtf")
            selection = engine.select(square, own)
            H = selection.entropy[0].tolist()
            order = sorted(range(16), key=lambda i: (-H[i], i))
            assert opinion.entropy == H[place]
            assert opinion.rank == order.index(place) + 1
            assert opinion.keep == bool(selection.keep[0, place])


def test_the_reply_is_plain_json(engine, square):
    found = inspect(engine, square, Settings(0.4, 4, "gaussian", "chain"), 2)
    reply = json.loads(json.dumps(inspection_reply(found)))
    assert reply["place"] == 2 and len(reply["nearest"]) == NEAREST
