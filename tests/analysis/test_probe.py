"""Probes find what is there, at the rate that it is there, and nothing else."""

import numpy as np
import pytest
import torch
from conftest import pictures, random_model
from sklearn.linear_model import LogisticRegression

from analysis import probe
from analysis.counterfactuals import with_positions
from analysis.evaluate import BadData
from tatok.data import seeded

G = 4
ROW, COLUMN = torch.arange(16) // G, torch.arange(16) % G
EVERY = torch.ones(G, dtype=torch.bool)


def test_codes_that_hold_the_row_are_read_and_shuffled_ones_are_not():
    generator = seeded(0)
    noise = torch.randint(16, (200, 16), generator=generator)
    codes = 16 * ROW + noise  # (200, 16), 64 codes
    labels = ROW.expand(200, -1)
    predict = probe.fit_codes(codes[:150].flatten(), labels[:150].flatten(), 64, G)
    assert (predict(codes[150:]).argmax(2) == labels[150:]).all()
    shuffled = codes.flatten()[torch.randperm(3200, generator=generator)].view(200, 16)
    predict = probe.fit_codes(shuffled[:150].flatten(), labels[:150].flatten(), 64, G)
    found = probe.score(predict(shuffled[150:]).argmax(2), labels[150:], EVERY, G, 0)
    assert found.value.low - 0.05 < found.chance < found.value.high + 0.05
    assert found.chance == pytest.approx(1 / G)


def test_a_code_never_seen_is_guessed_evenly():
    predict = probe.fit_codes(torch.zeros(10).long(), torch.ones(10).long(), 5000, G)
    guesses = torch.bincount(predict(torch.arange(1, 5000)).argmax(1), minlength=G) / 4999
    assert (guesses - 1 / G).abs().max() < 0.03


@pytest.mark.filterwarnings("ignore")
def test_vectors_are_read_as_sklearn_reads_them():
    generator = seeded(1)
    centres = 1.5 * torch.randn(G, 6, generator=generator)
    labels = torch.randint(G, (3000,), generator=generator)
    points = centres[labels] + torch.randn(3000, 6, generator=generator)
    ours = probe.fit_vectors(points[:2000], labels[:2000], G)(points[2000:]).argmax(1)
    theirs = LogisticRegression(max_iter=500).fit(points[:2000].numpy(), labels[:2000].numpy())
    agree = np.mean(ours.numpy() == theirs.predict(points[2000:].numpy()))
    assert agree > 0.99
    assert (ours == labels[2000:]).float().mean() > 0.6


def test_classes_along_a_line_are_told_apart():
    """Which least squares on indicators could not do: it would never name the middle classes."""
    labels = torch.arange(G).repeat(200)
    points = labels[:, None] + 0.1 * torch.randn(800, 1, generator=seeded(2))
    assert (probe.fit_vectors(points, labels, G)(points).argmax(1) == labels).float().mean() > 0.99


def test_favouring_the_edges_gains_nothing():
    labels = ROW.expand(50, -1)
    edge = torch.tensor([True, False, False, True])
    guess = 3 * torch.randint(2, (50, 16), generator=seeded(3))  # only edges, at random
    found = probe.score(guess, labels, edge, G, 0)
    assert found.value.value == pytest.approx(0.5, abs=0.06) and found.chance == 0.5
    assert probe.score(guess, labels, ~edge, G, 0).value.value == 0


def test_raw_codes_are_principal_components_and_their_nearest_centres():
    patches = torch.randn(500, 12, generator=seeded(4)) * torch.arange(1, 13)
    raw = probe.RawCodes.fit(patches, 32, 3, seeded(5))
    found = raw.features(patches.view(5, 100, 12))
    assert list(found) == list(probe.FEATURES)
    torch.testing.assert_close(raw.components.T @ raw.components, torch.eye(3), rtol=0, atol=1e-5)
    kept = found["latent"].var(dim=(0, 1)).sum() / patches.var(dim=0).sum()
    assert kept > 0.5  # 3 of 12 directions, but the largest
    distances = torch.cdist(found["latent"].flatten(0, 1), raw.centres)
    assert torch.equal(distances.argmin(1), found["code"].flatten())
    with pytest.raises(BadData, match="32 training patches"):
        probe.RawCodes.fit(patches[:31], 32, 3, seeded(5))


def skies(n, seed):
    """Pictures that are bright above and dark below: content tells the row."""
    ramp = torch.linspace(1, -1, 32)[:, None]
    noise = torch.randn(n, 3, 32, 32, generator=seeded(seed))
    return (0.8 * ramp + 0.1 * noise).clamp(-1, 1)


@pytest.fixture(scope="module")
def probed():
    """Of a model with positions, and of the same one without."""
    with torch.no_grad():
        model = random_model()
        free = with_positions(model, "zero", ["encoder"])
        sets = skies(60, 1), skies(30, 2)
        return [
            {
                (one.condition, one.target, one.feature, one.network): one
                for one in probe.measure(m, *sets)
            }
            for m in (model, free)
        ]


def test_content_tells_place_in_upright_pictures_and_not_in_rolled_ones(probed):
    for found in probed:
        for feature in probe.FEATURES:
            upright = found["upright", "row", feature, False].accuracy
            rolled = found["rolled", "row", feature, False].accuracy
            assert upright.value.value > 0.9, feature
            assert abs(rolled.value.value - 1 / G) < 0.1, feature


def test_position_is_found_in_tokens_exactly_if_the_network_puts_it_there(probed):
    with_positions_, without = (
        found["rolled", "column", "token", True].accuracy.value.value for found in probed
    )
    assert with_positions_ > 0.6
    assert abs(without - 1 / G) < 0.1


def test_the_report_names_sizes_and_classes(probed):
    one = probed[0]["rolled", "row", "token", True]
    assert len(probed[0]) == 2 * 2 * 2 * len(probe.FEATURES)
    assert one.dimensions == 48
    assert probed[0]["rolled", "row", "token", False].dimensions == 192
    assert probed[0]["upright", "row", "code", True].dimensions == 64
    assert sum(one.by_class) / G == pytest.approx(one.accuracy.value.value, abs=1e-5)
    edges = (one.by_class[0] + one.by_class[-1]) / 2
    assert one.edge.value.value == pytest.approx(edges, abs=1e-5)
    table = probe.markdown(tuple(probed[0].values()))
    assert table.count("\n") == len(probed[0]) + 1


def test_network_features_are_the_models_codes():
    model, x = random_model(), pictures(3)
    found = probe.network_features(model, x, batch=2)
    encoding = model.encode(x)
    tokens = model.quantize(encoding, model.select(encoding, count=16))
    assert torch.equal(found["code"], tokens.patch_codes)
    torch.testing.assert_close(
        model.patch_codebook.up(found["code vector"]),
        model.patch_codebook.embed(tokens.patch_codes),
    )
