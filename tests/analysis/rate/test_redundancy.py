"""Code lengths: what a code may depend on, and Red where it is known."""

import dataclasses
import math

import pytest
import torch
from conftest import random_model

from analysis.rate import redundancy as red
from tatok.streams import seeded
from tatok.training.cache import CachedTokens

K, M, k = 64, 16, 4
ALL = [red.Case(p, g, joint) for p in red.PATCHES for g in (0, 1) for joint in (0, 1)]


def tokens(n, seed):
    generator = seeded(seed)
    return CachedTokens(
        torch.zeros(n).long(),
        torch.randint(K, (n, k), generator=generator),
        torch.randint(K, (n, M), generator=generator),
        torch.rand(n, M, generator=generator),
    )


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = red.CodeModel(random_model(), k)
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape)
    return model


@pytest.mark.parametrize("case", ALL)
def test_a_code_depends_on_what_the_case_shows_and_on_nothing_else(network, case):
    rows = tokens(1, 1)
    keep = torch.zeros(1, M, dtype=torch.bool)
    keep[0, [1, 2, 5, 9, 14]] = True
    before = network(rows, keep, case)[0]
    assert before.shape == (5,)

    def changed(place):
        codes = rows.patch_codes.clone()
        codes[0, place] = (codes[0, place] + 1) % K
        after = network(dataclasses.replace(rows, patch_codes=codes), keep, case)[0]
        return ((after - before).abs() > 1e-6).tolist()

    later = [bool(case.joint)]
    assert changed(5) == [False, False, True, *later, *later]  # the third code: itself, and later
    assert changed(6) == [False] * 5  # dropped
    other = dataclasses.replace(rows, global_codes=rows.global_codes.roll(1))
    seen = (network(other, keep, case)[0] - before).abs() > 1e-6
    assert seen.tolist() == [bool(case.globals)] * 5


@pytest.mark.parametrize("case", ALL)
def test_padding_changes_nothing(network, case):
    rows = tokens(2, 2)
    keep = torch.zeros(2, M, dtype=torch.bool)
    keep[0, :3], keep[1, :11] = True, True
    together = network(rows, keep, case)
    alone = network(red.select(rows, torch.tensor([0])), keep[:1], case)
    torch.testing.assert_close(together[0, :3], alone[0], rtol=1e-4, atol=1e-4)
    assert (together[0, 3:] == 0).all()


@pytest.mark.parametrize("case", ALL[:4])
def test_the_chain_is_a_distribution(network, case):
    """Probabilities of all values of a code add up to 1, whatever was before it."""
    rows = tokens(1, 3)
    keep = torch.ones(1, M, dtype=torch.bool)
    codes = rows.patch_codes.repeat(K, 1)
    codes[:, 7] = torch.arange(K)
    every = CachedTokens(
        rows.labels.repeat(K), rows.global_codes.repeat(K, 1), codes, rows.entropy.repeat(K, 1)
    )
    bits = network(every, keep.repeat(K, 1), case)[:, 7]
    assert (2**-bits).sum().item() == pytest.approx(1, abs=1e-4)


def test_a_place_table_brackets_the_entropy():
    share = torch.softmax(2 * torch.randn(M, K, generator=seeded(4)), dim=1)
    true = -(share * share.log2()).sum(dim=1).mean().item()

    def draw(n, seed):
        return torch.multinomial(share, n, replacement=True, generator=seeded(seed)).T

    seen, held = draw(2000, 5), draw(2000, 6)
    keep = torch.ones_like(seen, dtype=torch.bool)
    table = red.PlaceTable.fit(seen, keep, K)
    torch.testing.assert_close((2**-table.bits).sum(dim=1), torch.ones(M).double())
    bits = table.bits[torch.arange(M), held].mean().item()
    assert table.floor.mean() < true < bits < true + 0.1
    assert table.floor.mean() > true - 0.1


def test_a_table_of_few_images_leans_on_all_places():
    share = torch.softmax(2 * torch.randn(K, generator=seeded(7)), dim=0).expand(M, K)
    seen = torch.multinomial(share, 20, replacement=True, generator=seeded(8)).T
    held = torch.multinomial(share, 500, replacement=True, generator=seeded(9)).T
    table = red.PlaceTable.fit(seen, torch.ones_like(seen, dtype=torch.bool), K)
    true = -(share[0] * share[0].log2()).sum().item()
    assert table.bits[torch.arange(M), held].mean().item() < true + 0.4


def test_only_kept_codes_are_counted():
    codes = torch.tensor([[0, 1], [0, 2]])
    keep = torch.tensor([[True, True], [False, True]])
    assert red._counts(codes, keep, 3).tolist() == [[1, 0, 0], [0, 1, 1]]


def test_red_is_a_ratio_of_sums_with_a_bound():
    codes, singles = torch.tensor([2.0, 4.0]).double(), torch.tensor([20.0, 30.0]).double()
    joint, floor = torch.tensor([10.0, 20.0]).double(), torch.tensor([18.0, 27.0]).double()
    found = red.redundancy("all", False, codes, singles, joint, floor)
    assert (found.codes, found.singles, found.joint) == (3, 50 / 6, 5)
    assert found.red.value == pytest.approx(1 - 30 / 50)
    assert found.red.low == pytest.approx(1 - 20 / 30) and found.red.high == pytest.approx(0.5)
    assert found.at_least == pytest.approx(1 - 30 / 45)
    assert red.redundancy("all", True, codes, singles, joint, None).at_least is None


@pytest.mark.gradients
def test_known_redundancy_is_found_and_none_is_made_up():
    """A picture's codes are copies of one code for half of the places; the rest is noise."""
    model = random_model(codebook_size=8)
    generator = seeded(10)

    def rows(n):
        codes = torch.randint(8, (n, M), generator=generator)
        codes[:, 1:8] = codes[:, :1]
        return CachedTokens(
            torch.zeros(n).long(),
            torch.cat([codes[:, :1], torch.randint(8, (n, k - 1), generator=generator)], dim=1),
            codes,
            torch.rand(n, M, generator=generator),
        )

    found = red.measure(model, rows(800), rows(60), epsilon=0.3, sequences=3600)
    assert [(r.patches, r.given_globals) for r in found] == [
        ("all", False),
        ("all", True),
        ("kept", False),
        ("kept", True),
        ("random", False),
        ("random", True),
    ]
    everything, given, kept, kept_given, chance, chance_given = found
    assert chance.codes == kept.codes
    assert 0.15 < chance.red.value < 7 / 16 and abs(chance_given.red.value) < 0.06
    assert everything.singles == pytest.approx(3, abs=0.05)
    assert everything.red.value == pytest.approx(7 / 16, abs=0.05)
    assert everything.at_least == pytest.approx(7 / 16, abs=0.06)
    # G names the copied code, so that nothing redundant is left
    assert given.singles == pytest.approx(1.5, abs=0.15)
    assert given.red.value == pytest.approx(0, abs=0.06)
    assert 0.15 < kept.red.value < 7 / 16 and abs(kept_given.red.value) < 0.06
    assert 4 < kept.codes < 16
    assert math.isfinite(kept.floor)


def test_the_control_keeps_as_many_patches_of_each_picture_elsewhere():
    rows = tokens(40, 11)
    kept, chance, again = (
        red.kept_places(rows, 0.5, patches, seeded(12)) for patches in ("kept", "random", "random")
    )
    assert torch.equal(kept.sum(dim=1), chance.sum(dim=1)) and torch.equal(chance, again)
    assert (kept & chance).sum() < 0.8 * kept.sum()
