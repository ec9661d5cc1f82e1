"""Changed pictures and positions: what is changed, and what is not."""

import pytest
import torch
from conftest import pictures, random_model

from analysis.bias import counterfactuals as cf
from analysis.bias.places import entropies
from tatok.entropy import ESTIMATORS
from tatok.streams import seeded
from tatok.transformer import patchify

CONFIG = random_model().config
G, M, S = CONFIG.grid, CONFIG.num_patches, CONFIG.image_size
NAMES = tuple(ESTIMATORS)


def followed(x, change):
    """Every patch that the change claims to have moved shows what it showed."""
    known = change.source >= 0
    before, after = patchify(x, CONFIG), patchify(change.pixels, CONFIG)
    assert known.any()
    torch.testing.assert_close(after[:, known], before[:, change.source[known]])


def test_patches_go_where_the_source_says():
    x = pictures(2)
    for change in (
        cf.roll(x, CONFIG, 1, -2),
        cf.shuffle(x, CONFIG, 3),
        cf.swap(x, CONFIG, 2, 9),
        cf.repeat(x, CONFIG, 6),
        cf.crop_and_pad(x, CONFIG, 1, -1),
        cf.unchanged(x, CONFIG),
    ):
        followed(x, change)
    rolled = cf.roll(x, CONFIG, 1, -2).pixels
    torch.testing.assert_close(rolled, x.roll((8, -16), dims=(2, 3)))
    assert not torch.equal(cf.shuffle(x, CONFIG, 3).source, cf.shuffle(x, CONFIG, 4).source)
    moved = (cf.swap(x, CONFIG, 2, 9).source != torch.arange(M)).nonzero()[:, 0]
    assert moved.tolist() == [2, 9]
    assert (cf.repeat(x, CONFIG, 6).source == 6).all()


def test_a_mirrored_picture_is_mirrored_inside_its_patches():
    x = pictures(1)
    change = cf.mirror(x, CONFIG)
    before = patchify(x, CONFIG)[0].view(M, 3, 8, 8)
    after = patchify(change.pixels, CONFIG)[0].view(M, 3, 8, 8)
    assert torch.equal(after, before[change.source].flip(3))
    assert change.source[:G].tolist() == [3, 2, 1, 0]


def test_crop_and_pad_mirrors_and_leaves_no_seam():
    x = pictures(1)
    change = cf.crop_and_pad(x, CONFIG, 0, 1)
    assert torch.equal(change.pixels[..., 8:], x[..., :-8])
    assert torch.equal(change.pixels[..., :8], x[..., :8].flip(3))
    assert change.source.view(G, G)[:, 0].tolist() == [-1] * G
    assert change.source.view(G, G)[0, 1:].tolist() == [0, 1, 2]
    up = cf.crop_and_pad(x, CONFIG, -2, 0)
    assert torch.equal(up.pixels[:, :, :-16], x[:, :, 16:])
    assert torch.equal(up.pixels[:, :, -16:], x[:, :, -16:].flip(2))


@pytest.mark.parametrize("how", cf.POSITIONS)
def test_only_the_named_positions_change_and_not_in_the_model_itself(model, how):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    other = cf.with_positions(model, how, ["encoder", "predictor"], seed=1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    changed = {
        name for name, value in other.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"encoder.position", "predictor.places"}
    shared = dict(other.named_parameters())
    for name, value in model.named_parameters():
        assert (shared[name] is value) == (name not in changed)
    assert not torch.equal(other.encode(pictures(1)).patches, model.encode(pictures(1)).patches)


def test_what_each_position_change_does():
    model = random_model()
    old = model.encoder.position
    changed = {
        how: cf.with_positions(model, how, ["encoder"], 2).encoder.position for how in cf.POSITIONS
    }
    assert (changed["zero"] == 0).all()
    torch.testing.assert_close(changed["freeze"], old.mean(dim=0).expand_as(old))
    assert not torch.equal(changed["permute"], old)
    torch.testing.assert_close(
        changed["permute"].sort(dim=0).values, old.sort(dim=0).values, rtol=0, atol=0
    )
    for how, parts in (("halve", ["encoder"]), ("zero", ["head"])):
        with pytest.raises(ValueError, match="Choose among"):
            cf.with_positions(model, how, parts)


def test_each_estimator_depends_on_the_positions_that_the_text_names(model):
    x = pictures(2)
    before = entropies(model, x, NAMES)
    for part, users in {
        "encoder": set(NAMES),
        "decoder": {"rate", "gain"},
        "predictor": {"gaussian", "code", "prior"},
    }.items():
        other = cf.with_positions(model, "permute", [part], seed=3)
        after = entropies(other, x, NAMES)
        assert {e for e in NAMES if not torch.equal(before[e], after[e])} == users, part


@pytest.mark.parametrize("estimator", NAMES)
def test_without_positions_the_selection_follows_the_content(model, estimator):
    x = pictures(3)
    free = cf.with_positions(model, "zero", tuple(cf.PARTS))
    change = cf.shuffle(x, CONFIG, 1)
    H, shuffled = (entropies(free, y, [estimator])[estimator] for y in (x, change.pixels))
    torch.testing.assert_close(shuffled, H[:, change.source], rtol=1e-3, atol=1e-4)
    before, after = (entropies(model, y, [estimator])[estimator] for y in (x, change.pixels))
    assert (after - before[:, change.source]).abs().max() > 0.01 * before.abs().max()


def maps():
    return torch.rand(5, M, generator=seeded(7), dtype=torch.float64) + 0.1


def test_a_selection_that_is_about_content_moves_with_it():
    H, source = maps(), cf.roll(pictures(1), CONFIG, 1, 1).source
    moved = cf.compare(H, H[:, source], source, 0.5, seeded(0))
    assert (moved.content.common == 1).all() and (moved.content.beyond == 1).all()
    torch.testing.assert_close(moved.content.correlation, torch.ones(5).double())
    assert (moved.place.common < 1).all()


def test_a_selection_that_is_about_places_stays():
    H, source = maps(), cf.roll(pictures(1), CONFIG, 1, 1).source
    moved = cf.compare(H, H, source, 0.5, seeded(0))
    assert (moved.place.common == 1).all() and (moved.place.beyond == 1).all()
    assert (moved.content.common < 1).all()


def test_content_is_left_out_where_it_cannot_be_followed_or_did_not_move():
    H = maps()
    assert cf.compare(H, H, torch.full((M,), 3), 0.5, seeded(0)).content is None
    assert cf.compare(H, H, torch.arange(M), 0.5, seeded(0)).content is None
    source = cf.crop_and_pad(pictures(1), CONFIG, 0, 2).source
    moved = cf.compare(H, H, source, 0.5, seeded(0))
    assert moved.content.chance.shape == (5,)


def test_unrelated_selections_agree_as_chance_says():
    generator = seeded(9)
    before, after = (torch.rand(4000, M, generator=generator).double() for _ in range(2))
    keep = [H > level for H, level in ((before, 0.6), (after, 0.3))]
    found = cf.agreement(before, after, *keep)
    counted = keep[0].any(dim=1)
    assert abs((found.common - found.chance)[counted].mean()) < 0.01
    assert abs(found.correlation.mean()) < 0.02


def test_a_constant_map_has_no_correlation():
    found = cf.agreement(torch.ones(1, M), torch.rand(1, M), *[torch.ones(1, M).bool()] * 2)
    assert found.correlation.isnan().all()


def test_the_table_holds_every_change_by_every_estimator():
    rows = cf.measure(random_model(), pictures(3), epsilon=0.3)
    names = {row.change for row in rows}
    assert len(rows) == len(names) * len(NAMES) and len(names) == 8 + 3 * 4
    still = [row for row in rows if row.change == "zero positions, predictor"]
    of = {row.estimator: row for row in still}
    assert of["rate"].place.common.value == 1 and of["rate"].content is None
    assert of["gaussian"].place.correlation.value < 1
    assert cf.markdown(rows).count("\n") == len(rows) + 1
