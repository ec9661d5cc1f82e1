"""Editing: what is hidden cannot be told from the result, and what is kept stays."""

import dataclasses

import pytest
import torch
from conftest import pictures, random_generator, random_model

from tatok import filtering
from tatok.canvas import MASKED
from tatok.edit import (
    encode_visible,
    hidden_patches,
    inpaint,
    interpolate,
    vary_globals,
    vary_patches,
)
from tatok.sampling import sample, still_masked
from tatok.tokenfile import pack, unpack
from tatok.tokens import place_bits

S, M, K_GLOBAL = 32, 16, 4


@pytest.fixture
def generator(model):
    return random_generator(model)


@pytest.fixture
def hidden():
    """Parts of the two by two patches in the middle, and one corner pixel of another."""
    mask = torch.zeros(S, S, dtype=torch.bool)
    mask[10:22, 12:20] = True
    mask[31, 31] = True
    return mask


UNSEEN = [5, 6, 9, 10, 15]


def tokens_of(model, x, count=9):
    encoding = model.encode(x)
    return model.quantize(encoding, model.select(encoding, count=count))


def last(steps):
    return list(steps)[-1]


# --- inpainting ------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ["rate", "gain", "gaussian", "code", "residual", "prior"])
@pytest.mark.parametrize("layout", ["grid", "sequence"])
def test_nothing_hidden_reaches_the_result(layout, estimator, hidden):
    model = random_model(layout=layout, estimator=estimator)
    generator = random_generator(model)
    x = pictures(1)
    others = (
        torch.where(hidden, -x, x),
        torch.where(hidden, pictures(1, seed=9), x),
        torch.where(hidden, torch.nan, x),
    )
    made = list(inpaint(model, generator, x, hidden, "a", epsilon=0.2, steps=4))
    drawn = torch.stack([step.committed.keep for step in made]).sum(0)[0]
    assert drawn.any() and not drawn[~hidden_patches(model, hidden)].any()
    for other in others:
        again = list(inpaint(model, generator, other, hidden, "a", epsilon=0.2, steps=4))
        for one, two in zip(made, again, strict=True):
            assert torch.equal(one.tokens.global_codes, two.tokens.global_codes)
            assert torch.equal(one.tokens.patch_codes, two.tokens.patch_codes)
            assert torch.equal(one.keep, two.keep)
            assert torch.equal(model.decode(one.tokens), model.decode(two.tokens))


def test_left_in_the_encoder_the_hidden_pixels_would_show(model, hidden):
    x = pictures(1)
    y = torch.where(hidden, -x, x)
    unseen = hidden_patches(model, hidden)
    left_in, hid = ([f(i) for i in (x, y)] for f in (
        model.encode, lambda i: encode_visible(model, i, hidden)
    ))  # fmt: skip
    codes = lambda e: model.quantize_globals(e).codes  # noqa: E731
    assert not torch.equal(codes(left_in[0]), codes(left_in[1]))
    assert not torch.equal(left_in[0].patches[:, ~unseen], left_in[1].patches[:, ~unseen])
    for name in ("patches", "globals", "pixels"):
        assert torch.equal(getattr(hid[0], name), getattr(hid[1], name)), name
    # zeros in place of the pixels are no way to hide them: the patches would still be attended to
    zeroed = model.encode(x.masked_fill(hidden, 0.0))
    assert not torch.allclose(zeroed.globals, hid[0].globals, atol=1e-3)


def test_the_visible_part_is_what_a_shorter_sequence_gives(model, hidden):
    x = pictures(2)
    encoding, unseen = encode_visible(model, x, hidden), hidden_patches(model, hidden)
    encoder, h = (
        model.encoder,
        model.encoder.embed(model_patches(model, x)) + model.encoder.position,
    )
    h = torch.cat([encoder.queries[:4].expand(2, -1, -1), h[:, ~unseen]], dim=1)
    for block in encoder.blocks:
        h = block(h)
    assert torch.equal(encoding.globals, h[:, :4] - encoder.queries[:4])
    own = h[:, 4:] - (encoder.position[~unseen] if model.config.layout == "grid" else 0)
    assert torch.equal(encoding.patches[:, ~unseen], own)
    assert not encoding.patches[:, unseen].any()
    everything = model.encoder(x, 4, torch.ones(M, dtype=torch.bool))
    for one, two in zip(everything, model.encoder(x, 4), strict=True):
        assert torch.equal(one, two)


def model_patches(model, x):
    return torch.nn.functional.unfold(x, 8, stride=8).transpose(1, 2)


def test_hidden_patches_hold_a_hidden_pixel(model, hidden):
    assert hidden_patches(model, hidden).nonzero()[:, 0].tolist() == UNSEEN
    assert torch.equal(hidden_patches(model, hidden[None, None]), hidden_patches(model, hidden))
    overlapping = random_model(overlap=0.5)  # 7 x 7 patches, one every four pixels
    one = torch.zeros(S, S, dtype=torch.bool)
    one[9, 9] = True
    assert hidden_patches(overlapping, one).nonzero()[:, 0].tolist() == [8, 9, 15, 16]


def test_visible_places_keep_their_codes_and_steps_are_exact(model, generator, hidden):
    x, unseen = pictures(3), hidden_patches(model, hidden)
    made = list(inpaint(model, generator, x, hidden, None, count=[9, 12, 16], steps=5))
    encoding = encode_visible(model, x, hidden)
    every = model.quantize(encoding, model.select(encoding, count=M))
    keep = made[0].keep
    assert keep.sum(1).tolist() == [9, 12, 16]
    length = (keep & unseen).sum(1)
    assert length[2] == len(UNSEEN)
    before = length
    for step in made:
        assert torch.equal(step.tokens.global_codes, every.global_codes)
        assert torch.equal(step.keep, keep)
        visible = keep & ~unseen
        assert torch.equal(step.tokens.patch_codes[visible], every.patch_codes[visible])
        after = still_masked(length, step.index, 5, "arccos")
        assert torch.equal((step.committed.patch_codes >= 0).sum(1), before - after)
        before = after
    assert torch.equal(made[-1].tokens.keep, keep)


def test_places_rest_on_measured_and_predicted_entropy(hidden):
    model = random_model()
    generator = random_generator(model)
    x, unseen = pictures(2), hidden_patches(model, hidden)
    encoding = encode_visible(model, x, hidden)
    measured, codes = model.measure(encoding).entropy, model.quantize_globals(encoding).codes
    share = generator.predicted_entropy(generator.labels("aa"), codes)
    torch.testing.assert_close(share.sum(1), torch.ones(2).double(), atol=1e-5, rtol=0)
    expected = measured.clone()
    for row in range(2):  # shares of the hidden places, in the unit of the visible ones
        unit = measured[row, ~unseen].sum() / share[row, ~unseen].sum()
        expected[row, unseen] = share[row, unseen] * unit
    assert (expected[:, ~unseen] > 0).any() and (expected[:, unseen] > 0).all()
    for epsilon in (0.05, 0.3, 0.6):
        keep = last(inpaint(model, generator, x, hidden, "a", epsilon=epsilon, steps=1)).keep
        assert torch.equal(keep, filtering.dtf(expected, epsilon).keep)
    prior = random_model(estimator="prior")
    codes = prior.quantize_globals(encode_visible(prior, x, hidden)).codes
    keep = last(inpaint(prior, random_generator(prior), x, hidden, "a", epsilon=0.3, steps=1)).keep
    assert torch.equal(keep, filtering.dtf(prior.place_entropy(codes), 0.3).keep)


@pytest.mark.parametrize("estimator", ["rate", "prior"])
def test_places_that_follow_from_the_global_codes_cost_nothing(estimator, hidden):
    """And a file without them has the same patches."""
    model = random_model(estimator=estimator)
    made = last(inpaint(model, random_generator(model), pictures(1), hidden, "a", epsilon=0.3))
    tokens = made.tokens
    assert tokens.places == ("prior" if estimator == "prior" else "sent")
    assert made.committed.places == tokens.places
    back = unpack(pack(tokens, model), model)
    assert torch.equal(back.patch_codes, tokens.patch_codes)
    sent = dataclasses.replace(tokens, places="sent")
    saved = int(sent.bits() - tokens.bits())
    assert saved == (place_bits(16, int(tokens.count)) if estimator == "prior" else 0)


def test_class_and_seed_change_what_is_drawn(model, generator, hidden):
    def draw(label, seed):
        made = inpaint(model, generator, pictures(1), hidden, label, count=M, seed=seed)
        return last(made).tokens.patch_codes

    assert torch.equal(draw("a", 0), draw("a", 0))
    assert not torch.equal(draw("a", 0), draw("b", 0))
    assert not torch.equal(draw("a", 0), draw("a", 1))
    twice = pictures(1).expand(2, -1, -1, -1)  # one picture twice: two ways to fill it
    one, two = last(inpaint(model, generator, twice, hidden, "a", count=M)).tokens.patch_codes
    assert not torch.equal(one, two) and torch.equal(one[None], draw("a", 0))


# --- variation and interpolation -------------------------------------------------------------


def test_vary_patches_keeps_the_global_codes_alone(model, generator):
    tokens = tokens_of(model, pictures(2))
    made = list(vary_patches(model, generator, tokens, "a", count=[7, 11], steps=6))
    assert len(made) == 6 and made[-1].keep.sum(1).tolist() == [7, 11]
    for step in made:
        assert torch.equal(step.tokens.global_codes, tokens.global_codes)
        left = still_masked(torch.tensor([7, 11]), step.index, 6, "arccos")
        assert torch.equal(step.tokens.count, torch.tensor([7, 11]) - left)
    other = dataclasses.replace(
        tokens, patch_codes=tokens_of(model, pictures(2, seed=4)).patch_codes
    )
    again = last(vary_patches(model, generator, other, "a", count=[7, 11], steps=6))
    assert torch.equal(again.tokens.patch_codes, made[-1].tokens.patch_codes)
    N = filtering.dtf(
        generator.predicted_entropy(generator.labels("aa"), tokens.global_codes), 0.4
    ).count
    free = last(vary_patches(model, generator, tokens, "a", epsilon=0.4))
    assert torch.equal(free.tokens.count, N)


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_vary_globals_keeps_the_patches_and_uses_all_steps(model, generator, steps):
    tokens = tokens_of(model, pictures(2))
    made = list(vary_globals(model, generator, tokens, "b", steps=steps))
    k = torch.full((2,), K_GLOBAL)
    assert [step.index for step in made] == list(range(1, steps + 1))
    for step in made:
        assert torch.equal(step.tokens.patch_codes, tokens.patch_codes)
        assert torch.equal(step.keep, tokens.keep)
        known = (step.tokens.global_codes >= 0).sum(1)
        assert torch.equal(known, k - still_masked(k, step.index, steps, "arccos"))
    drawn = made[-1].tokens.global_codes
    assert not torch.equal(drawn, tokens.global_codes)
    swapped = dataclasses.replace(tokens, patch_codes=tokens.patch_codes.flip(0))
    assert not torch.equal(
        last(vary_globals(model, generator, swapped, "b")).tokens.global_codes, drawn
    )


def test_prior_gives_the_places_of_varied_patches():
    model = random_model(estimator="prior")
    tokens = tokens_of(model, pictures(2))
    made = last(vary_patches(model, random_generator(model), tokens, "a", epsilon=0.3))
    H = model.place_entropy(tokens.global_codes)
    assert torch.equal(made.keep, filtering.dtf(H, 0.3).keep)


def test_interpolation_goes_from_one_picture_to_the_other(model, generator):
    a, b = (model.encode(x) for x in pictures(2).split(1))
    t = [0.0, 0.25, 0.5, 1.0]
    made = last(interpolate(model, generator, a, b, t, None, count=6))
    codes = made.tokens.global_codes
    assert torch.equal(codes[:1], model.quantize_globals(a).codes)
    assert torch.equal(codes[3:], model.quantize_globals(b).codes)
    halfway = dataclasses.replace(a, globals=(a.globals + b.globals) / 2)
    assert torch.equal(codes[2:3], model.quantize_globals(halfway).codes)
    assert made.tokens.count.tolist() == [6] * 4
    bare = last(interpolate(model, generator, a, b, t, None, count=0, steps=1)).tokens
    assert torch.equal(bare.global_codes, codes) and not bare.keep.any()
    torch.testing.assert_close(model.decode(bare)[:1], model.decode_globals(a), atol=1e-4, rtol=0)


# --- what is refused -------------------------------------------------------------------------


def test_bad_arguments_are_named_at_once(model, generator, hidden):
    x, tokens, one = pictures(1), tokens_of(model, pictures(1)), model.encode(pictures(1))
    short, two = model.encode(x, 3), model.encode(pictures(2))
    for bad, match in (
        (lambda: inpaint(model, generator, x, ~(hidden & ~hidden), "a"), "Every patch"),
        (lambda: inpaint(model, generator, x, hidden & ~hidden, "a"), "Nothing"),
        (lambda: inpaint(model, generator, x, hidden.float(), "a"), "boolean"),
        (lambda: inpaint(model, generator, x, hidden[:9], "a"), "boolean"),
        (lambda: inpaint(model, generator, x[:, :, :9], hidden, "a"), "images must be"),
        (lambda: inpaint(model, generator, x, hidden, "zebra"), "class"),
        (lambda: inpaint(model, generator, x, hidden, "a", count=17), "count"),
        (lambda: inpaint(model, generator, x, hidden, "a", steps=0), "steps"),
        (lambda: vary_patches(model, generator, tokens, "a", count=17), "count"),
        (lambda: vary_patches(model, generator, tokens_of(random_model(k=3), x), "a"), "k = 4"),
        (lambda: vary_globals(model, generator, tokens_of(random_model(k=3), x), "a"), "k = 4"),
        (lambda: vary_globals(model, generator, tokens, "zebra"), "class"),
        (lambda: interpolate(model, generator, one, short, [0.5], "a"), "k = 4"),
        (lambda: interpolate(model, generator, one, two, [0.5], "a"), "one picture"),
        (lambda: interpolate(model, generator, one, one, [1.5], "a"), "from 0 to 1"),
        (lambda: interpolate(model, generator, one, one, [], "a"), "from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=match):
            bad()


def test_a_generator_of_another_tokenizer_is_refused():
    model = random_model()
    random_generator(model).check_tokenizer(model)
    with pytest.raises(ValueError, match="another tokenizer"):
        random_generator(model).check_tokenizer(random_model(seed=1))


def test_a_list_drawn_in_parts_is_the_list(generator):
    def draw(labels, first):
        return last(sample(generator, labels, count=9, first_row=first)).tokens.patch_codes

    whole = draw(["a", "b", "a", "b"], 0)
    assert torch.equal(whole, torch.cat([draw(["a"], 0), draw(["b", "a", "b"], 1)]))
    assert (whole != MASKED).sum(1).tolist() == [9] * 4
    assert not torch.equal(draw(["a"], 0), draw(["a"], 1))
