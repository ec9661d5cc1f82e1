"""The interval that is printed holds a known truth as often as it says; that of FD_N does not."""

import numpy as np
import pytest

from analysis.base.coverage import KINDS, PAIRS, coverage, markdown, population
from analysis.base.metrics import frechet_distance


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [40, 80])
def test_the_interval_of_a_change_covers_a_known_change(kind, n):
    found = coverage(kind, "small", n, d=20, draws=60)
    assert found.change < -0.1
    assert found.limit >= 0.88 and found.limit_change >= 0.88  # 95 % less 2.5 standard errors
    assert found.fd_change < 0.8  # what the bias of FD_N does


@pytest.mark.parametrize("pair", PAIRS)
def test_the_truth_is_that_of_very_many_rows(pair):
    rng, n, d = np.random.default_rng(0), 60_000, 4
    for setting in PAIRS[pair]:
        variance, shrink, noise, truth = population(d, *setting)
        X = rng.normal(size=(n, d)) * np.sqrt(variance)
        Y = X * shrink + rng.normal(size=(n, d)) * np.sqrt(noise)
        assert frechet_distance(X, Y) == pytest.approx(truth, rel=0.05)


def test_the_table_has_a_row_for_each_case():
    rows = tuple(coverage("skewed", pair, 44, 2, draws=2) for pair in PAIRS)
    lines = markdown(rows).splitlines()
    assert len(lines) == 2 + len(PAIRS) and lines[3].startswith("| skewed | 44 | +0.0 % | ")
