"""The lab's basics: entropies of many images, ties, rolls."""

import pytest
import torch
from conftest import pictures, random_model

from analysis.base.evaluate import BadData
from analysis.bias import places
from tatok import filtering
from tatok.streams import seeded
from tatok.transformer import patchify


def test_entropies_are_the_models_own_whatever_the_batch():
    model, x = random_model(), pictures(5)
    found = places.entropies(model, x, ("residual", "rate"), k=3, batch=2)
    for name, H in found.items():
        expected = model.measure(model.encode(x, 3), name).entropy
        torch.testing.assert_close(H, expected, rtol=1e-4, atol=1e-6)


def test_without_ties_the_kept_are_those_of_algorithm_1():
    H = torch.rand(50, 16, generator=seeded(1), dtype=torch.float64)
    found = filtering.dtf(H, 0.3)
    assert torch.equal(places.kept(H, 0.3, seeded(0)), found.keep)


def test_ties_are_broken_at_random_and_n_is_kept():
    H = torch.ones(4000, 16, dtype=torch.float64)
    H[:, 5] = 9.0
    keep = places.kept(H, 0.4, seeded(0))
    assert torch.equal(keep.sum(dim=1), filtering.dtf(H, 0.4).count)
    others = keep[:, torch.arange(16) != 5].double().mean(dim=0)
    assert keep[:, 5].all() and (others - others.mean()).abs().max() < 0.04
    assert filtering.dtf(H, 0.4).keep[:, 0].all()  # the paper's rule would favour the first place
    assert torch.equal(keep, places.kept(H, 0.4, seeded(0)))


def test_without_ties_keeps_the_order_and_draws_the_rest():
    H = torch.tensor([[3.0, 0.0, 5.0, 0.0]], dtype=torch.float64).expand(400, 4)
    found = places.untied(H, seeded(0))
    assert (found[:, 2] == 4).all() and (found[:, 0] == 3).all()
    assert found.sort(dim=1).values.tolist() == 400 * [[1, 2, 3, 4]]
    assert 0.4 < (found[:, 1] > found[:, 3]).double().mean() < 0.6


def test_rounding_is_no_order():
    H = 1 + 1e-9 * torch.arange(16.0, dtype=torch.float64).expand(3000, 16)
    keep = places.kept(H, 0.5, seeded(0)).double().mean(dim=0)
    assert (keep - keep.mean()).abs().max() < 0.05


def test_the_roll_table_is_what_rolling_the_picture_does():
    config = random_model().config
    x = pictures(1)
    patches, g, s = patchify(x, config)[0], config.grid, config.patch_size
    table = places.roll_table(g)
    for r in range(config.num_patches):
        dy, dx = divmod(r, g)
        rolled = patchify(x.roll((dy * s, dx * s), dims=(2, 3)), config)[0]
        assert torch.equal(rolled, patches[table[r]])


def test_overlapping_patches_are_refused():
    config = random_model(overlap=0.5).config
    with pytest.raises(BadData, match="overlap"):
        places.check_patches(config)
