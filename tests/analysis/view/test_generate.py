"""What the Generate tab draws is what the library draws, and what it is asked is judged."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
import torch
from conftest import pictures, random_generator, random_model
from PIL import Image

from analysis.view.generate import knobs
from analysis.view.generate.painter import Painter, Sources, numbers
from analysis.view.generate.settings import (
    BETWEEN,
    CLASS,
    INPAINT,
    KEEP_GLOBALS,
    KEEP_PATCHES,
    MAX_PICTURES,
    MAX_STEPS,
    MODES,
    Drawing,
    parse_hidden,
    parse_tokens,
)
from analysis.view.generate.sources import painted
from analysis.view.generate.view import frame, frames, packer
from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.settings import BadSetting
from tatok import edit, tokenfile
from tatok.config import GeneratorConfig
from tatok.edit import hidden_patches
from tatok.images import to_pil
from tatok.sampling import SamplingOptions, sample

M, K = 16, 4
HIDDEN = "0000011001100000"  # the four patches in the middle
CONFIG = GeneratorConfig(("cat", "dog"), "", num_patches=M, k=K, codebook_size=64)
ASKED = {"mode": CLASS, "label": "dog", "steps": 5, "epsilon": 0.3, "guidance": 2.0, "seed": 7}


@pytest.fixture
def painter(model):
    return Painter(Engine(model), random_generator(model, classes=CONFIG.classes))


@pytest.fixture
def sources(painter):
    return sources_of(painter.engine)


def sources_of(engine) -> Sources:
    """Two pictures, the first of them painted over in the middle."""
    hidden = parse_hidden(HIDDEN, engine.model, engine.side)
    return Sources(*map(Square.of, pictures(2).split(1)), hidden)


def asked(**changes) -> Drawing:
    return Drawing.parse(ASKED | changes, CONFIG)


def drawn(painter, drawing, row=0, sources=None):
    return list(painter.draw(drawing, row, sources or Sources()))


def same(a, b) -> bool:
    a, b = a[-1].step.tokens, b[-1].step.tokens
    return torch.equal(a.global_codes, b.global_codes) and torch.equal(a.patch_codes, b.patch_codes)


# --- what may be asked -----------------------------------------------------------------------


def test_what_is_not_said_is_the_librarys_default():
    drawing = Drawing.parse({"label": "cat"}, CONFIG)
    assert drawing == Drawing(CLASS, "cat", 1, None, SamplingOptions())


@pytest.mark.parametrize("label", [None, ""])
def test_without_a_class_there_is_no_guidance(label):
    drawing = asked(label=label)
    assert drawing.label is None and drawing.options.guidance == 1


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"mode": "paint"}, "What is drawn from must be"),
        ({"mode": ["class"]}, "What is drawn from must be"),
        ({"label": "cow"}, "The class must be one of cat, dog"),
        ({"label": 1}, "The class must"),
        ({"label": ["dog"]}, "The class must"),
        ({"pictures": 0}, "pictures must be a whole number in 1..8"),
        ({"pictures": MAX_PICTURES + 1}, "pictures must be a whole number"),
        ({"pictures": "2"}, "pictures must be a number"),
        ({"pictures": True}, "pictures must be a number"),
        ({"steps": 0}, "Steps must be a whole number in 1..32"),
        ({"steps": MAX_STEPS + 1}, "Steps must be a whole"),
        ({"steps": 2.5}, "Steps must be a whole"),
        ({"steps": 10**400}, "Steps must be a number"),
        ({"epsilon": 1}, "ε must lie in"),
        ({"epsilon": float("nan")}, "ε must be a number"),
        ({"epsilon": None}, "ε must be a number"),
        ({"count": -1}, "N must be a whole number in 0..16"),
        ({"count": M + 1}, "N must be a whole"),
        ({"count": {}}, "N must be a number"),
        ({"seed": -1}, "The seed must be a whole"),
        ({"seed": 2**31}, "The seed must be a whole"),
        ({"temperature": 0}, "The temperature must lie in 0.05..3"),
        ({"temperature": float("inf")}, "The temperature must be a number"),
        ({"choice_temperature": -1}, "The choice temperature must lie"),
        ({"top_p": 0}, "top-p must lie"),
        ({"top_p": 1.1}, "top-p must lie"),
        ({"guidance": 1e9}, "The guidance must lie in 0..10"),
        ({"patch_guidance": -1}, "The guidance of the patches must lie in 0..10"),
        ({"patch_temperature": 0}, "The temperature of the patches must lie in 0.05..3"),
        ({"schedule": "steep"}, "The schedule must be one of"),
        ({"order": "raster"}, "The order must be one of"),
        ({"patch_spread": 0}, "The spread of the patches must lie in"),
        ({"guidance_schedule": None}, "The guidance schedule must be one of"),
    ],
)
def test_what_is_out_of_range_gets_one_sentence(changes, sentence):
    with pytest.raises(BadSetting) as caught:
        asked(**changes)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_painted_patches_become_pixels(painter):
    model = painter.engine.model
    pixels = parse_hidden(HIDDEN, model, 32)
    assert pixels.shape == (32, 32)
    found = hidden_patches(model, pixels)
    assert "".join("01"[int(v)] for v in found) == HIDDEN
    assert int(pixels.sum()) == 4 * 8 * 8


@pytest.mark.parametrize(
    "hidden", [None, "", "0" * M, "1" * M, "01", "2" * M, ["1"] * M, HIDDEN + "0", 5]
)
def test_other_paintings_are_refused(hidden):
    with pytest.raises(BadSetting, match="[Pp]aint"):
        parse_hidden(hidden, random_model(), 32)
    assert painted("x") is painted(None) is painted([1]) is None
    assert painted({"hidden": hidden}) == hidden


def test_where_patches_overlap_the_last_one_unpainted_is_not_enough():
    model = random_model(overlap=0.5)  # 7 × 7 patches, of which neighbours share pixels
    middle = "".join("01"[place != 24] for place in range(49))
    with pytest.raises(BadSetting) as caught:
        parse_hidden(middle, model, 32)
    assert str(caught.value) == "Paint over less: no patch of the picture stays wholly visible."
    assert parse_hidden("1" + "0" * 48, model, 32).any()


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"patches": [0] * (M - 1)},
        {"globals": [-1] * K},
        {"patches": [64] * M},
        {"patches": [-2] * M},
        {"globals": [True] * K},
        {"globals": [1.0] * K},
        {"globals": "1111"},
        {"places": None},
        {"places": "first"},
        {"places": ["sent"]},
    ],
)
def test_tokens_that_no_picture_has_are_refused(values):
    whole = {"globals": [1] * K, "patches": [0] * M, "places": "sent"}
    parse_tokens(whole, CONFIG)
    values = whole | values if values else values
    with pytest.raises(BadSetting, match="^These are not the tokens of a whole picture.$"):
        parse_tokens(values, CONFIG)


def test_a_generator_of_another_tokenizer_is_refused(model):
    other = random_generator(random_model(seed=1))
    with pytest.raises(ValueError, match="another tokenizer"):
        Painter(Engine(model), other)


# --- what is drawn ---------------------------------------------------------------------------


def test_a_class_is_drawn_as_the_library_draws_it(painter):
    drawing = asked(pictures=2)
    generator, model = painter.generator, painter.engine.model
    for row in range(2):
        options = dataclasses.asdict(drawing.options) | {"seed": 7 + row}
        *_, step = sample(generator, ["dog"], None, model, **options)
        last = drawn(painter, drawing, row)[-1]
        assert torch.equal(last.step.tokens.patch_codes, step.tokens.patch_codes)
        assert torch.equal(painter.picture(last.step), model.decode(step.tokens))
        found = numbers(last)
        assert found.kept == int(step.tokens.count[0])
        assert found.bits == int(step.tokens.bits()[0])
        assert found.tokens == K + found.kept


def test_each_picture_can_be_had_by_itself(painter):
    many = asked(pictures=3)
    for row in range(3):
        assert same(drawn(painter, many, row), drawn(painter, asked(seed=7 + row)))
    assert not same(drawn(painter, many, 0), drawn(painter, many, 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "cat"},
        {"label": None},
        {"seed": 8},
        {"steps": 3},
        {"schedule": "cosine"},
        {"temperature": 0.2},
        {"choice_temperature": 0},
        {"top_p": 0.2},
        {"guidance": 6},
        {"guidance_schedule": "constant"},
        {"patch_guidance": 6},
        {"patch_temperature": 0.2},
        {"patch_spread": 0.1},
        {"order": "halton"},
        {"epsilon": 0.7},
        {"count": 3},
    ],
)
def test_every_knob_changes_the_result(painter, changes):
    base = {"steps": 8, "epsilon": 0.02}  # long enough for every order of drawing to matter
    before = drawn(painter, asked(**base))
    assert same(before, drawn(painter, asked(**base)))
    assert not same(before, drawn(painter, asked(**base | changes)))


@pytest.mark.parametrize("model", ["grid"], indirect=True)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("label, guidance, apart", [(None, 2, 0), ("dog", 1, 0), ("dog", 2, 1)])
def test_a_knob_is_idle_where_it_changes_nothing(
    painter, sources, mode, steps, label, guidance, apart
):
    base = {"mode": mode, "steps": steps, "label": label, "guidance": guidance, "epsilon": 0.02}
    base["temperature"] = 1.0  # else too little is left to chance to tell in so few pictures
    if apart:  # the patches have their own, as on the page
        base |= {"patch_guidance": guidance, "patch_temperature": 1.0}
    moved = {
        "guidance": 6,
        "guidance_schedule": "constant",
        "schedule": "square",
        "choice_temperature": 20,
        "temperature": 3,
        "patch_guidance": 6,
        "patch_temperature": 3,
        "patch_spread": 0.05,
        "order": "halton",
    }
    assert set(moved) == set(knobs.MAY_IDLE)

    def changes(**knob) -> bool:  # a few tokens may come out the same by chance
        def pair(seed: int) -> list:
            wanted = (asked(**base | more, seed=seed) for more in ({}, knob))
            return [drawn(painter, drawing, 0, sources) for drawing in wanted]

        return not all(same(*pair(seed)) for seed in range(5))

    idle = {k for k, value in moved.items() if not changes(**{k: value})}
    if steps >= 4 and mode in (INPAINT, KEEP_PATCHES):
        idle.discard(
            "schedule"
        )  # four tokens go one a step by any schedule; the page asks no model
    assert set(asked(**base).idle) == idle


@pytest.mark.parametrize("mode", MODES)
def test_the_rows_tell_what_each_step_fixed(painter, sources, mode):
    drawing = asked(mode=mode)
    progress = drawn(painter, drawing, 0, sources)
    last = progress[-1]
    tokens = last.step.tokens
    for rows, codes in ((last.globals, tokens.global_codes), (last.patches, tokens.patch_codes)):
        told = torch.full_like(codes[0], -1)
        for place, code, _, _ in rows:
            assert told[place] == -1, "a token is told twice"
            told[place] = code
        assert torch.equal(told, codes[0])
    for before in progress:  # what a step told is never taken back
        step = before.step
        assert last.patches[: len(before.patches)] == before.patches
        new = [row for row in before.patches if row[3] == step.index]
        assert {row[0] for row in new} == set(
            (step.committed.patch_codes[0] >= 0).nonzero()[:, 0].tolist()
        )
        assert all(row[2] <= 0 for row in new)
        assert (before.placed is not None) == bool(step.keep.any())
    assert not any(p.ended for p in progress[:-1]) and last.ended
    sums = [p.step.global_confidence.sum() + p.step.patch_confidence.sum() for p in progress]
    fixed = [p.step.committed for p in progress]  # what was given is not of the mean
    n = sum(int((t.global_codes >= 0).sum() + t.count.sum()) for t in fixed)
    assert numbers(last).mean_ln_p == pytest.approx(float(sum(sums)) / n, abs=1e-3)


def test_what_is_given_stays(painter, sources):
    model, config = painter.engine.model, painter.generator.config
    drawing = asked(count=9)
    encoding = model.encode(sources.a.x, config.k)  # by hand, not by the painter
    own = model.quantize(encoding, model.select(encoding, count=9, estimator=config.estimator))
    assert own.count.tolist() == [9]

    def rows(mode, part):
        last = drawn(painter, dataclasses.replace(drawing, mode=mode), 0, sources)[-1]
        found = getattr(last, part)
        return [r[:2] for r in found if r[3] == 0], [r[:2] for r in found if r[3] > 0]

    globals_ = list(enumerate(own.global_codes[0].tolist()))
    patches = [(i, c) for i, c in enumerate(own.patch_codes[0].tolist()) if c >= 0]
    assert rows(KEEP_GLOBALS, "globals") == (globals_, [])
    assert rows(KEEP_GLOBALS, "patches")[0] == [] and len(rows(KEEP_GLOBALS, "patches")[1]) == 9
    given, made = rows(KEEP_PATCHES, "patches")
    assert (given, made) == (patches, [])
    assert [r[0] for r in sorted(rows(KEEP_PATCHES, "globals")[1])] == list(range(K))
    given, made = rows(INPAINT, "patches")
    assert {HIDDEN[place] for place, _ in given} == {"0"}
    assert {HIDDEN[place] for place, _ in made} == {"1"}
    # a single picture between two lies in the middle
    a, b = (painter.engine.encode(s, config.k) for s in (sources.a, sources.b))
    *_, middle = edit.interpolate(model, painter.generator, a, b, [0.5], "dog", 9)
    codes = list(enumerate(middle.tokens.global_codes[0].tolist()))
    assert rows(BETWEEN, "globals") == (codes, [])


def test_between_two_pictures_ends_at_their_own_global_tokens(painter, sources):
    drawing = asked(mode=BETWEEN, pictures=3)
    assert [drawing.title(row) for row in range(3)] == ["t = 0.00", "t = 0.50", "t = 1.00"]
    for row, square in ((0, sources.a), (2, sources.b)):
        last = drawn(painter, drawing, row, sources)[-1]
        own = painter.tokens(square, drawing).global_codes
        assert torch.equal(last.step.tokens.global_codes, own)


def test_the_picture_so_far_shows_what_is_known_and_no_more(painter):
    progress = drawn(painter, asked())
    shown = [painter.picture(p.step) for p in progress]
    assert all(not torch.equal(a, b) for a, b in zip(shown[:-1], shown[1:], strict=True))
    step = progress[0].step
    assert (step.tokens.global_codes == -1).any()
    before, model = painter.picture(step), painter.engine.model
    others = sorted(set(range(64)) - set(step.tokens.global_codes[0].tolist()))
    model.global_codebook.codes[others] += 1.0
    model.patch_codebook.codes += 1.0
    assert torch.equal(painter.picture(step), before)  # no code that is not drawn yet has a part
    model.decoder.mask += 1.0
    assert not torch.equal(painter.picture(step), before)


def test_nothing_is_drawn_ahead(painter, monkeypatch):
    calls, logits = [], painter.generator.logits
    monkeypatch.setattr(painter.generator, "logits", lambda c: calls.append(c) or logits(c))
    steps = frames(painter, asked(pictures=3), Sources())
    assert not calls
    next(steps)
    next(steps)
    assert len(calls) == 2  # of 15
    steps.close()
    assert len(calls) == 2


# --- what goes to the browser and comes back ---------------------------------------------------


def test_frames_are_json_of_every_step(painter):
    made = list(frames(painter, asked(pictures=2), Sources()))
    expected = [(picture, step) for picture in (0, 1) for step in range(1, 6)]
    assert [(f["picture"], f["step"]) for f in made] == expected
    assert len({f["run"] for f in made}) == 1
    json.dumps(made, allow_nan=False)
    assert [f["numbers"] is not None for f in made] == [step == 5 for _, step in expected]
    last = drawn(painter, asked())[-1]
    data = base64.b64decode(made[4]["image"].partition(",")[2])
    assert np.array_equal(
        np.asarray(Image.open(io.BytesIO(data))), np.asarray(to_pil(painter.picture(last.step)))
    )
    assert made[4]["keep"].count("1") == made[4]["numbers"]["kept"]
    assert made[0]["keep"] is None and made[0]["settings"]["class"] == "dog"


def token_file(painter, progress) -> bytes:
    """What the browser gets for the tokens that the frame of this step brought it."""
    shown, c = frame(painter, progress), painter.generator.config
    told = {"globals": [-1] * c.k, "patches": [-1] * c.num_patches, "places": shown["places"]}
    for part in ("globals", "patches"):
        for place, code, _, _ in shown[part]:
            told[part][place] = code
    return base64.b64decode(packer(painter)(told)["file"])


def test_the_token_file_is_the_picture(painter):
    model = painter.engine.model
    tokens = drawn(painter, asked())[-1].step.tokens
    again = tokenfile.unpack(token_file(painter, drawn(painter, asked())[-1]), model)
    assert packer(painter)(None) == {"error": "These are not the tokens of a whole picture."}
    assert torch.equal(again.global_codes, tokens.global_codes)
    assert torch.equal(model.decode(again), model.decode(tokens))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("estimator", ["prior", "rate"])
def test_the_token_file_has_the_bits_that_are_shown(estimator, mode):
    model = random_model(estimator=estimator)
    painter = Painter(Engine(model), random_generator(model, classes=CONFIG.classes))
    last = drawn(painter, asked(mode=mode), 0, sources_of(painter.engine))[-1]
    tokens, file = last.step.tokens, token_file(painter, last)
    bits = numbers(last).bits
    assert bits == int(tokens.bits()[0])
    assert len(file) == tokenfile.HEADER_BYTES + -(-bits // 8)
    assert file == tokenfile.pack(tokens, model)
    assert torch.equal(tokenfile.unpack(file, model).patch_codes, tokens.patch_codes)
