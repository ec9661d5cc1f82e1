"""The figures' settings, measured, stopped, and taken up again."""

import dataclasses

import conftest
import numpy as np
import pytest
import torch

from analysis.base.evaluate import BadData
from analysis.base.metrics import frechet_distance, kid
from analysis.base.provenance import ROOT, Data, Provenance
from analysis.base.results import BadResult
from analysis.base.runner import Like, Runner, Setting, bits_of_counts
from analysis.paper import plans, work
from analysis.paper.experiments import PSNR_CAP, Pictures, choose, fill, markdown, run, tabulate
from analysis.paper.plans import PLANS, Curve, Plan
from analysis.paper.work import Origin, Work
from tatok import load_image
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES
from tatok.images import to_pil

M = conftest.TINY.num_patches
N_IMAGES = 43  # enough for the jackknife, and no multiple of the chunk
SETTINGS = (
    Setting(4, 5, estimator="rate", policy="random", features=True),
    Setting(2, epsilon=0.3, estimator="gaussian", features=True),
)
PLAN = Plan(
    "small",
    "A title",
    "the axis",
    (Curve("one", ((0.5, SETTINGS[0]), (1.5, SETTINGS[1]))), Curve("two", ((7.0, SETTINGS[0]),))),
)
ORIGIN = Provenance("c", "w", 7, None, Data("pictures", "s", 0), 3, "e", "d", "t", "python")


class Means:
    """Channel means, counted."""

    name = "channel means"

    def __init__(self):
        self.images = 0

    def features(self, x):
        self.images += len(x)
        return torch.cat([x.mean((2, 3)), x.var((2, 3))], dim=1)


@pytest.fixture(scope="module")
def model():
    return conftest.random_model()


@pytest.fixture(scope="module")
def images():
    return conftest.pictures(N_IMAGES)


@pytest.fixture
def runner(model):
    return Runner(model, Means(), seed=3)


def work_of(folder, runner, data="abc", n=N_IMAGES):
    return Work(folder, Origin.now(runner, data, n), chunk=8)


def same(a, b):
    """Equal but for the time they took."""
    return dataclasses.replace(a, seconds=b.seconds) == b


def test_every_point_is_what_the_public_api_gives(tmp_path, runner, model, images):
    made = run(PLAN, images, runner, work_of(tmp_path, runner), ORIGIN)
    assert [series.name for series in made.series] == ["one", "two"]
    assert [[p.x for p in series.points] for series in made.series] == [[0.5, 1.5], [7.0]]
    assert dataclasses.replace(made.series[0].points[0], x=7.0) == made.series[1].points[0]
    for point in made.series[0].points:
        setting = point.setting
        encoding = model.encode(images, setting.k)
        selection = model.select(
            encoding,
            setting.epsilon or 0.0,
            setting.estimator,
            setting.policy,
            setting.count,
            generator=torch.Generator().manual_seed(3),
        )
        tokens = model.quantize(encoding, selection)
        y = model.decode(tokens)
        mse = (images - y).double().square().mean((1, 2, 3))
        assert point.psnr.value == pytest.approx((10 * (4 / mse).log10()).mean().item(), abs=1e-4)
        assert point.psnr.low < point.psnr.value < point.psnr.high
        assert point.count == pytest.approx(tokens.count.double().mean().item())
        assert point.count_deviation == pytest.approx(tokens.count.numpy().std(ddof=1))
        assert point.bits == pytest.approx(tokens.bits().double().mean().item())
        assert point.bits_per_pixel == pytest.approx(point.bits / 32**2)
        X, Y = (Means().features(z).double().numpy() for z in (images, y))
        assert point.fd.value == pytest.approx(frechet_distance(X, Y), rel=1e-3, abs=1e-6)
        rest = np.arange(N_IMAGES) % 20 != 5
        assert point.fd.replicates[5] == pytest.approx(
            frechet_distance(X[rest], Y[rest]), rel=1e-3, abs=1e-6
        )
        assert point.kid.value == pytest.approx(kid(X, Y, paired=True), rel=1e-3, abs=1e-7)
    assert made.fd_label == f"rFD (channel means, N={N_IMAGES})"
    assert made.kid_label == f"Kernel distance (channel means, N={N_IMAGES})"
    assert made.provenance.data.n == N_IMAGES
    parts = dataclasses.asdict(made.seconds)
    assert all(value > 0 for value in parts.values()), parts
    text = markdown(made)
    assert "**two**" in text and "| 7 |" in text and made.provenance.line() in text
    assert made.seconds.line() in text


class Stop(Exception):
    """In the place of the signal that ends a process."""


def test_a_stopped_run_goes_on_and_repeats_nothing(tmp_path, model, images):
    whole = Runner(model, Means(), seed=3)
    expected = run(PLAN, images, whole, work_of(tmp_path / "whole", whole), ORIGIN)
    assert whole.extractor.images == 3 * N_IMAGES  # the originals, and two settings

    first = Runner(model, Means(), seed=3)
    work, told = work_of(tmp_path / "parts", first), []

    def stop(n):
        told.append(n)
        if len(told) == 5:  # in the third chunk, between its two settings
            raise Stop

    with pytest.raises(Stop):
        fill(work, images, PLAN.settings, first, stop)
    assert work.images_missing(PLAN.settings) == 2 * (N_IMAGES - 16)
    leftover = next(work.folder.rglob("*.safetensors")).with_suffix(".123")
    leftover.write_bytes(b"half a file")

    part = tabulate(PLAN, work, first, ORIGIN)  # what there is, is a result of fewer images
    assert part.provenance.data.n == 16 and "N=16" in part.fd_label
    assert part.series[0].points[0].psnr.replicates == ()

    second = Runner(model, Means(), seed=3)
    found = run(PLAN, images, second, work_of(tmp_path / "parts", second), ORIGIN)
    assert same(found, expected)
    # Chunks 0 and 1 were whole; of chunk 2 the originals were kept.
    assert second.extractor.images == 3 * (N_IMAGES - 16) - 8

    third = Runner(model, Means(), seed=3)
    assert same(run(PLAN, images, third, work_of(tmp_path / "parts", third), ORIGIN), expected)
    assert third.extractor.images == 0
    one_more = Plan("more", "", "", (Curve("", ((0.0, SETTINGS[0]), (1.0, Setting(0, 2)))),))
    with pytest.raises(ValueError, match="No part"):
        tabulate(one_more, work, third, ORIGIN)


def test_settings_are_shared_between_plans(tmp_path, runner, images):
    run(PLAN, images, runner, work_of(tmp_path, runner), ORIGIN)
    before = runner.extractor.images
    added = Setting(0, 2, features=True)
    more = Plan("more", "", "", (Curve("", ((0.0, SETTINGS[0]), (1.0, added))),))
    made = run(more, images, runner, work_of(tmp_path, runner), ORIGIN)
    assert runner.extractor.images == before + N_IMAGES
    assert made.series[0].points[1].setting == added


def test_results_of_another_origin_are_not_used(tmp_path, model, images):
    x = images[:8]

    def measured(runner, data="abc"):
        before = runner.extractor.images
        run(PLAN, x, runner, work_of(tmp_path, runner, data, 8), ORIGIN)
        return runner.extractor.images - before

    assert measured(Runner(model, Means(), seed=3)) == 24
    assert measured(Runner(model, Means(), seed=3)) == 0
    assert measured(Runner(model, Means(), seed=4)) == 24
    assert measured(Runner(conftest.random_model(1), Means(), seed=3)) == 24
    assert measured(Runner(model, Means(), seed=3), "other pictures") == 24
    edited = conftest.random_model(target_psnr=12.0)
    assert measured(Runner(edited, Means(), seed=3)) == 24
    other = Means()
    other.name = "other means"
    assert measured(Runner(model, other, seed=3)) == 24


def test_a_damaged_or_locked_work_folder_is_one_sentence(tmp_path, runner, images):
    work = work_of(tmp_path, runner, n=8)
    run(PLAN, images[:8], runner, work, ORIGIN)
    path = next(work.folder.glob("originals/*"))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(BadResult, match="is damaged: delete it"):
        run(PLAN, images[:8], runner, work, ORIGIN)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BadResult, match="Nothing can be written"):
        work_of(file, runner)


def test_an_image_without_error_does_not_make_the_mean_infinite(tmp_path, runner, images):
    flat = torch.zeros_like(images[:8])
    plan = Plan("p", "", "", (Curve("", ((0.0, SETTINGS[0]),)),))
    runner.model.decode = lambda tokens: torch.zeros(len(tokens.count), 3, 32, 32)
    try:
        made = run(plan, flat, runner, work_of(tmp_path, runner, n=8), ORIGIN)
    finally:
        del runner.model.decode
    assert made.series[0].points[0].psnr.value == PSNR_CAP


# --- which settings --------------------------------------------------------------------------


def test_fig3_has_every_k_and_both_settings(model):
    plan = plans.fig3(model)
    patches, total = ([s for _, s in curve.points] for curve in plan.curves)
    assert [s.k for s in patches] == [s.k for s in total] == [0, 1, 2, 4, 6]
    assert {s.count for s in patches} == {M}
    assert [s.count + s.k for s in total] == [M] * 5
    assert all(x == s.k for curve in plan.curves for x, s in curve.points)
    assert len(plan.settings) == 9  # k = 0 is in both


def test_fig4_removes_up_to_all_but_one_without_global_tokens(model):
    plan = plans.fig4(model)
    for curve, policy in zip(plan.curves, ("first", "last", "random"), strict=True):
        removed = [x for x, _ in curve.points]
        assert removed[0] == 0 and removed[-1] == M - 1 and removed == sorted(set(removed))
        assert round(211 / 441 * M) in removed
        for x, setting in curve.points:
            assert (setting.k, setting.count, setting.policy) == (0, M - x, policy)
    kept = model.select(model.encode(conftest.pictures(1), 0), policy="first", count=M - 2).keep
    assert not kept[0, -2:].any()  # "end": the last places go


@pytest.mark.parametrize("own", ["rate", "prior"])
@pytest.mark.parametrize("layout", ["grid", "sequence"])
def test_fig5_compares_all_at_equal_n_and_at_equal_bits(own, layout, images):
    model = conftest.random_model(estimator=own, layout=layout)
    curves = plans.fig5(model).curves
    for equal_n, equal_bits in (curves[:2], curves[2:]):
        settings = [s for _, s in equal_n.points]
        assert settings[0].label == f"DTF, {own}"
        labels = {s.label for s in settings}
        assert labels == {f"DTF, {e}" for e in ESTIMATORS} | set(POLICIES) - {"dtf"}
        assert [s.label for _, s in equal_bits.points] == [s.label for s in settings]
        every = settings + [s for _, s in equal_bits.points]
        found = Runner(model, Means()).measure(images[:6], list(dict.fromkeys(every)))
        N, budget = found[settings[0]].count, found[settings[0]].bits
        assert all(torch.equal(found[s].count, N) for s in settings)
        for _, setting in equal_bits.points:
            result, bits = found[setting], bits_of_counts(model, setting)
            assert (result.bits <= budget).all()
            room = bits[(result.count + 1).clamp(max=M)] > budget
            assert (room | (result.count == M)).all()
    assert {s.like for _, s in curves[0].points[1:]} == {Like(0.05, own)}
    assert {s.count for _, s in curves[2].points} == {round(16 * 40.4 / 441)}


def test_epsilon_has_random_patches_at_the_same_n(model, images):
    plan = plans.epsilon(model)
    dtf, random, papers, every, chance, *readings = plan.curves
    assert [x for x, _ in chance.points] == [0.05, 0.1, 0.15]
    assert {s.estimator for c in readings for _, s in c.points} == set(plans.READINGS)
    assert {s.estimator for _, s in papers.points} == {"residual"} != {model.config.estimator}
    assert [(s.k, s.count) for _, s in every.points] == [(4, M)]
    assert [x for x, _ in dtf.points] == list(plans.EPSILONS)
    assert {0.0, 0.05, 0.15, 0.9} <= set(plans.EPSILONS)
    found = Runner(model, Means()).measure(images[:6], plan.settings)
    by_paper = [point for point in papers.points if point[0] in (0.05, 0.1, 0.15)]
    pairs = [
        *zip(dtf.points, random.points, strict=True),
        *zip(by_paper, chance.points, strict=True),
    ]
    for (x, one), (_, other) in pairs:
        assert one.epsilon == x and torch.equal(found[one].count, found[other].count)


def test_every_plan_asks_for_features(model):
    for name, make in PLANS.items():
        plan = make(model)
        assert plan.id == name
        assert all(setting.features for setting in plan.settings)


# --- which images ----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for place in ("pets/val", "pets/train", "places/val"):
        (tmp_path / place).mkdir(parents=True)
        for n in range(4):
            to_pil(conftest.pictures(1, 40, seed=n)).save(tmp_path / place / f"{n}.png")
    return tmp_path


def test_pictures_are_read_when_they_are_taken(folder):
    paths, data = choose(folder, 4)
    assert [p.relative_to(folder).as_posix() for p in paths] == [
        "pets/val/1.png", "pets/val/3.png", "places/val/1.png", "places/val/3.png"
    ]  # fmt: skip
    assert (data.list, data.n) == (f"{folder.name}/*/val", 4)
    pictures = Pictures(tuple(paths), 32)
    assert len(pictures) == 4
    expected = torch.cat([load_image(path, size=32) for path in paths[1:3]])
    assert torch.equal(pictures[1:3], expected)
    rest, _ = choose(folder, None, without=["pets/val/0.png", "pets/train/1.png", "nothing.png"])
    assert len(rest) == 7 and folder / "pets/val/0.png" not in rest
    with pytest.raises(BadData, match="No picture"):
        choose(
            folder, None, [f"{place}/val/{n}.png" for place in ("pets", "places") for n in range(4)]
        )
    plain, other = choose(folder / "pets", 100)
    assert len(plain) == 8 == other.n and other.list == "pets"
    assert other.sha256 != data.sha256


def test_results_of_other_code_are_not_gone_on_with():
    """Every pattern of the code that a result depends on finds files."""
    for pattern in work.SOURCES:
        assert list(ROOT.glob(pattern)), pattern
