"""The estimators and R(D) against their formulas, computed another way."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from conftest import pictures, random_model

from tatok import entropy
from tatok.entropy import ESTIMATORS


@pytest.mark.parametrize("k", [0, 1, 4])
def test_residual_is_the_formula_of_alg_1(k):
    model = random_model()
    model.residual_scale.fill_(3.0)
    encoding = model.encode(pictures(2), k)
    seen = model.observe(encoding)
    H = {name: e.function(seen).numpy() for name, e in ESTIMATORS.items() if "residual" in name}
    G = encoding.globals.double().numpy()  # as the encoder gives them
    for b, p in enumerate(encoding.patches.double().numpy()):
        fit = np.linalg.lstsq(G[b].T, p.T, rcond=1e-5)[0] if k else np.zeros((0, len(p)))
        distance = ((p.T - G[b].T @ fit) ** 2).sum(0)
        blocks = encoding.pixels[b].double().numpy().reshape(3, 4, 8, 4, 8)
        pixels = blocks.transpose(1, 3, 0, 2, 4).reshape(16, -1).var(axis=1)
        np.testing.assert_allclose(H["residual"][b], 3 * distance * pixels, rtol=1e-3)
        np.testing.assert_allclose(H["residual-token"][b], distance * p.var(axis=1), rtol=1e-3)
        np.testing.assert_allclose(H["residual-plain"][b], distance, rtol=1e-3)


def test_residual_depends_on_the_pictures_own_global_tokens():
    model = random_model()
    encoding = model.encode(pictures(2), 4)
    swapped = dataclasses.replace(encoding, globals=encoding.globals.flip(0))
    own, others = (entropy.outside_span(model.observe(e)) for e in (encoding, swapped))
    assert ((own - others).abs() > 1e-3 * own).any(dim=1).all()


def test_what_residual_is_on_a_flat_picture():
    """No pixel varies: Fig. 8 needs the reading by the token."""
    seen = random_model().observe(random_model().encode(torch.ones(1, 3, 32, 32)))
    assert (entropy.residual(seen).abs() < 1e-6).all()
    assert (entropy.residual_token(seen) > 0).all()


@pytest.mark.parametrize("name", ["residual-token", "residual-plain"])
def test_a_target_says_nothing_where_the_unit_is_arbitrary(name):
    model = random_model()
    encoding = model.encode(pictures(2), 4)
    with_target = model.select(encoding, 0.3, name, target_psnr=25.0)
    assert torch.equal(with_target.keep, model.select(encoding, 0.3, name).keep)
    assert (with_target.minimum == 0).all()


def test_gaussian_is_minus_log_density_at_the_quantizers_resolution():
    model = random_model()
    encoding = model.encode(pictures(2), 4)
    H = ESTIMATORS["gaussian"].function(model.observe(encoding))
    mean, log_variance = model.predictor.gaussian(model.predict(encoding))
    z = model.patch_codebook.down(encoding.patches)
    density = torch.distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum(2)
    bits = -density / math.log(2) - z.shape[2] * math.log2(math.sqrt(0.05))
    torch.testing.assert_close(H, bits, rtol=1e-4, atol=1e-3)
    model.patch_codebook.error.fill_(1e6)  # so coarse that no bits are needed
    assert (ESTIMATORS["gaussian"].function(model.observe(encoding)) < 0).any()
    assert (model.measure(encoding, "gaussian").entropy == 0).any()


def test_code_is_surprisal_and_prior_its_expectation():
    model = random_model()
    encoding = model.encode(pictures(2), 4)
    p = model.predictor.log_p(model.predict(encoding)).exp()  # (B, M, K)
    torch.testing.assert_close(p.sum(2), torch.ones_like(p[:, :, 0]))
    codes = model.quantize(encoding, model.select(encoding, count=16)).patch_codes
    taken = torch.stack([p[b, i, codes[b, i]] for b in range(2) for i in range(16)])
    code = ESTIMATORS["code"].function(model.observe(encoding))
    torch.testing.assert_close(code.flatten(), -taken.log2(), rtol=1e-4, atol=1e-4)
    prior = ESTIMATORS["prior"].function(model.observe(encoding))
    expected = (p * -p.log2()).sum(2).double()
    torch.testing.assert_close(prior, expected, rtol=1e-4, atol=1e-4)


def test_prior_is_a_function_of_the_global_codes_alone():
    model = random_model()
    a, b = model.encode(pictures(2), 4), model.encode(pictures(2, seed=9), 4)
    from dataclasses import replace

    mixed = replace(b, globals=a.globals)
    H = lambda encoding: ESTIMATORS["prior"].function(model.observe(encoding))  # noqa: E731
    assert torch.equal(H(mixed), H(a))
    assert not torch.equal(H(b), H(a))
    codes = model.quantize_globals(a).codes
    received = torch.cat([model.place_entropy(row) for row in codes.split(1)])  # one file each
    assert received.dtype == torch.float64
    # closer than float32 rounds, lest encoder and decoder rank two places differently
    torch.testing.assert_close(received, H(a), rtol=1e-12, atol=1e-12)


def test_rate_compares_each_patch_with_the_image_from_g():
    model, x = random_model(), pictures(2)
    encoding = model.encode(x, 4)
    H = model.measure(encoding, "rate").entropy
    y = model.decode_globals(encoding)
    D0 = 4 * 10 ** (-model.config.target_psnr / 10)
    for b in range(2):
        for i in range(16):
            r, c = divmod(i, 4)
            cut = (b, slice(None), slice(8 * r, 8 * r + 8), slice(8 * c, 8 * c + 8))
            D = (x[cut] - y[cut]).square().mean().item()
            expected = 0.5 * 192 * math.log2(max(1, D / D0))
            assert H[b, i].item() == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_rate_is_zero_where_g_suffices():
    model, x = random_model(), pictures(1)
    y = model.decode_globals(model.encode(x, 4))
    from dataclasses import replace

    encoding = replace(model.encode(x, 4), pixels=y)
    assert (model.measure(encoding, "rate").entropy == 0).all()
    assert model.select(encoding, 0.05).count.tolist() == [1]  # erratum 2: N = 1, patch 0
    assert model.select(encoding, 0.05).keep[0, 0]


def test_more_target_psnr_asks_for_more_bits():
    model = random_model()
    encoding = model.encode(pictures(1))
    total = [model.select(encoding, target_psnr=t).total.item() for t in (0, 10, 20, 30)]
    assert total == sorted(total) and total[0] < total[-1]


def test_rate_distortion_of_a_gaussian_source():
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.5
    variance = x.double().flatten(1).var(dim=1, unbiased=False)
    R = entropy.rate_distortion(x, 0.01)
    torch.testing.assert_close(R, 3 * 64 * 64 / 2 * (variance / 0.01).log2())
    assert (entropy.rate_distortion(x, 0.3) == 0).all()
    assert (entropy.rate_distortion(torch.zeros(1, 3, 8, 8), 0.01) == 0).all()


def test_minimum_information_is_r_of_d0_minus_r_of_dg():
    x = pictures(2)
    y = 0.5 * x
    D_G = (x - y).square().flatten(1).mean(1)
    for target in (5.0, 15.0, 30.0):
        D0 = entropy.distortion(target)
        expected = entropy.rate_distortion(x, D0) - entropy.rate_distortion(x, D_G.double())
        got = entropy.minimum_information(x, y, target)
        torch.testing.assert_close(got, expected.clamp(min=0), rtol=1e-5, atol=1e-5)
    assert entropy.distortion(20.0) == pytest.approx(0.04)
    assert entropy.minimum_information(x, x, 30.0).eq(0).all()  # G says all


def test_residual_under_autocast_is_projected_in_full_precision():
    model = random_model()
    encoding = model.encode(pictures(2), 4)
    plain = ESTIMATORS["residual"].function(model.observe(encoding))
    half = dataclasses.replace(encoding, patches=encoding.patches.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = [ESTIMATORS["residual"].function(model.observe(e)) for e in (encoding, half)]
    for found in mixed:  # the tokens are in half precision, the projection on them is not
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, plain, rtol=0.1, atol=0.05 * float(plain.max()))
