"""The chain encode -> select -> quantize -> decode: what may and what may not change its result."""

import dataclasses
from pathlib import Path

import pytest
import torch
from conftest import KINDS, TINY, pictures, random_model

from tatok import SIZES, TaTok, TokenizerConfig
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES, Correction
from tatok.tokens import place_bits
from tatok.transformer import patchify, unpatchify

ROOT = Path(__file__).parents[2]
COMBINATIONS = [(e, p) for e in ESTIMATORS for p in POLICIES]


def run(model, x, k=4, **how):
    encoding = model.encode(x, k)
    selection = model.select(encoding, **how)
    tokens = model.quantize(encoding, selection)
    return selection, tokens, model.decode(tokens)


@pytest.mark.parametrize(("estimator", "policy"), COMBINATIONS)
def test_shapes_and_ranges(model, estimator, policy):
    x = pictures(3)
    selection, tokens, y = run(model, x, epsilon=0.2, estimator=estimator, policy=policy)
    M = model.config.num_patches
    assert selection.entropy.shape == selection.keep.shape == (3, M)
    assert (selection.entropy >= 0).all()
    assert (selection.keep.sum(1) == selection.count).all()
    assert tokens.global_codes.shape == (3, 4) and tokens.patch_codes.shape == (3, M)
    assert ((tokens.patch_codes >= 0) == selection.keep).all()
    assert y.shape == x.shape and y.abs().max() <= 1


@pytest.mark.parametrize("k", [0, 1, 4, 6])
@pytest.mark.parametrize("count", [0, 1, 7, 16])
def test_every_k_and_every_n_decodes(model, k, count):
    selection, tokens, y = run(model, pictures(2), k, count=count)
    assert tokens.global_codes.shape == (2, k)
    assert selection.count.tolist() == [count, count] and selection.binding == ("count", "count")
    assert torch.isfinite(y).all()


def test_defaults_are_the_checkpoints_own(model):
    x = pictures(1)
    encoding = model.encode(x)
    assert encoding.globals.shape[1] == model.config.k
    assert model.select(encoding).estimator == model.config.estimator
    assert torch.equal(model.select(encoding).keep, model.select(encoding, 0.05).keep)


@pytest.fixture(params=[*KINDS, "trained"])
def any_model(request):
    """A tiny random model of each kind, and the weights that ship."""
    if request.param == "trained":
        return TaTok.from_pretrained(ROOT / "assets" / "demo")
    return random_model(**KINDS[request.param])


@pytest.mark.parametrize("policy", ["dtf", "uniform"])
def test_a_dropped_patch_cannot_change_the_output(any_model, policy):
    model = any_model
    encoding = model.encode(pictures(2, model.config.image_size), 4)
    selection = model.select(encoding, policy=policy, count=6)
    before = model.decode(model.quantize(encoding, selection))
    noise = 10 * torch.randn(encoding.patches.shape, generator=torch.Generator().manual_seed(1))
    dropped = dataclasses.replace(
        encoding, patches=encoding.patches + noise * ~selection.keep[:, :, None]
    )
    kept = dataclasses.replace(
        encoding, patches=encoding.patches + noise * selection.keep[:, :, None]
    )
    assert torch.equal(model.decode(model.quantize(dropped, selection)), before)
    assert not torch.equal(model.decode(model.quantize(kept, selection)), before)


def test_a_global_token_beyond_k_cannot_change_the_output(any_model):
    model, x = any_model, pictures(2, any_model.config.image_size)
    before = run(model, x, k=3, epsilon=0.2, estimator="gaussian")
    noise = torch.randn(model.encoder.queries.shape, generator=torch.Generator().manual_seed(1))
    model.encoder.queries.data[3:] += noise[3:]
    after = run(model, x, k=3, epsilon=0.2, estimator="gaussian")
    assert torch.equal(before[2], after[2]) and torch.equal(
        before[1].patch_codes, after[1].patch_codes
    )
    model.encoder.queries.data[:3] += noise[:3]
    assert not torch.equal(run(model, x, k=3, epsilon=0.2)[1].global_codes, before[1].global_codes)


def test_decode_equals_the_training_forward(model):
    encoding = model.encode(pictures(3), 4)
    selection = model.select(encoding, epsilon=0.3)
    made = model(encoding, selection.keep)
    tokens = model.quantize(encoding, selection)
    assert torch.equal(made.globals.codes, tokens.global_codes)
    assert torch.equal(made.patches.codes[selection.keep], tokens.patch_codes[selection.keep])
    torch.testing.assert_close(made.image.clamp(-1, 1), model.decode(tokens), atol=1e-4, rtol=0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_splitting_the_batch_changes_nothing(model, estimator):
    x = pictures(5)
    together = run(model, x, epsilon=0.2, estimator=estimator)
    for row in range(5):
        alone = run(model, x[row : row + 1], epsilon=0.2, estimator=estimator)
        assert torch.equal(alone[1].patch_codes[0], together[1].patch_codes[row])
        assert torch.equal(alone[1].global_codes[0], together[1].global_codes[row])
        torch.testing.assert_close(alone[2][0], together[2][row], atol=1e-4, rtol=0)


def test_random_policy_is_seeded_and_splits():
    model, x = random_model(), pictures(4)
    encoding = model.encode(x)

    def keep(rows, generator):
        return model.select(encoding.rows(rows), policy="random", count=5, generator=generator).keep

    everything = torch.arange(4)
    one = keep(everything, torch.Generator().manual_seed(3))
    assert torch.equal(one, keep(everything, torch.Generator().manual_seed(3)))
    assert not torch.equal(one, keep(everything, torch.Generator().manual_seed(4)))
    generator = torch.Generator().manual_seed(3)
    halves = torch.cat([keep(everything[:2], generator), keep(everything[2:], generator)])
    assert torch.equal(one, halves)
    own = keep(everything, None)  # a stream of each image's own
    assert torch.equal(own, torch.cat([keep(everything[row : row + 1], None) for row in range(4)]))
    assert len({tuple(row) for row in own.tolist()}) == 4


def test_sequence_layout_does_not_see_places():
    """In `sequence` codes in the same order give the same picture wherever they came from."""
    for layout, same in (("sequence", True), ("grid", False)):
        model = random_model(layout=layout)
        encoding = model.encode(pictures(1), 4)
        tokens = model.quantize(encoding, model.select(encoding, policy="first", count=5))
        codes = tokens.patch_codes[0, :5]
        elsewhere = torch.full_like(tokens.patch_codes, -1)
        elsewhere[0, [2, 5, 6, 11, 15]] = codes
        moved = dataclasses.replace(tokens, patch_codes=elsewhere)
        assert torch.equal(model.decode(tokens), model.decode(moved)) is same


def test_the_minimum_information_binds():
    model = random_model()
    encoding = model.encode(pictures(2))
    bindings, x = set(), encoding.pixels
    # D0 at which T is 85 % of the first image's H_total: between 70 % of it and all of it
    total = model.select(encoding, estimator="code").total[0]
    D_G = (x - model.decode_globals(encoding)).square().flatten(1).mean(dim=1)[0]
    variance = x.flatten(1).var(dim=1, unbiased=False)[0]
    D0 = torch.minimum(D_G, variance) * 2 ** (-2 * 0.85 * total / x[0].numel())
    for target in (0.0, float(10 * (4 / D0).log10()), 40.0):
        s = model.select(encoding, epsilon=0.3, estimator="code", target_psnr=target)
        assert torch.equal(s.threshold, torch.maximum(s.minimum, 0.7 * s.total))
        for row, binding in enumerate(s.binding):
            T, total = s.minimum[row], s.total[row]
            expected = "unreachable" if total < T else "minimum" if 0.7 * total < T else "loss rate"
            assert binding == expected
            if binding == "unreachable":
                assert s.count[row] == model.config.num_patches
        bindings |= set(s.binding)
    assert bindings == {"loss rate", "minimum", "unreachable"}
    assert (model.select(encoding).minimum == 0).all()


def test_an_encoding_is_decoded_once_from_all_and_once_from_no_patches(monkeypatch):
    """And one that was made from it by other rows or values starts anew."""
    model, calls = random_model(), []
    encoding = model.encode(pictures(2))
    decode = model.decoder.forward
    monkeypatch.setattr(model.decoder, "forward", lambda *a: calls.append(1) or decode(*a))
    for estimator in ("gain", "rate", "gain"):
        model.measure(encoding, estimator)
    assert len(calls) == 2
    one = encoding.rows(torch.tensor([1]))
    torch.testing.assert_close(model.decode_all(one), model.decode_all(encoding)[1:])
    other = dataclasses.replace(encoding, globals=encoding.globals.flip(0))
    assert not torch.equal(model.decode_globals(other), model.decode_globals(encoding))


def test_quantized_without_a_selection_all_patches_are_kept():
    model = random_model()
    encoding = model.encode(pictures(2))
    every = model.quantize(encoding, model.select(encoding, count=model.config.num_patches))
    found = model.quantize(encoding)
    assert torch.equal(found.patch_codes, every.patch_codes) and found.keep.all()
    assert torch.equal(found.global_codes, every.global_codes)


def test_the_minimum_of_gain_is_the_error_to_save():
    model = random_model()
    encoding = model.encode(pictures(2))
    x, M = encoding.pixels, model.config.num_patches
    D_G = (x - model.decode_globals(encoding)).square().flatten(1).mean(dim=1).double()
    for target in (0.0, 9.0, 40.0):
        s = model.select(encoding, epsilon=0.3, estimator="gain", target_psnr=target)
        D0 = 4 * 10 ** (-target / 10)
        torch.testing.assert_close(s.minimum, M * (D_G - D0).clamp(min=0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"estimator": "nothing"}, "estimator"),
        ({"policy": "nothing"}, "policy"),
        ({"count": 17}, "count"),
        ({"count": -1}, "count"),
        ({"count": 2.5}, "count"),
        ({"count": torch.tensor([1, 2, 3])}, "count"),
        ({"epsilon": 1.0}, "epsilon"),
    ],
)
def test_bad_settings_are_named(how, match):
    model = random_model()
    with pytest.raises(ValueError, match=match):
        model.select(model.encode(pictures(1)), **how)


def test_wrong_images_and_k_are_refused():
    model = random_model()
    with pytest.raises(ValueError, match="images"):
        model.encode(pictures(1, size=40))
    with pytest.raises(ValueError, match="k must"):
        model.encode(pictures(1), 7)


@pytest.mark.parametrize(("size", "overlap", "grid"), [(32, 0.0, 4), (32, 0.5, 7), (36, 0.25, 6)])
def test_overlap_and_sides(size, overlap, grid):
    config = dataclasses.replace(TINY, image_size=size, overlap=overlap)
    assert config.grid == grid
    x = pictures(2, size)
    patches = patchify(x, config)
    assert patches.shape == (2, grid**2, config.patch_dim)
    torch.testing.assert_close(unpatchify(patches, config), x)
    corner = x[:, :, :8, :8].reshape(2, -1)
    torch.testing.assert_close(patches[:, 0], corner)
    model = random_model(image_size=size, overlap=overlap)
    assert run(model, x)[2].shape == x.shape


def test_named_sizes():
    assert SIZES["paper"].num_patches == 441 and SIZES["demo"].num_patches == 1024
    assert TokenizerConfig(image_size=64).num_patches == 64
    with pytest.raises(ValueError, match="multiple"):
        TokenizerConfig(image_size=100)
    with torch.device("meta"):
        count = sum(p.numel() for p in TaTok(SIZES["paper"]).parameters())
    assert 40e6 < count < 60e6


@pytest.mark.gradients
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_everything(kind):
    from tatok.training.losses import LossWeights, total_loss

    model = random_model(**KINDS[kind]).train()
    encoding = model.encode(pictures(2), 6)
    keep = model.select(encoding, count=8).keep
    places = torch.arange(16)
    loss, _, terms = total_loss(model, encoding, keep, places, LossWeights(rate=0.1))
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert set(terms) >= {"rec", "commit", "glob", "gaussian", "code", "rate"}


def test_a_correction_changes_the_choice_and_makes_places_cost_bits():
    model, x = random_model(estimator="prior"), pictures(2)
    encoding = model.encode(x)
    H = model.measure(encoding).entropy
    paper = model.select(encoding, count=5)
    assert not paper.corrected and torch.equal(paper.entropy, H)
    correction = Correction(H.mean(dim=0))
    mended = model.select(encoding, count=5, correction=correction)
    assert mended.corrected and torch.equal(mended.entropy, correction(H))
    assert not torch.equal(mended.keep, paper.keep)
    free, sent = (model.quantize(encoding, s) for s in (paper, mended))
    # the decoder can compute H, but not what was taken out of it
    assert (free.places, sent.places) == ("prior", "sent")
    assert (sent.bits() - free.bits()).tolist() == [place_bits(16, 5)] * 2


@pytest.mark.parametrize(
    "change",
    [{"codebook_size": 32}, {"layout": "sequence"}, {"image_size": 40}, {"k": 8, "k_max": 8}],
)
def test_tokens_of_another_model_are_refused(change):
    ours, theirs = random_model(), random_model(**change)
    _, tokens, _ = run(theirs, pictures(1, theirs.config.image_size), theirs.config.k, count=3)
    with pytest.raises(ValueError, match="another model's"):
        ours.decode(tokens)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"image_size": 0}, "image_size"),
        ({"codebook_size": 0}, "codebook_size"),
        ({"thumbnail": 0}, "thumbnail"),
        ({"depth": -1}, "depth"),
    ],
)
def test_a_configuration_that_makes_no_model_is_refused(change, named):
    with pytest.raises(ValueError, match=named):
        dataclasses.replace(TINY, **change)


def test_an_estimator_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="estimator must be one of residual"):
        TaTok(dataclasses.replace(TINY, estimator="entropy"))
