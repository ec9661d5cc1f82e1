"""MaskGIT: schedules kept exactly, rows apart, padding unseen, every knob heard."""

import dataclasses

import pytest
import torch
from conftest import random_generator, random_model

from tatok import MaskGIT, filtering
from tatok.canvas import MASKED, PADDING, Canvas, pack, unpack
from tatok.config import GENERATOR_SIZES, GeneratorConfig
from tatok.sampling import (
    SCHEDULES,
    SamplingOptions,
    fill,
    halton_rank,
    narrowed,
    sample,
    still_masked,
)
from tatok.streams import seeded
from tatok.tokenfile import pack as pack_file
from tatok.tokenfile import unpack as unpack_file
from tatok.tokens import Tokens, place_bits
from tatok.training import generator as train_generator
from tatok.training.cache import CachedTokens
from tatok.training.generator import GeneratorTask, draw_mask, hide
from tatok.training.loop import World
from tatok.training.losses import GeneratorLoss, near_codes
from tatok.transformer import patchify

CONFIG = GeneratorConfig(
    classes=("a", "b", "c"), tokenizer="0" * 16, num_patches=16, k=4, codebook_size=32, dim=32,
    depth=2, place_dim=16,
)  # fmt: skip


@pytest.fixture
def model():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        made = MaskGIT(CONFIG).eval()
        for parameter in made.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    return made


def canvas(B=3, seed=0, known=True):
    g = torch.Generator().manual_seed(seed)
    keep = torch.rand(B, 16, generator=g) < torch.linspace(0.3, 0.9, B)[:, None]
    keep[:, 0] = True
    places, codes = pack(keep, torch.randint(32, (B, 16), generator=g))
    globals_ = torch.randint(32, (B, 4), generator=g)
    full = Canvas(torch.arange(B) % 4, globals_, codes, places)
    return full if known else hide(full, torch.ones(B, 4 + codes.shape[1], dtype=torch.bool))


def run(model, labels=("a", "b", None), **options):
    return list(sample(model, list(labels), **options))


def test_pack_and_unpack():
    keep = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    codes = torch.tensor([[5, 6, 7], [1, 2, 3], [9, 8, 7]])
    places, packed = pack(keep, codes)
    assert places.tolist() == [[0, 2, -1], [-1, -1, -1], [0, 1, 2]]
    assert packed.tolist() == [[5, 7, -1], [-1, -1, -1], [9, 8, 7]]
    assert torch.equal(unpack(places, packed, 3), codes.masked_fill(~keep, -1))


def test_padding_is_not_seen(model):
    c = canvas(known=False)
    short = int(c.real[0].sum())
    alone = Canvas(
        c.labels[:1], c.global_codes[:1], c.patch_codes[:1, :short], c.places[:1, :short]
    )
    h, h_alone = model(c), model(alone)
    torch.testing.assert_close(h[:1, : 5 + short], h_alone, atol=1e-5, rtol=0)
    other = dataclasses.replace(c, patch_codes=torch.where(c.real, c.patch_codes, 7))
    torch.testing.assert_close(model(other)[:, :5], h[:, :5], atol=1e-5, rtol=0)


def test_only_masked_tokens_get_logits(model):
    c = canvas()
    hidden = torch.zeros_like(c.codes, dtype=torch.bool)
    hidden[0, [0, 5]] = hidden[2, 6] = True
    logits = model.logits(hide(c, hidden))
    assert logits.globals.shape == (1, 32) and logits.patches.shape == (2, 32)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 8, 40])
def test_the_scheduled_number_is_committed_and_stays(model, schedule, steps):
    made = run(model, steps=steps, schedule=schedule, epsilon=0.4)
    assert [s.index for s in made] == list(range(1, steps + 1))
    k, N = 4, made[-1].keep.sum(1)
    first = 0 if steps == 1 else min(steps - 1, max(1, round(3 / 8 * steps)))
    for step in made:
        got_g = (step.committed.global_codes >= 0).sum(1)
        got_p = (step.committed.patch_codes >= 0).sum(1)
        if steps == 1:
            assert (got_g == k).all() and (got_p == N).all()
            continue
        in_globals = step.index <= first
        t, T = (step.index, first) if in_globals else (step.index - first, steps - first)
        length = torch.full_like(N, k) if in_globals else N
        expected = (still_masked(length, t - 1, T, schedule) if t > 1 else length) - still_masked(
            length, t, T, schedule
        )
        assert torch.equal(got_g if in_globals else got_p, expected)
        assert (got_p if in_globals else got_g).sum() == 0
    for before, after in zip(made, made[1:], strict=False):
        for name in ("global_codes", "patch_codes"):
            old, new = getattr(before.tokens, name), getattr(after.tokens, name)
            assert torch.equal(new[old >= 0], old[old >= 0])
            fixed = getattr(after.committed, name)
            assert torch.equal(torch.where(fixed >= 0, fixed, old), new)
    last = made[-1].tokens
    assert (last.global_codes >= 0).all() and torch.equal(last.patch_codes >= 0, made[-1].keep)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_step_that_runs_fixes_a_token_of_every_picture(model, schedule, monkeypatch):
    """With more steps than tokens the model runs once for each token."""
    passes = []
    forward = type(model).forward
    monkeypatch.setattr(type(model), "forward", lambda s, c: passes.append(1) or forward(s, c))
    made = list(sample(model, ["a"] * 2, count=5, steps=32, schedule=schedule, guidance=2.0))
    assert [step.index for step in made] == list(range(1, 33))
    k = model.config.k
    assert len(passes) == k + 5
    fixed = [
        s.committed.global_codes.ge(0).sum(1) + s.committed.patch_codes.ge(0).sum(1) for s in made
    ]
    assert sum(bool((n > 0).all()) for n in fixed) == k + 5
    assert all((n > 0).all() or (n == 0).all() for n in fixed)
    assert (made[-1].tokens.patch_codes >= 0).sum(1).tolist() == [5, 5]


def test_what_one_step_fixes_by_halton_lies_apart(model):
    for grid in range(1, 33):
        assert sorted(halton_rank(grid).tolist()) == list(range(grid * grid))

    def apart(places) -> float:  # mean distance of a place to the nearest of the others
        yx = torch.stack([places // 16, places % 16], dim=1).float()
        return torch.cdist(yx, yx).fill_diagonal_(99).min(dim=1).values.mean().item()

    generator = torch.Generator().manual_seed(0)
    chance = (torch.randperm(256, generator=generator)[:32] for _ in range(100))
    assert apart((halton_rank(16) < 32).nonzero()[:, 0]) > max(map(apart, chance))
    made = run(model, steps=8, order="halton", count=16)
    rank = halton_rank(4)
    for before, after in zip(made, made[1:], strict=False):
        done, now = (rank[(s.tokens.patch_codes[0] >= 0)] for s in (before, after))
        assert set(done.tolist()) == set(range(len(done))) and len(now) >= len(done)


def test_spread_is_of_the_deviation_about_the_mean():
    codes = torch.linspace(-8, 8, 1601)[:, None]
    ln = (-((codes[:, 0] - 1) ** 2) / 2).log_softmax(dim=0)[None]
    for spread in (0.2, 0.5, 1.0):
        p = narrowed(ln, codes, spread).exp()[0]
        mean = (p * codes[:, 0]).sum()
        deviation = (p * (codes[:, 0] - mean) ** 2).sum().sqrt()
        assert mean.item() == pytest.approx(1, abs=1e-3)
        assert deviation.item() == pytest.approx(spread, rel=1e-2)
    twin = torch.tensor([0.3, 0.0, 0.7]).log()[None]  # a mode apart from the mean
    p = narrowed(twin.clamp(min=-9), torch.tensor([[-1.0], [0.4], [1.0]]), 0.1).exp()
    assert p.argmax() == 1


def test_schedules_fall_from_one_to_zero():
    for gamma in SCHEDULES.values():
        values = [gamma(r / 20) for r in range(21)]
        assert values[0] == pytest.approx(1) and values[-1] == pytest.approx(0, abs=1e-12)
        assert values == sorted(values, reverse=True)


KNOBS = {
    "steps": 5,
    "schedule": "linear",
    "temperature": 0.3,
    "choice_temperature": 30.0,
    "top_p": 0.1,
    "guidance": 6.0,
    "guidance_schedule": "constant",
    "epsilon": 0.7,
    "seed": 1,
    "patch_temperature": 0.3,
    "patch_guidance": 1.0,
    "order": "halton",
    "patch_spread": 0.1,
}


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_changes_the_result(model, knob):
    base = run(model)[-1].tokens
    change = {knob: KNOBS[knob], "tokenizer": random_model(codebook_size=32)}
    same, other = run(model)[-1].tokens, run(model, **change)[-1].tokens
    assert torch.equal(base.patch_codes, same.patch_codes)
    assert not torch.equal(base.patch_codes, other.patch_codes)
    assert set(KNOBS) == {f.name for f in dataclasses.fields(SamplingOptions)}


def test_class_and_count_change_the_result(model):
    assert not torch.equal(
        run(model, "aaa")[-1].tokens.patch_codes, run(model, "bbb")[-1].tokens.patch_codes
    )
    assert run(model, count=7)[-1].keep.sum(1).tolist() == [7, 7, 7]
    assert run(model, count=[0, 3, 16])[-1].keep.sum(1).tolist() == [0, 3, 16]


def test_a_row_does_not_depend_on_the_others(model):
    together = run(model, "abc", count=[3, 9, 16])[-1].tokens
    alone = run(model, "a", count=[3])[-1].tokens
    assert torch.equal(together.global_codes[:1], alone.global_codes)
    assert torch.equal(together.patch_codes[:1], alone.patch_codes)


def test_length_varies_with_the_global_codes(model):
    model.to_profile.weight.data *= 3
    N = torch.cat([run(model, "abc", seed=s, epsilon=0.5)[-1].keep.sum(1) for s in range(8)])
    assert len(N.unique()) > 1


def test_places_are_dtf_on_the_predicted_entropy(model):
    c = canvas()
    keep = model.choose_places(c.labels, c.global_codes, 0.3)
    share, profile = model.place_logits(c.labels, c.global_codes)
    count = filtering.dtf(profile.exp(), 0.3).count
    assert torch.equal(keep, filtering.top(share.double(), count))
    H = torch.rand(3, 16)
    given = model.choose_places(c.labels, c.global_codes, 0.3, entropy=H)
    assert torch.equal(given, filtering.dtf(H, 0.3).keep)


def test_known_tokens_are_never_changed(model):
    g = torch.Generator().manual_seed(0)
    keep = torch.rand(2, 16, generator=g) < 0.7
    codes = torch.randint(32, (2, 16), generator=g).masked_fill(~keep, MASKED)
    codes[:, 8:] = MASKED
    known, labels = torch.randint(32, (2, 4), generator=g), torch.tensor([0, 3])
    for globals_ in (known, torch.full_like(known, MASKED)):
        last = list(fill(model, labels, SamplingOptions(), globals_, codes, keep))[-1].tokens
        assert torch.equal(last.patch_codes[codes >= 0], codes[codes >= 0])
        assert torch.equal(last.patch_codes >= 0, keep)
        assert torch.equal(last.global_codes, known) or (globals_ == MASKED).all()


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"labels": ["zebra"]}, "class"),
        ({"labels": [7]}, "class"),
        ({"count": 17}, "count"),
        ({"count": -1}, "count"),
        ({"steps": 0}, "steps"),
        ({"schedule": "x"}, "schedule"),
        ({"temperature": 0.0}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"patch_spread": 1.1}, "patch_spread"),
        ({"patch_spread": 0.5}, "needs the tokenizer"),
        ({"order": "raster"}, "order"),
        ({"guidance": float("nan")}, "guidance"),
        ({"epsilon": 1.0}, "epsilon"),
    ],
)
def test_bad_input_is_named(model, bad, match):
    with pytest.raises(ValueError, match=match):
        run(model, **({"labels": ["a"]} | bad))


def test_prior_needs_the_tokenizer():
    model = MaskGIT(dataclasses.replace(CONFIG, estimator="prior"))
    with pytest.raises(ValueError, match="tokenizer is needed"):
        run(model)
    tokenizer = random_model(estimator="prior")
    tokenizer.place_entropy = lambda codes, grid: torch.arange(16.0).expand(3, 16)
    last = run(model, tokenizer=tokenizer, count=2)[-1]
    assert last.keep.nonzero()[:, 1].tolist() == [14, 15] * 3


@pytest.mark.parametrize("layout", ["grid", "sequence"])
def test_a_generator_that_looks_sees_the_picture_so_far(layout):
    tokenizer = random_model(layout=layout)
    model = random_generator(tokenizer, picture_dim=192)
    c = canvas()
    c = dataclasses.replace(c, labels=c.labels % 2).without_patches(torch.tensor([0, 1, 0]).bool())
    c = hide(c, torch.rand(c.codes.shape, generator=seeded(4)) < 0.5)
    seen = model.look(tokenizer, c).picture  # (B, L, 192)
    for row in (0, 2):
        places = c.places[row][c.real[row]]
        kept = torch.zeros(1, 16, dtype=torch.bool)
        kept[0, places] = True
        codes = unpack(c.places[row : row + 1], c.patch_codes[row : row + 1], 16)
        known = Tokens(c.global_codes[row : row + 1], codes, layout, 64)
        x = tokenizer.decode(known, kept)
        expected = patchify(x, tokenizer.config)[0, places]
        torch.testing.assert_close(seen[row, : len(places)], expected, atol=1e-5, rtol=0)
    assert not seen[1].any()
    assert model.look(tokenizer, hide(c, c.codes < 64).rows(torch.tensor([1]))).picture is None
    assert not torch.equal(model(c), model(dataclasses.replace(c, picture=seen)))


def test_what_looks_draws_with_the_tokenizer_alone():
    tokenizer = random_model()
    model = random_generator(tokenizer, picture_dim=192)
    with pytest.raises(ValueError, match="tokenizer is needed"):
        sample(model, "ab")
    known = torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="tokenizer is needed"):  # nor does `fill` draw blindly
        list(fill(model, torch.tensor([0]), SamplingOptions(), known, None, None, known[:, 0] + 3))
    drawn = [
        list(sample(model, "ab", 9, tokenizer, steps=4, guidance=g))[-1].tokens.patch_codes
        for g in (1, 3)
    ]
    assert (drawn[0] >= 0).sum() == 18 and not torch.equal(*drawn)
    together, alone = drawn[1], list(sample(model, "a", 9, tokenizer, steps=4, guidance=3))[-1]
    assert torch.equal(together[:1], alone.tokens.patch_codes)
    with torch.no_grad():
        model.see.weight *= -1
    turned = list(sample(model, "ab", 9, tokenizer, steps=4, guidance=3))[-1].tokens
    assert not torch.equal(turned.patch_codes, together)


@pytest.mark.parametrize("layout", ["grid", "sequence"])
def test_tokens_that_are_being_drawn_decode_as_mask_tokens(layout):
    tokenizer = random_model(layout=layout)
    codes = torch.arange(16)[None].masked_fill(torch.arange(16) % 3 == 0, MASKED)
    tokens = Tokens(torch.tensor([[1, 2, MASKED, 4]]), codes, layout, 64)
    whole = tokenizer.decode(tokens)
    assert torch.equal(whole, tokenizer.decode(tokens, tokens.keep))
    waiting = tokenizer.decode(tokens, torch.ones(1, 16, dtype=torch.bool))
    # in `sequence` a place that is still to be filled moves those behind it
    assert torch.equal(whole, waiting) == (layout == "grid")


@pytest.mark.parametrize("steps", [1, 2, 6])
def test_places_by_prior_are_free_where_the_codes_give_them(steps):
    tokenizer = random_model(estimator="prior")
    generator, seen = random_generator(tokenizer), []

    own = tokenizer.place_entropy
    tokenizer.place_entropy = lambda codes, grid: seen.append(codes) or own(codes, grid)
    tokens = list(sample(generator, "ab", 5, tokenizer, steps=steps))[-1].tokens
    with_places = dataclasses.replace(tokens, places="sent").bits() - tokens.bits()
    if steps == 1:  # everything is drawn at once: the codes came after the places
        assert (seen[0] == MASKED).all() and tokens.places == "sent"
    else:
        assert with_places.tolist() == [place_bits(16, 5)] * 2
    for row in range(2):
        back = unpack_file(pack_file(tokens, tokenizer, row), tokenizer)
        assert torch.equal(back.patch_codes[0], tokens.patch_codes[row])


def test_an_unknown_global_code_is_the_mask_token():
    tokenizer = random_model()
    codes = torch.tensor([[3, MASKED, 5, MASKED]])
    g = tokenizer.embed_globals(codes)[0]
    assert torch.equal(g[[1, 3]], tokenizer.decoder.mask.expand(2, -1))
    torch.testing.assert_close(g[[0, 2]], tokenizer.global_codebook.embed(torch.tensor([3, 5])))
    last = torch.where(codes == MASKED, tokenizer.config.codebook_size - 1, codes)
    assert not torch.equal(tokenizer.place_entropy(codes), tokenizer.place_entropy(last))


def test_training_masks_cover_what_sampling_meets():
    full = canvas(B=600, seed=3)
    draws = torch.rand(600, 3, generator=seeded(0))
    noise = torch.rand(600, 20, generator=seeded(1))
    shown, hidden = draw_mask(full, draws, noise)
    assert (hidden.sum(1) > 0).all()
    assert not hidden[:, 4:][~shown.real].any()
    bare = ~shown.real.any(1)
    assert 0.25 < bare.float().mean() < 0.42  # class and global codes alone
    given = ~hidden[:, :4].any(1)
    assert 0.4 < given.float().mean() < 0.65  # all global codes known
    globals_, patches = hidden[:, :4].any(1), hidden[:, 4:].any(1)
    assert 0.04 < (globals_ & patches).float().mean() < 0.15
    pictures = globals_ & ~patches & ~bare  # all patches known, as `vary_globals` has them
    assert 0.05 < pictures.float().mean() < 0.15
    assert hidden[pictures][:, :4].all(1).any()
    assert (shown.places == PADDING)[bare].all()


def cached(n=12):
    g = torch.Generator().manual_seed(0)
    return CachedTokens(
        torch.arange(n) % 3,
        torch.randint(32, (n, 4), generator=g),
        torch.randint(32, (n, 16), generator=g),
        torch.rand(n, 16, generator=g),
    )


def test_codes_start_where_the_tokenizer_has_them():
    tokenizer = random_model()
    model = random_generator(tokenizer)
    model.start_from_codes(tokenizer)
    for embedding, bias, book in (
        (model.global_code, model.global_bias, tokenizer.global_codebook),
        (model.patch_code, model.patch_bias, tokenizer.patch_codebook),
    ):
        e = embedding.weight[:-1]
        apart = torch.cdist(book.codes, book.codes) / book.codes.std()
        torch.testing.assert_close(torch.cdist(e, e), apart, atol=1e-2, rtol=0)
        assert torch.equal((e @ e.T + bias).argmax(dim=1), torch.arange(len(e)))


def test_the_loss_is_the_same_in_parts_of_like_length(model, monkeypatch):
    losses = []
    monkeypatch.setattr(train_generator, "ROWS", 1)
    for parts in (1, 3):
        monkeypatch.setattr(train_generator, "PARTS", parts)
        task = GeneratorTask(model.train(), cached(), cached(), GeneratorLoss(), random_model())
        losses.append(task.loss(torch.arange(10), 0, World())[0].item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    full = canvas()
    short = full.rows(torch.tensor([int(full.real.sum(1).argmin())]))
    assert short.real.all() and short.codes.shape[1] < full.codes.shape[1]


def test_soft_targets_go_to_near_codes(model):
    codes = torch.randn(32, 4, generator=seeded(0))
    near = near_codes(codes, 0.5)
    apart = torch.cdist(codes, codes)
    assert torch.equal(near.topk(5, dim=1).indices, (-apart).topk(5, dim=1).indices)
    torch.testing.assert_close(near.sum(1), torch.ones(32))
    torch.testing.assert_close(near_codes(codes, 1e-6), torch.eye(32))
    tokenizer = random_model(codebook_size=32)
    losses = {}
    for soft in (0.0, 1e-6, 3.0):
        options = GeneratorLoss(label_smoothing=0.0, soft=soft)
        task = GeneratorTask(model.train(), cached(), cached(), options, tokenizer)
        losses[soft] = task.loss(torch.arange(10), 0, World())[0].item()
        model.eval()
        losses[soft, "held out"] = task.validate(model)["val_1"]
    assert losses[0.0] == pytest.approx(losses[1e-6], rel=1e-5) != losses[3.0]
    assert losses[0.0, "held out"] == losses[3.0, "held out"]  # told by single codes


def test_the_share_of_global_codes_alone():
    full, draws = canvas(B=600, seed=3), torch.rand(600, 3, generator=seeded(0))
    noise = torch.rand(600, 20, generator=seeded(1))
    for alone in (0.1, 0.6):
        shown, hidden = draw_mask(full, draws, noise, alone)
        assert abs((~shown.real.any(1)).float().mean().item() - alone) < 0.05
        assert (hidden.sum(1) > 0).all()
        given = ~hidden[:, :4].any(1)
        assert abs(given.float().mean().item() - 0.75 * (1 - alone)) < 0.07


@pytest.mark.gradients
def test_loss_is_on_masked_tokens_and_reaches_everything(model):
    options = GeneratorLoss(label_smoothing=0.0)
    task = GeneratorTask(model.train(), cached(), cached(), options, random_model())
    loss, terms = task.loss(torch.arange(12), 0, World())
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert set(terms) == {"code", "place", "profile"}
    full = canvas()
    hidden = torch.zeros_like(full.codes, dtype=torch.bool)
    hidden[0, 4] = hidden[1, 0] = True
    seen = hide(full, hidden)
    logits = model.logits(seen)
    by_hand = -(
        logits.patches.log_softmax(1)[0, full.patch_codes[0, 0]]
        + logits.globals.log_softmax(1)[0, full.global_codes[1, 0]]
    )
    assert task.code_loss(model, seen, full, hidden).item() == pytest.approx(
        by_hand.item() / 3, rel=1e-4
    )


def test_place_loss_is_a_cross_entropy_of_shares(model):
    task = GeneratorTask(model, cached(), cached(), GeneratorLoss(), random_model())
    c = canvas()
    H = torch.rand(3, 16)
    share, profile = model.place_logits(c.labels, c.global_codes)
    p = H / H.sum(1, keepdim=True)
    place, by_rank = task.place_loss(model, c, H)
    assert place.item() == pytest.approx(-(p * share).sum(1).mean().item(), rel=1e-5)
    ranked = p.sort(1, descending=True).values
    assert by_rank.item() == pytest.approx(-(ranked * profile).sum(1).mean().item(), rel=1e-5)
    row = task.validate(model)
    assert {"val_0.25", "val_1", "val_globals", "val_place", "N", "N_true"} <= set(row)


def test_in_sequence_a_token_has_lost_its_place():
    tokenizer = random_model(layout="sequence")
    model, c = random_generator(tokenizer), canvas()
    elsewhere = dataclasses.replace(c, places=torch.where(c.real, 15 - c.places, c.places))
    assert torch.equal(model(c), model(elsewhere))
    grid = random_generator(random_model())
    assert not torch.equal(grid(c), grid(elsewhere))


@pytest.mark.parametrize("labels", [[], ["d"], [3], [1.5], torch.tensor([5])])
def test_labels_that_are_none_are_refused(model, labels):
    with pytest.raises(ValueError):
        model.labels(labels)


def test_labels_may_be_tensors_and_counts_must_fit(model):
    import numpy

    assert model.labels(torch.tensor([0, 1])).tolist() == [0, 1]
    assert model.labels([numpy.int64(1), None]).tolist() == [1, len(model.config.classes)]
    for count in ([1, 2, 3], 1.0, -1, 17):
        with pytest.raises(ValueError, match="count"):
            sample(model, ["a", "b"], count=count)
    for wrong in ({"steps": 8.0}, {"seed": 1.5}, {"steps": 0}):
        with pytest.raises(ValueError, match="whole number"):
            SamplingOptions(**wrong)


def test_paper_size_is_177_million():
    with torch.device("meta"):
        made = MaskGIT(
            GeneratorConfig(
                classes=("x",) * 1000, tokenizer="", num_patches=441, **GENERATOR_SIZES["paper"]
            )
        )
    count = sum(p.numel() for n, p in made.named_parameters())
    assert 170e6 < count < 185e6


def test_save_and_load(model, tmp_path):
    model.save_pretrained(tmp_path)
    back = MaskGIT.from_pretrained(tmp_path)
    assert back.config == model.config and back.fingerprint == model.fingerprint
