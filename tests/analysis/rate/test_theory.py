"""Rate and distortion against independent computations."""

import numpy as np
import pytest
import torch
from conftest import pictures, random_model
from scipy.fft import dctn
from scipy.optimize import brentq

from analysis.rate import theory
from tatok import entropy
from tatok.quality import psnr


def by_bisection(variance, weight, D):
    """Reverse water-filling, the water level by a root finder."""
    excess = lambda level: (weight * np.minimum(variance, level)).sum() / weight.sum() - D  # noqa: E731
    if excess(variance.max()) <= 0:
        return 0.0
    level = brentq(excess, 0, variance.max(), xtol=1e-16, rtol=1e-14)
    return 0.5 * (weight * np.log2(np.maximum(variance / level, 1))).sum()


def test_the_transform_is_scipys_orthonormal_dct():
    x = np.random.default_rng(0).normal(size=(12, 12))
    T = theory.dct_matrix(12).numpy()
    np.testing.assert_allclose(T @ x @ T.T, dctn(x, norm="ortho"), atol=1e-12)


def test_the_spectrum_holds_all_of_the_variance():
    x = pictures(1)
    found = theory.spectrum(x)
    total = x.numel() * x.double().var(unbiased=False).item()
    assert (found.weight * found.variance).sum().item() == pytest.approx(total, rel=1e-10)
    assert found.weight.sum().item() == x.numel()


def test_water_filling_finds_the_level():
    rng = np.random.default_rng(1)
    variance, weight = rng.exponential(size=40) ** 3, rng.integers(1, 9, size=40).astype(float)
    spectrum = theory.Spectrum(torch.from_numpy(variance), torch.from_numpy(weight))
    mean = (variance * weight).sum() / weight.sum()
    D = torch.tensor([1e-6, 1e-3, 0.05, 0.3 * mean, 0.99 * mean, mean, 2 * mean])
    D = D.double()
    expected = [by_bisection(variance, weight, d) for d in D.tolist()]
    np.testing.assert_allclose(theory.water_filling(spectrum, D), expected, rtol=1e-6, atol=1e-6)


def test_a_flat_spectrum_is_eq_18_and_any_other_needs_less():
    x = pictures(1)
    variance = x.double().var(unbiased=False)
    D = variance * torch.tensor([0.01, 0.1, 0.5, 0.9, 1.0, 3.0])
    flat = theory.Spectrum(variance[None], torch.tensor([float(x.numel())]).double())
    gaussian = torch.stack([entropy.rate_distortion(x, d)[0] for d in D])
    torch.testing.assert_close(theory.water_filling(flat, D), gaussian)
    own = theory.water_filling(theory.spectrum(x), D)
    assert (own[:4] < 0.7 * gaussian[:4]).all() and (own[4:] < 1e-6).all()
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    D = torch.tensor([0.01, 0.1]).double()
    gaussian = torch.stack([entropy.rate_distortion(noise, d)[0] for d in D])
    torch.testing.assert_close(
        theory.water_filling(theory.spectrum(noise), D), gaussian, rtol=0.02, atol=0
    )


def test_a_smooth_picture_needs_less_than_its_shuffled_pixels():
    x = pictures(1)
    shuffled = x.flatten(2)[:, :, torch.randperm(1024)].view_as(x)
    D = torch.tensor([0.02]).double()
    assert theory.water_filling(theory.spectrum(x), D) < 0.7 * theory.water_filling(
        theory.spectrum(shuffled), D
    )


def test_demand_is_appendix_b(model):
    x = pictures(1)
    y = model.decode_globals(model.encode(x))
    for found in theory.demand(model, x, [4.0, 10.0, 25.0]):
        T = entropy.minimum_information(x, y, found.psnr).item()
        assert found.minimum == pytest.approx(T)
        assert found.D0 == pytest.approx(entropy.distortion(found.psnr))
        assert found.D_G == pytest.approx((x - y).square().mean().item(), rel=1e-5)
        if found.rate:
            alpha = max(0.0, 1 - found.minimum / found.rate)
            assert min(1.0, found.alpha) == pytest.approx(alpha)
        else:
            assert found.alpha is None
        assert found.minimum_water <= found.rate
        assert found.capacity == 16 * 6


def test_demands_are_means_and_shares_over_images():
    model, x = random_model(), pictures(6)
    each = [theory.demand(model, one, (8.0, 20.0)) for one in x.split(1)]
    low, high = theory.demands(model, x, (8.0, 20.0))
    for j, found in enumerate((low, high)):
        assert found.minimum.value == pytest.approx(np.mean([e[j].minimum for e in each]))
        assert found.water.value == pytest.approx(np.mean([e[j].water for e in each]))
        beyond = np.mean([e[j].minimum > 96 for e in each])
        assert found.share_beyond == pytest.approx(beyond)
    assert high.share_beyond == 1 and high.share_reached == 0
    own = sorted(e[0].D_G for e in each)
    between = 10 * np.log10(4 / np.sqrt(own[1] * own[2]))  # G alone is enough for two of six
    (some,) = theory.demands(model, x, (between,))
    assert some.share_reached == pytest.approx(2 / 6)


def test_floors_spend_the_same_number_of_tokens():
    model, x = random_model(), pictures(4)
    found = theory.floors(model, x)
    assert [(f.k, f.count) for f in found] == [(0, 16), (4, 12), (6, 10)]
    for f in found:
        encoding = model.encode(x, f.k)
        tokens = model.quantize(encoding, model.select(encoding, count=f.count))
        y = model.decode(tokens)
        assert f.bits == tokens.bits().double().mean().item()
        assert f.psnr.value == pytest.approx(psnr(x, y).mean().item(), abs=1e-4)
        assert f.mse.value == pytest.approx((x - y).square().mean().item(), rel=1e-4)
        assert f.gain.value == pytest.approx(f.psnr.value - found[0].psnr.value, abs=1e-4)
    assert len({f.bits for f in found}) == 3  # the places of 12 of 16 patches cost bits
    text = theory.markdown(theory.Theory(4, 96.0, (), found, None))
    assert all(f"| {f.count} | {f.bits:.0f} |" in text for f in found)
