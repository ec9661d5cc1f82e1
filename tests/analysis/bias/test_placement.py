"""Fig. 8: shares against chance, and a test whose unit is the image."""

import numpy as np
import pytest
import torch

from analysis.bias import controls, placement
from tatok.streams import seeded

G = 8
M = G * G
COLUMN = torch.arange(M) % G


def blobs(n, generator):
    """Entropies (n, M) with one smooth bump each, anywhere on the torus: no place is special."""
    line = torch.arange(G)
    maps = []
    for _ in range(n):
        y, x = torch.randint(G, (2,), generator=generator).tolist()
        d = ((line - y + 4) % G - 4)[:, None] ** 2 + ((line - x + 4) % G - 4) ** 2
        maps.append((-d / 4.0).exp().flatten())
    return torch.stack(maps).double()


def test_regions_and_their_chance():
    masks = placement.regions(4)
    assert masks["columns"].view(4, 4).sum(0).tolist() == [4, 0, 0, 4]
    assert masks["rows"].view(4, 4).sum(1).tolist() == [4, 0, 0, 4]
    assert masks["border"].sum() == 12


def test_shares_are_counted_by_image():
    H = torch.ones(2, M, dtype=torch.float64)
    H[0, COLUMN == 0] = 1000.0  # 8 of the left column
    H[1, [0, 1, 9, 10]] += 1000.0  # a quarter of the kept are at the left
    found = placement.placement("two", "residual", H, epsilon=0.1)
    columns, rows, border = found.shares
    assert (found.n, found.left_out) == (2, 0)
    assert [columns.region, rows.region, border.region] == ["columns", "rows", "border"]
    assert columns.share.value == pytest.approx((1 + 1 / 4) / 2)
    assert rows.share.value == pytest.approx((2 / 8 + 2 / 4) / 2)
    assert columns.chance == 2 / G and border.chance == 28 / 64
    assert sum(found.kept) / M == pytest.approx(1)
    assert found.kept[0] == pytest.approx(M * (1 / 8 + 1 / 4) / 2)
    assert found.count == pytest.approx(6)


def test_images_without_entropy_are_left_out():
    H = torch.zeros(3, M, dtype=torch.float64)
    nothing = placement.placement("flat", "rate", H)
    assert (nothing.n, nothing.left_out, nothing.shares) == (0, 3, ())
    H[1, 7] = 1.0
    one = placement.placement("flat", "rate", H)
    assert (one.n, one.left_out, one.count) == (1, 2, 1.0)
    assert one.shares[0].share.value == 1.0


def test_a_single_picture_has_no_interval_and_no_p():
    for share in placement.placement("white", "code", blobs(1, seeded(0))).shares:
        assert share.p is None and share.share.low is None


def test_a_bias_is_found_and_its_absence_is_not_called_one():
    H = blobs(20, seeded(1))
    unbiased = placement.placement("blobs", "residual", H, 0.5)
    assert all(share.p > 0.01 for share in unbiased.shares)
    biased = placement.placement("blobs", "residual", H + 0.5 * (COLUMN == 0), 0.5)
    columns, rows, _ = biased.shares
    assert columns.p < 0.01 and columns.share.low > columns.chance
    assert rows.p > 0.01


def test_under_the_hypothesis_p_is_uniform():
    """Kept sets are blobs: a test that took patches for independent would reject far too often."""
    generator, region = seeded(2), placement.regions(G)["columns"]
    values = []
    for _ in range(300):
        keep = blobs(6, generator) > 0.3
        share = keep.double() / keep.sum(dim=1, keepdim=True)
        values.append(placement.shift_test(share, region, generator))
    values = np.array(values)
    assert 0.02 < (values < 0.05).mean() < 0.09
    assert 0.4 < (values < 0.5).mean() < 0.6


def test_the_pictures_are_those_of_fig_8():
    flat = controls.patterns(16)
    assert list(flat) == ["white", "black", "gradient", "checkerboard"]
    assert flat["white"].unique().tolist() == [1.0] and flat["black"].unique().tolist() == [-1.0]
    noises = controls.noises(3, 16, seed=4)
    assert torch.equal(noises[1:], controls.noises(2, 16, seed=5))
    assert not torch.equal(noises[0], noises[1])
    colours = controls.colours(5, 16)
    assert (colours.flatten(2).std(dim=2) == 0).all() and len(colours[:, 0, 0, 0].unique()) > 1


def seam(x):
    """Mean jump between opposite edges over the mean jump between neighbours."""
    jumps = [
        ((x[:, :, 0] - x[:, :, -1]).abs().mean() / x.diff(dim=2).abs().mean()),
        ((x[..., 0] - x[..., -1]).abs().mean() / x.diff(dim=3).abs().mean()),
    ]
    return max(jumps)


def test_controls_without_a_seam_have_none_and_the_others_do():
    tileable, cut = controls.clouds(8, 32), controls.clouds(8, 32, tileable=False)
    assert seam(tileable) < 1.2 < 1.6 < seam(cut)
    assert seam(controls.mirrored(cut)) < 0.01
    quarter = cut[:, :, 8:24, 8:24]
    assert torch.equal(controls.mirrored(cut)[:, :, :16, :16], quarter)
    assert torch.equal(controls.mirrored(cut)[:, :, 16:, 16:], quarter.flip(2, 3))


def test_random_rolls_move_each_picture_by_whole_patches():
    x = controls.clouds(6, 32)
    rolled = controls.random_rolls(x, 8)
    shifts = set()
    for image, moved in zip(x, rolled, strict=True):
        hits = [
            (dy, dx)
            for dy in range(4)
            for dx in range(4)
            if torch.equal(image.roll((8 * dy, 8 * dx), dims=(1, 2)), moved)
        ]
        assert len(hits) == 1
        shifts.add(hits[0])
    assert len(shifts) > 1
