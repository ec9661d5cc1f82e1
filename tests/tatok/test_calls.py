"""The library as its users call it: any float, and one sentence for what is wrong."""

import warnings

import pytest
import torch
from conftest import pictures, random_model

from tatok import Tokens
from tatok.sampling import SamplingOptions


def through(model, x):
    encoding = model.encode(x, 4)
    tokens = model.quantize(encoding, model.select(encoding, count=8))
    return tokens, model.decode(tokens)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_pictures_of_any_float_are_taken(dtype):
    model, x = random_model(), pictures(2)
    tokens, y = through(model, x.to(dtype))
    same, _ = through(model, x.to(dtype).float())
    assert torch.equal(tokens.patch_codes, same.patch_codes) and y.dtype == torch.float32


@pytest.mark.parametrize(
    ("dtype", "agree", "error"),
    [(torch.float64, 1.0, 1e-5), (torch.float16, 0.9, 0.02), (torch.bfloat16, 0.6, 0.15)],
)
@pytest.mark.parametrize("estimator", ["residual", "gaussian", "code", "prior", "rate", "gain"])
def test_models_of_any_float_work(dtype, agree, error, estimator):
    """agree: share of equal codes; error: of the decoded picture, root mean square."""
    x = pictures(2)
    plain, other = random_model(), random_model().to(dtype)
    (tokens, y), (found, _) = through(plain, x), through(other, x)
    kept = tokens.keep & found.keep
    assert (tokens.patch_codes == found.patch_codes)[kept].double().mean() >= agree
    assert (other.decode(tokens).float() - y).square().mean().sqrt() < error
    H = other.select(other.encode(x, 4), estimator=estimator).entropy
    assert H.dtype == torch.float64 and torch.isfinite(H).all()


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "floats in .-1, 1., not torch.uint8"),
        (255 * torch.rand(1, 3, 32, 32), "must lie in .-1, 1., not in"),
        (torch.full((1, 3, 32, 32), torch.nan), "must lie in"),
        (torch.zeros(3, 32, 32), "must be .B, 3, S, S. with S = 32"),
        (torch.zeros(1, 3, 32, 40), "must be .B, 3, S, S."),
        ("picture", "must be a tensor, not str"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(x, says):
    with pytest.raises(ValueError, match=says):
        random_model().encode(x)


def test_images_that_look_like_0_to_1_are_warned_of():
    model = random_model()
    with pytest.warns(UserWarning, match="2 . x - 1"):
        model.encode(pictures(1) / 2 + 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.encode(pictures(1))
        model.encode(torch.ones(1, 3, 32, 32))  # white


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"k": 1.5}, "k must be a whole number in 0..6, not 1.5"),
        ({"k": True}, "k must be a whole number"),
        ({"k": 7}, "in 0..6, not 7"),
        ({"count": True}, "count must be one whole number in 0..16"),
        ({"count": 2.0}, "count must be one whole number"),
        ({"epsilon": "0.1"}, "epsilon must be a number, not '0.1'"),
        ({"epsilon": True}, "epsilon must be a number"),
        ({"epsilon": float("nan")}, "epsilon must lie in"),
        ({"epsilon": 1}, "epsilon must lie in .0, 1., not 1"),
    ],
)
def test_numbers_out_of_range_are_refused(values, says):
    model = random_model()
    with pytest.raises(ValueError, match=says):
        encoding = model.encode(pictures(1), values.get("k"))
        model.select(encoding, **{n: v for n, v in values.items() if n != "k"})


@pytest.mark.parametrize("epsilon", ["0.1", 1, True])
def test_the_sampler_checks_epsilon_alike(epsilon):
    with pytest.raises(ValueError, match="epsilon must"):
        SamplingOptions(epsilon=epsilon)


@pytest.mark.parametrize(
    ("globals_", "patches", "says"),
    [
        (64, 0, "global codes must lie in 0..63"),
        (-2, 0, "global codes must lie in 0..63, or be -1"),
        (0, 64, "patch codes must lie in 0..63"),
        (0, -2, "patch codes"),
        (0.5, 0, "global codes must be whole numbers"),
    ],
)
def test_codes_that_there_are_not_are_refused(globals_, patches, says):
    model = random_model()
    tokens = Tokens(torch.full((1, 4), globals_), torch.full((1, 16), patches), "grid", 64)
    with pytest.raises(ValueError, match=says):
        model.decode(tokens)


def test_what_is_handed_on_prints_in_one_line():
    model = random_model()
    encoding = model.encode(pictures(6), 4)
    selection = model.select(encoding, count=5)
    tokens = model.quantize(encoding, selection)
    for value, words in (
        (encoding, "6 of 32 px: M = 16, k = 4"),
        (selection, "N = 5, 5, 5, 5, … of M = 16, dtf by rate"),
        (tokens, "k = 4, N = 5, 5, 5, 5, … of M = 16"),
    ):
        assert words in repr(value) and len(repr(value)) < 120
