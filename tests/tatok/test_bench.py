"""The counted work against multiply-adds worked out by hand."""

import pytest

from tatok import bench


def by_hand(total):
    """Multiply-adds of the blocks' linear maps: `demo` size, 8 steps, 3 of them for the globals."""
    k, N = bench.split(total)
    per_token = 8 * 12 * 256 * 256
    return 2 * per_token * (3 * (1 + k) + 5 * (1 + k + N))


@pytest.mark.parametrize("total", [57, 569])
def test_counted_work_is_the_linear_maps_and_what_else_there_is(total):
    counted = bench.measure("demo", "", total, batch=1, steps=8, device="cpu").multiply_adds
    # logits, attention's own products and the places
    assert 1.05 < counted / by_hand(total) < 1.9


def test_split():
    assert bench.split(57) == (16, 41) and bench.split(457) == (16, 441)
    assert bench.split(569) == (128, 441)
