"""Probes find what is there, at the rate that it is there, and nothing else."""

import numpy as np
import pytest
import torch
from conftest import pictures, random_model
from sklearn.linear_model import LogisticRegression

from analysis.base.evaluate import BadData
from analysis.base.provenance import Data, Provenance
from analysis.base.results import Estimate
from analysis.bias import probe
from analysis.bias.counterfactuals import with_positions
from analysis.bias.places import mean_estimate
from tatok.streams import seeded

G = 4
ROW, COLUMN = torch.arange(16) // G, torch.arange(16) % G
EVERY = torch.ones(G, dtype=torch.bool)
ORIGIN = Provenance("c", "w", 7, None, Data("l.txt", "s", 3), 0, "e", "d", "t", "python")


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


TRAIN, TEST = skies(60, 1), skies(30, 2)
NAMES, LAYOUTS = ("with", "without"), ("grid", "sequence")


@pytest.fixture(scope="module")
def measured():
    """Of a model with positions, of the same one without, and of raw patches."""
    with torch.no_grad():
        model = random_model()
        return probe.measure([model, with_positions(model, "zero", ["encoder"])], TRAIN, TEST)


@pytest.fixture(scope="module")
def probed(measured):
    return [
        {(one.condition, one.target, one.feature): one for one in found.probes}
        for found in measured
    ]


def test_content_tells_place_in_upright_pictures_and_not_in_rolled_ones(probed):
    for feature in probe.FEATURES:
        upright = probed[2]["upright", "row", feature].accuracy
        rolled = probed[2]["rolled", "row", feature].accuracy
        assert upright.value.value > 0.9, feature
        assert abs(rolled.value.value - 1 / G) < 0.1, feature


def test_position_is_found_in_tokens_exactly_if_the_network_puts_it_there(probed):
    with_positions_, without, raw = (
        found["rolled", "column", "token"].accuracy.value.value for found in probed
    )
    assert with_positions_ > 0.6
    assert abs(without - 1 / G) < 0.1 and abs(raw - 1 / G) < 0.1


def test_one_model_alone_is_measured_as_beside_another(measured):
    model = random_model()
    alone, raw = probe.measure([model], TRAIN, TEST)
    assert alone.probes == measured[0].probes and raw.probes == measured[2].probes


def test_the_report_names_sizes_and_classes(probed):
    one = probed[0]["rolled", "row", "token"]
    assert all(len(found) == 2 * 2 * len(probe.FEATURES) for found in probed)
    assert one.dimensions == 48
    assert probed[2]["rolled", "row", "token"].dimensions == 192
    assert probed[0]["upright", "row", "code"].dimensions == 64
    assert sum(one.by_class) / G == pytest.approx(one.accuracy.value.value, abs=1e-5)
    edges = (one.by_class[0] + one.by_class[-1]) / 2
    assert one.edge.value.value == pytest.approx(edges, abs=1e-5)


def test_differences_are_paired_by_image(measured, probed):
    found = probe.differences(NAMES, LAYOUTS, measured, seed=3)
    names = ["with − raw patches", "without − raw patches", "without − with"]
    assert list(dict.fromkeys(one.name for one in found)) == names
    assert len(found) == len(names) * len(probe.TARGETS) * len(probe.FEATURES)
    of = {(one.name, one.target, one.feature): one.estimate for one in found}
    for (name, target, feature), estimate in of.items():
        first, second = ((NAMES + (probe.RAW,)).index(side) for side in name.split(" − "))
        a, b = (
            measured[i].right[list(probed[i]).index(("rolled", target, feature))]
            for i in (first, second)
        )
        assert estimate == mean_estimate(a - b, 3)
        values = [
            probed[i]["rolled", target, feature].accuracy.value.value for i in (first, second)
        ]
        assert estimate.value == pytest.approx(values[0] - values[1])
    assert of["without − with", "column", "token"].high < -0.3
    same = measured[0], measured[0], measured[2]
    layouts = probe.differences(NAMES, LAYOUTS, same)[-8:]
    assert {one.estimate for one in layouts} == {Estimate(0.0, 0.0, 0.0)}


def test_without_two_layouts_there_is_only_the_difference_to_raw_patches(measured):
    found = probe.differences(NAMES, ("grid", "grid"), measured)
    assert {one.name for one in found} == {"with − raw patches", "without − raw patches"}


def test_the_tables_have_a_row_for_each_probe_and_each_difference(measured):
    models = [
        probe.ModelProbes(name, layout, found.probes, ORIGIN)
        for name, layout, found in zip(NAMES, LAYOUTS, measured, strict=False)
    ]
    pairs = probe.differences(NAMES, LAYOUTS, measured)
    result = probe.Probes(60, 30, tuple(models), measured[2].probes, pairs)
    accuracies, _, differences = probe.markdown(result).split("\n\n")
    assert accuracies.count("\n") == 3 * 16 + 1 and differences.count("\n") == len(pairs) + 1
    assert "| without (sequence) |" in accuracies and "| raw patches |" in accuracies


@pytest.mark.parametrize("changes", [{"patch_size": 16}, {"codebook_size": 32}])
def test_models_with_other_patches_or_codes_are_not_compared(changes):
    with pytest.raises(BadData, match="same patches"):
        probe.measure([random_model(), random_model(**changes)], TRAIN, TEST)


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
