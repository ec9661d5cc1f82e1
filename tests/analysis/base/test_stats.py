"""Intervals: against slow direct computations, and against the spread of fresh draws."""

import numpy as np
import pytest
import scipy.stats
import torch

from analysis.base import stats
from analysis.base.metrics import frechet_distance, kid
from analysis.base.results import Estimate
from analysis.base.stats import Originals, combine, mean_band


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def draw(rng, n=200, d=6):
    """Features of n images and of their reconstructions."""
    X = rng.normal(size=(n, d))
    return X, 0.7 * X + 0.3 * rng.normal(size=X.shape) + 0.2


def inside(found, truth):
    return found.low <= truth <= found.high


@pytest.mark.parametrize(("n", "d"), [(203, 6), (60, 90), (64, 61)])
def test_fd_without_each_group_is_the_distance_of_the_rest(rng, n, d):
    X, Y = draw(rng, n, d)
    Y[:, 0] = X[:, 0] = 3.0  # a dead channel
    found, _ = Originals(X).distances(Y)
    rest = [np.arange(n) % 20 != g for g in range(20)]
    slow = np.array([frechet_distance(X[r], Y[r]) for r in rest])
    np.testing.assert_allclose(found.replicates, slow, rtol=1e-6, atol=1e-7)
    error = np.sqrt(19 / 20 * np.square(slow - slow.mean()).sum())
    assert found.value == pytest.approx(frechet_distance(X, Y))
    assert found.high - found.value == pytest.approx(stats.T_95 * error, rel=1e-4)


def test_t_is_students():
    assert pytest.approx(scipy.stats.t.ppf(0.975, stats.GROUPS - 1), abs=1e-3) == stats.T_95


def test_fd_interval_is_the_spread_of_fresh_draws(rng):
    found = [Originals(X).distances(Y)[0] for X, Y in (draw(rng) for _ in range(150))]
    values = [one.value for one in found]
    half = np.mean([one.high - one.value for one in found])
    assert 0.75 < half / (stats.T_95 * np.std(values)) < 1.35
    assert 0.88 < np.mean([inside(one, np.mean(values)) for one in found]) <= 1


def test_kid_interval_covers_the_truth(rng):
    expected = np.mean([kid(*draw(rng), paired=True) for _ in range(400)])  # unbiased
    found = [Originals(X).kid(Y) for X, Y in (draw(rng, 80) for _ in range(150))]
    assert 0.87 < np.mean([inside(one, expected) for one in found]) < 0.99
    half = np.mean([one.high - one.low for one in found]) / 2
    assert 0.75 < half / (1.96 * np.std([one.value for one in found])) < 1.35


def test_kid_is_the_estimate_of_the_metrics_whatever_the_block(rng, monkeypatch):
    X, Y = draw(rng, 50)
    whole = Originals(X).kid(Y, seed=3)
    assert whole.value == pytest.approx(kid(X, Y, paired=True))
    monkeypatch.setattr(stats, "BLOCK", 16)
    parts = Originals(X).kid(Y, seed=3)
    np.testing.assert_allclose(
        [parts.value, parts.low, parts.high], [whole.value, whole.low, whole.high]
    )
    other = Originals(X).kid(Y, seed=4)
    assert other.value == parts.value and other.low != parts.low


@pytest.mark.parametrize("n", [2, 3])
def test_kid_of_very_few_images_is_finite(rng, n):
    found = Originals(draw(rng, n)[0]).kid(draw(rng, n)[1])
    assert np.isfinite([found.value, found.low, found.high]).all()


def test_mean_band_and_its_replicates(rng):
    values = torch.from_numpy(rng.normal(30, 2, size=400)).float()
    found = mean_band(values)
    half = 1.96 * values.std().item() / 20
    assert found.value == pytest.approx(values.double().mean().item())
    assert found.high - found.value == pytest.approx(half, rel=0.12)
    assert found.replicates[3] == pytest.approx(
        values[np.arange(400) % 20 != 3].double().mean().item()
    )
    again = combine(lambda mean: mean, found)  # two ways to the same interval
    assert again.high - again.low == pytest.approx(found.high - found.low, rel=0.4)


def test_a_difference_of_paired_values_is_surer_than_its_parts(rng):
    base = torch.from_numpy(rng.normal(30, 5, size=300))
    better = base + 0.5 + 0.1 * torch.from_numpy(rng.normal(size=300))
    low, high = mean_band(base), mean_band(better)
    assert low.high > high.low  # the intervals overlap
    gain = combine(lambda a, b: b - a, low, high)
    assert gain.value == pytest.approx(high.value - low.value)
    assert 0.45 < gain.low < gain.value < gain.high < 0.55


def test_too_few_images_have_a_value_and_no_interval(rng):
    X, Y = draw(rng, stats.FEWEST - 1)
    found, limit = Originals(X).distances(Y)
    assert limit is None and found == Estimate(frechet_distance(X, Y))
    few = mean_band(torch.arange(5.0))
    assert few.low < few.value == 2.0 < few.high and few.replicates == ()
    assert mean_band(torch.tensor([4.0])) == Estimate(4.0)
    assert combine(lambda a, b: a - b, few, found).low is None


@pytest.mark.parametrize(("n", "d"), [(203, 6), (64, 32)])
def test_the_limit_is_twice_the_distance_less_that_of_the_halves(rng, n, d):
    X, Y = draw(rng, n, d)
    _, limit = Originals(X).distances(Y)
    groups = np.arange(n) % 20

    def at(rows, parts):
        sets = [rows & (groups * parts // 20 == part) for part in range(parts)]
        return sum(s.sum() * frechet_distance(X[s], Y[s]) for s in sets) / rows.sum()

    every = np.ones(n, bool)
    assert limit.sizes == (n, n // 2, n // 4)
    np.testing.assert_allclose(limit.values, [at(every, parts) for parts in (1, 2, 4)])
    slow = [2 * at(groups != g, 1) - at(groups != g, 2) for g in range(20)]
    np.testing.assert_allclose(limit.estimate.replicates, slow, rtol=1e-6, atol=1e-7)
    assert limit.estimate.value == pytest.approx(2 * limit.values[0] - limit.values[1])


def test_with_fewer_than_two_images_a_feature_there_is_no_limit(rng):
    assert Originals(draw(rng, 63, 32)[0]).distances(draw(rng, 63, 32)[1])[1] is None
    assert Originals(draw(rng, 64, 32)[0]).distances(draw(rng, 64, 32)[1])[1] is not None
