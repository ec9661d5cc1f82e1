"""Place, content and roll are orthogonal over all rolls; a planted effect is found where it is."""

import numpy as np
import pytest
import scipy.stats
import torch
from conftest import pictures, random_model

from analysis.bias import decomposition as dec
from analysis.bias.counterfactuals import PARTS, with_positions
from analysis.bias.places import mean_estimate, roll_table
from tatok.entropy import ESTIMATORS
from tatok.streams import seeded

G = 5
M = G * G
TABLE = roll_table(G)  # [r, p] -> content
NAMES = tuple(ESTIMATORS)


def effects(seed=0):
    """Place, content and roll, (M,) each, with mean 0."""
    a, b, c = torch.randn(3, M, generator=seeded(seed), dtype=torch.float64)
    return a - a.mean(), 2 * (b - b.mean()), 0.5 * (c - c.mean())


def variance(x):
    return x.square().mean().item()


def test_every_pair_of_place_content_and_roll_occurs_exactly_once():
    for column in TABLE.T:  # content against roll at each place, and so place against content
        assert column.sort().values.tolist() == list(range(M))
    for row in TABLE:
        assert row.sort().values.tolist() == list(range(M))


def test_the_sums_of_squares_add_up_exactly():
    values = torch.randn(M, M, generator=seeded(1), dtype=torch.float64).exp()
    found = dec.decompose(values)
    parts = (found.place, found.content, found.roll, found.rest)
    assert sum(parts) == pytest.approx(found.total, rel=1e-12)
    assert found.total == pytest.approx(values.var(unbiased=False).item(), rel=1e-12)
    assert sum(found.shares) == pytest.approx(1, rel=1e-12)


def test_planted_effects_are_found_where_they_are():
    a, b, c = effects()
    found = dec.decompose(7 + a + b[TABLE] + c[:, None])
    torch.testing.assert_close(found.effect_place, a)
    torch.testing.assert_close(found.effect_content, b)
    torch.testing.assert_close(found.effect_roll, c)
    assert found.place == pytest.approx(variance(a))
    assert found.content == pytest.approx(variance(b))
    assert found.roll == pytest.approx(variance(c))
    assert found.rest == pytest.approx(0, abs=1e-20)


def test_an_interaction_is_rest_and_noise_has_the_share_that_is_told():
    a, b, _ = effects()
    found = dec.decompose(a * b[TABLE])
    assert found.rest > 0.9 * found.total
    shares = torch.tensor(
        [
            dec.decompose(torch.randn(M, M, generator=seeded(2, i), dtype=torch.float64)).shares
            for i in range(200)
        ]
    ).mean(dim=0)
    noise = 1 / (M + 1)
    torch.testing.assert_close(shares[:3], torch.full((3,), noise), rtol=0.05, atol=0)


def test_what_does_not_vary_has_no_shares():
    assert dec.decompose(torch.full((M, M), 3.0)).shares is None
    assert dec.decompose(3 + 1e-8 * torch.randn(M, M, generator=seeded(0))).shares is None


def test_rolled_entropies_are_those_of_the_rolled_pictures():
    model, x = random_model(), pictures(1)
    H = dec.rolled_entropies(model, x, ("residual",), batch=5)["residual"]
    for r in (0, 1, 6, 15):
        dy, dx = divmod(r, 4)
        rolled = model.encode(x.roll((8 * dy, 8 * dx), dims=(2, 3)))
        expected = model.measure(rolled, "residual").entropy[0]
        torch.testing.assert_close(H[r], expected, rtol=1e-4, atol=1e-5)


def test_a_model_without_positions_has_no_place_share_and_one_with_them_has(model):
    x = pictures(1)
    free = with_positions(model, "zero", tuple(PARTS))
    without = dec.rolled_entropies(free, x, NAMES)
    with_them = dec.rolled_entropies(model, x, NAMES)
    for name in NAMES:
        found = dec.decompose(without[name])
        if name == "prior":  # a function of G alone: without places it is one number
            assert found.shares is None
        else:
            assert found.shares[1] == pytest.approx(1, abs=1e-6), name
        assert dec.decompose(with_them[name]).shares[0] > 0.002, name


def test_a_map_of_places_alone_is_all_place():
    H = torch.rand(16, generator=seeded(5)).expand(16, 16)
    assert dec.decompose(H).shares[0] == pytest.approx(1)


def bars(maps):
    return dec.bar_of("some", "rate", "entropy", [dec.decompose(H) for H in maps])


def test_a_bar_is_the_mean_over_images_in_which_something_varies():
    a, b, _ = effects()
    maps = [a.expand(M, M), b[TABLE], torch.zeros(M, M)]
    bar = bars(maps)
    place, content, roll, rest = bar.parts
    assert (bar.n, bar.left_out, bar.noise) == (2, 1, 1 / (M + 1))
    assert [part.factor for part in bar.parts] == list(dec.FACTORS)
    assert place.share.value == pytest.approx(0.5) and content.share.value == pytest.approx(0.5)
    assert place.variance.value == pytest.approx(variance(a) / 2)
    assert bar.total.value == pytest.approx((variance(a) + variance(b)) / 2)
    assert roll.share.value == pytest.approx(0, abs=1e-12)
    assert bars([torch.ones(M, M)]).parts == ()


def test_the_interval_of_a_dozen_is_students():
    maps = [torch.rand(M, M, generator=seeded(3, i)) for i in range(12)]
    shares = [dec.decompose(H).shares[0] for H in maps]
    found = bars(maps).parts[0].share
    low, high = scipy.stats.t.interval(0.95, 11, np.mean(shares), scipy.stats.sem(shares))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    bootstrap = mean_estimate(torch.tensor(shares))
    assert bootstrap.high - bootstrap.low < 0.95 * (high - low)
    assert bars(maps[:1]).parts[0].share.low is None


def test_the_common_share_tells_one_bias_from_many():
    same, own = effects(0)[0], [effects(i)[0] for i in range(1, 41)]
    assert dec.common_share(same.expand(5, M)) == pytest.approx(1)
    assert abs(dec.common_share(torch.stack(own))) < 0.05
    mixed = torch.stack([same + one for one in own])
    expected = variance(same) / (variance(same) + sum(map(variance, own)) / len(own))
    assert dec.common_share(mixed) == pytest.approx(expected, abs=0.1)
    assert dec.common_share(same[None]) is None


def test_every_set_of_pictures_has_a_bar_by_every_estimator():
    found = dec.measure(random_model(), pictures(2), epsilon=0.3)
    assert len(found) == 5 * len(NAMES) * len(dec.RESPONSES)
    assert {bar.pictures for bar in found} == set(dec.pictures(pictures(1), 1, 32, 0))
    for bar in found:
        assert sum(part.share.value for part in bar.parts) == pytest.approx(1, abs=1e-6)
    kept = [bar for bar in found if bar.response == "kept"]
    assert all(bar.total.value <= 0.25 for bar in kept)
    assert dec.markdown(found).count("\n") == len(found) + 1
