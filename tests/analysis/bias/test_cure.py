"""Ways to choose N patches: each keeps N, and differs from the paper's where it should."""

import pytest
import torch
import torch.nn.functional as F
from conftest import pictures, random_model

from analysis.bias import cure
from tatok.filtering import Correction
from tatok.quality import psnr


class Means:
    """Means over the quarters of an image, (B, 12)."""

    name = "quarter means"

    def features(self, x):
        return F.adaptive_avg_pool2d(x, 2).flatten(1)


@pytest.fixture(scope="module")
def measured():
    with torch.no_grad():
        model, images, others = random_model(), pictures(42), pictures(6, seed=1)
        names, counts = ("rate", "residual"), (4, 8)
        rows = cure.measure(model, images, others, Means(), names, counts, seed=3, batch=10)
    return model, images, others, rows


def find(rows, estimator, count, way):
    (row,) = [r for r in rows if (r.estimator, r.count, r.way) == (estimator, count, way)]
    return row


def test_the_bias_is_the_mean_entropy_by_place(measured):
    model, _, others, _ = measured
    maps = cure.biases(model, others, seed=3)
    pictures_ = cure.content_free(32, seed=3)
    assert len(pictures_) == 2 + 2 * cure.CONTENT_FREE
    expected = model.measure(model.encode(pictures_), "residual").entropy.mean(dim=0)
    torch.testing.assert_close(maps["content-free"]["residual"], expected, rtol=1e-4, atol=1e-5)
    assert maps["rolled"]["rate"].shape == (16,)
    upright = model.measure(model.encode(others), "rate").entropy.mean(dim=0)
    assert not torch.allclose(maps["rolled"]["rate"], upright, rtol=1e-3)


def test_each_row_is_what_the_public_api_gives(measured):
    model, images, others, rows = measured
    bias = cure.biases(model, others, seed=3)["rolled"]["residual"]
    for way, how in (
        (cure.Way(), {}),
        (cure.Way("edges"), {"policy": "edges"}),
        (cure.Way("dtf", "rolled", "subtract"), {"correction": Correction(bias)}),
    ):
        encoding = model.encode(images)
        selection = model.select(encoding, estimator="residual", count=4, **how)
        y = model.decode(model.quantize(encoding, selection))
        row = find(rows, "residual", 4, way)
        assert row.psnr.value == pytest.approx(psnr(images, y).mean().item(), abs=1e-3)
        outer = selection.keep.view(-1, 4, 4)[:, :, [0, 3]].sum() / selection.keep.sum()
        assert row.columns == pytest.approx(outer.item(), abs=1e-3)


def test_gains_are_against_the_papers_way_at_the_same_n_and_estimator(measured):
    *_, rows = measured
    for row in rows:
        paper = find(rows, row.estimator, row.count, cure.Way())
        assert row.gain.value == pytest.approx(row.psnr.value - paper.psnr.value, abs=1e-4)
        assert row.fd_change.value == pytest.approx(row.fd.value - paper.fd.value, abs=1e-9)
        assert row.fd.low is not None and row.fd_change.low is not None
    paper = find(rows, "rate", 8, cure.Way())
    assert (paper.gain.value, paper.gain.low, paper.fd_change.value) == (0, 0, 0)
    assert find(rows, "rate", 8, cure.Way("edges")).columns == 1
    assert any(abs(row.gain.value) > 0.01 for row in rows)


def test_the_order_of_ties_is_no_choice_of_places():
    model = random_model(target_psnr=0.0)  # H by `rate` is 0 everywhere
    rows = cure.measure(model, pictures(40), pictures(4, seed=1), Means(), ["rate"], (1,))
    ties = [row for row in rows if row.way.policy == "dtf"]
    assert len(ties) == 3 and all(row.gain.value == 0 for row in ties)
    assert all(0.25 < row.columns < 0.75 for row in ties)  # place 0 alone would be 1


def test_a_rule_that_a_map_does_not_allow_is_left_out():
    maps = {"content-free": torch.tensor([0.0, 1.0]), "rolled": torch.tensor([1.0, 1.0])}
    names = [way.name for way, _ in cure.ways(maps)]
    assert names == [
        "the paper's",
        "edges first",
        "subtract, content-free pictures",
        "subtract, rolled pictures",
        "divide, rolled pictures",
    ]
