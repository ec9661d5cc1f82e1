"""One model, any square grid: the same weights on pictures of other sides than the tables'."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from conftest import TINY, pictures

from tatok import filtering
from tatok.config import TokenizerConfig
from tatok.edit import encode_visible
from tatok.entropy import ESTIMATORS
from tatok.images import to_pil
from tatok.tokenfile import BadTokenFile, pack, unpack
from tatok.tokenizer import TaTok
from tatok.training.data import TrainingImages, augment, large_enough, list_images
from tatok.training.tokenizer import start_from_pca
from tatok.transformer import patchify, places_at, unpatchify

ANY = dataclasses.replace(TINY, min_side=24, max_side=56)
SIDES = list(ANY.sides)
OTHER = [side for side in SIDES if side != ANY.image_size]


def any_model(seed=0):
    torch.manual_seed(seed)
    model = TaTok(ANY).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "mlp.fc2" in name:
                p.normal_(0, 0.02)
        near = torch.randn(len(model.correlation), 40, generator=torch.Generator().manual_seed(1))
        model.correlation.copy_(torch.corrcoef(near))
    return model


def at(side, n=3):
    return F.interpolate(pictures(n), (side, side), mode="bilinear")


def test_the_sides_are_steps_of_the_stride():
    assert SIDES == [24, 32, 40, 48, 56]
    assert [ANY.grid_of(side) for side in SIDES] == [3, 4, 5, 6, 7]
    assert [ANY.side_of(grid) for grid in (3, 7)] == [24, 56]
    assert list(TINY.sides) == [TINY.image_size]


@pytest.mark.parametrize(
    "changes",
    [
        {"min_side": 40, "max_side": 56},  # image_size = 32 lies outside
        {"min_side": 30, "max_side": 56},  # not a whole step away
        {"layout": "sequence"},  # whose places are those of a sequence
    ],
)
def test_sides_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValueError, match="image_size|min_side|sequence"):
        dataclasses.replace(ANY, **changes)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_measures_every_grid(estimator, side):
    model, x = any_model(), at(side)
    encoding = model.encode(x, 4)
    selection = model.select(encoding, 0.3, estimator)
    M = (side // 8) ** 2
    assert selection.entropy.shape == (3, M)
    tokens = model.quantize(encoding, selection)
    y = model.decode(tokens)
    assert y.shape == x.shape
    torch.testing.assert_close(y, model(encoding, selection.keep).image.clamp(-1, 1))
    for row in range(3):
        assert torch.equal(unpack(pack(tokens, model, row), model).patch_codes[0],
                           tokens.patch_codes[row])  # fmt: skip


@pytest.mark.parametrize("side", OTHER)
@pytest.mark.parametrize("policy", filtering.POLICIES)
def test_every_policy_and_its_file_on_another_grid(policy, side):
    model = any_model()
    encoding = model.encode(at(side, 2), 3)
    M = (side // 8) ** 2
    tokens = model.quantize(encoding, model.select(encoding, policy=policy, count=M // 2))
    assert tokens.count.tolist() == [M // 2] * 2
    for row in range(2):
        back = unpack(pack(tokens, model, row), model)
        assert torch.equal(back.patch_codes[0], tokens.patch_codes[row])


def test_the_own_grid_is_untouched():
    table = torch.randn(16, 5)
    assert places_at(table, 4) is table
    plain = TaTok(TINY)
    model = plain.reshaped(min_side=24, max_side=56)
    x = pictures(2)
    assert torch.equal(model.encode(x).patches, plain.encode(x).patches)


def test_weights_with_another_image_size():
    model = any_model()
    large = model.reshaped(image_size=48, min_side=32, max_side=48)
    assert list(large.config.sides) == [32, 40, 48] and large.config.num_patches == 36
    x = at(48)
    before, after = model.encode(x, 4), large.encode(x, 4)
    torch.testing.assert_close(before.patches, after.patches)
    torch.testing.assert_close(model.correlation_at(4), large.correlation_at(4).double())
    tokens = model.quantize(before, model.select(before, count=12))
    torch.testing.assert_close(model.decode(tokens), large.decode(tokens))
    assert large.fingerprint != model.fingerprint


def test_a_place_is_its_share_of_the_side():
    """A table that is linear in the place stays so on another grid, away from the border."""
    centre = (torch.arange(4) + 0.5) / 4
    table = torch.stack(torch.meshgrid(centre, centre, indexing="ij"), dim=2).reshape(16, 2)
    fine = places_at(table, 8).view(8, 8, 2)
    expected = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(fine[2:6, 3, 0], expected[2:6], atol=0.03, rtol=0)
    torch.testing.assert_close(fine[3, 2:6, 1], expected[2:6], atol=0.03, rtol=0)


@pytest.mark.parametrize("side", SIDES)
def test_patches_and_pixels_are_inverse_on_every_grid(side):
    x = at(side)
    assert torch.equal(unpatchify(patchify(x, ANY), ANY), x)


@pytest.mark.parametrize("grid", [4, 5, 7])
def test_the_correlation_elsewhere_is_one_of_displacements(grid):
    model = any_model()
    found = model.correlation_at(grid)
    assert found.shape == (grid**2, grid**2)
    torch.testing.assert_close(found.diagonal(), torch.ones(grid**2).double())
    torch.testing.assert_close(found, found.T)
    assert torch.linalg.eigvalsh(found).min() > -1e-9
    at_place = found.view(grid, grid, grid, grid)
    assert at_place[0, 0, 1, 1] == at_place[1, 1, 2, 2]  # nothing but the displacement
    own = model.correlation.double().view(3, 3, 3, 3)
    by_hand = sum(own[r, 0, r + 1, 2] for r in range(2)) / 9
    torch.testing.assert_close(at_place[0, 0, 1, 2], by_hand)


def test_hidden_pixels_change_nothing_on_another_grid():
    model, x = any_model(), at(48, 1)
    hidden = torch.zeros(48, 48, dtype=torch.bool)
    hidden[8:20, 16:40] = True
    one = encode_visible(model, x, hidden)
    other = encode_visible(model, x.masked_fill(hidden, 1.0), hidden)
    assert one.patches.shape == (1, 36, ANY.dim)
    assert torch.equal(one.patches, other.patches) and torch.equal(one.globals, other.globals)
    with pytest.raises(ValueError, match="mask is 32 pixels wide"):
        encode_visible(model, x, hidden[:32, :32].roll(1, 0))


def test_other_sides_are_refused_in_one_sentence():
    model = any_model()
    for shape in ((1, 3, 64, 64), (1, 3, 36, 36), (1, 3, 32, 40), (3, 32, 32)):
        with pytest.raises(ValueError, match=r"S = 24 to 56 in steps of 8, not \("):
            model.encode(torch.zeros(shape))
    small = TaTok(TINY)
    encoding = model.encode(at(48, 1))
    tokens = model.quantize(encoding, model.select(encoding, count=3))
    with pytest.raises(ValueError, match="another model"):
        small.decode(tokens)
    data = bytearray(pack(tokens, model))
    with pytest.raises(BadTokenFile):
        unpack(bytes(data), small)


def test_gain_is_the_error_that_the_patches_save():
    model, x = TaTok(ANY), at(40)
    model.patch_codebook.live = False  # a linear codec of the patches: they do save something
    start_from_pca(model, pictures(8))
    encoding = model.encode(x, 4)
    everything = torch.ones(3, 25, dtype=torch.bool)
    error = lambda keep: patchify(  # noqa: E731
        (x - model(encoding, keep).image.clamp(-1, 1)).square(), ANY
    ).mean(dim=2)
    saved = (error(~everything) - error(everything)).double()
    evidence = model.measure(encoding, "gain")
    torch.testing.assert_close(evidence.rank, saved, atol=1e-6, rtol=1e-5)
    assert torch.equal(evidence.entropy, evidence.rank.clamp(min=0))
    assert (evidence.entropy > 0).float().mean() > 0.5
    kept = model.select(encoding, 0.0, "gain").keep
    assert torch.equal(kept, evidence.entropy > 0)  # epsilon = 0: every patch that saves any


def test_a_joint_batch_has_one_side_and_none_is_enlarged_much(tmp_path):
    for n, (x, side) in enumerate(zip(pictures(8), (40, 56) * 4, strict=True)):
        picture = to_pil(F.interpolate(x[None], (side, side)))
        picture.save(tmp_path / f"{n}.png")
    data = TrainingImages(list_images([tmp_path]), SIDES, seed=0, joint=4)
    seen = set()
    for n in range(0, 160, 4):
        sides = {data[n + j].shape[-1] for j in range(4)}
        assert sides == {data.side(n)}
        seen |= sides
    assert {56, 24} <= seen <= set(SIDES)
    small = TrainingImages([f for f in data.files if int(f.path.stem) % 2 == 0], [56], seed=0)
    assert small[0].shape == (3, 56, 56)  # there is no larger one
    read = TrainingImages(data.files, [56], seed=0)
    for n in range(16):
        read[n]
    large = read._short[[int(f.path.stem) % 2 == 1 for f in data.files]]
    assert (large == 56).all()  # the others were looked at and passed over


def test_validation_enlarges_as_little_as_training(tmp_path):
    for n, side in enumerate((40, 48, 49, 56)):
        to_pil(torch.zeros(3, side, side + 4)).save(tmp_path / f"{n}.png")
    (tmp_path / "x.png").write_bytes(b"nothing")
    files = list_images([tmp_path])
    assert [f.path.stem for f in large_enough(files, 56)] == ["2", "3"]
    assert large_enough(files, 100) == files


def test_the_square_is_never_enlarged_by_more_than_it_must():
    x = torch.zeros(1, 3, 64, 64)
    x[..., 32:] = 1  # an edge, of which a crop of a half shows more or less
    kinds = [augment(to_pil(x), 32, [1 - 1e-9, a, 0.5, 0.9, 0.9]) for a in (0.0, 1.0)]
    assert kinds[0].mean() < kinds[1].mean() - 0.3  # crops of 28 px, left and right
    whole = [augment(to_pil(x), 32, [1 - 1e-9, a, 0.5, 0.9, 0.1]) for a in (0.0, 1.0)]
    assert abs(whole[0].mean() - whole[1].mean()) < 0.35


def test_held_pictures_are_those_of_the_disk(tmp_path):
    for n, x in enumerate(pictures(6)):
        to_pil(F.interpolate(x[None], (48, 64), mode="bicubic").clamp(-1, 1)).save(
            tmp_path / f"{n}.png"
        )
    (tmp_path / "broken.png").write_bytes(b"nothing")
    files = list_images([tmp_path])
    disk = TrainingImages(files, SIDES, seed=0)
    held = TrainingImages(files, SIDES, seed=0, device=torch.device("cpu"))
    for n in range(30):
        a, b = disk[n], held[n]
        assert a.shape == b.shape and b.abs().max() <= 1
        assert (a - b).abs().mean() < 0.12  # the square is in whole pixels, the filter nearly alike
    assert held.unreadable == disk.unreadable == 1
    large = tmp_path / "large.png"
    to_pil(torch.zeros(3, 400, 300)).save(large)
    only = TrainingImages(list_images([tmp_path])[-1:], SIDES, seed=0, device=torch.device("cpu"))
    assert only._held[0].shape == (3, 112, 84) and only[0].shape[-1] == only.side(0)


def test_the_paper_has_one_side():
    assert list(TokenizerConfig(image_size=336, patch_size=16, dim=768, heads=12).sides) == [336]


@torch.enable_grad()
def test_a_deeper_decoder_begins_as_the_one_it_was():
    model, x = any_model(), at(40)
    deep = model.reshaped(decoder_depth=ANY.depth + 2)
    assert len(deep.decoder.blocks) == ANY.depth + 2 and len(deep.encoder.blocks) == ANY.depth
    encoding = model.encode(x, 4)
    tokens = model.quantize(encoding, model.select(encoding, count=12))
    assert torch.equal(model.decode(tokens), deep.decode(tokens))
    deep.train()(
        deep.encode(x), torch.ones(3, 25, dtype=torch.bool)
    ).image.square().mean().backward()
    assert deep.decoder.blocks[-1].attn.proj.weight.grad.any()  # and learns from the first step
    assert deep.decoder.blocks[-1].mlp.fc2.weight.grad.any()
    with pytest.raises(ValueError, match="cannot go on"):
        deep.reshaped(decoder_depth=1)
