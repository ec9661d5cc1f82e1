"""N against the side: every number as the model alone gives it, and the figure and its file."""

import sys

import pytest
import small_results
from conftest import pictures, random_model

from analysis.__main__ import main
from analysis.base.evaluate import BadData
from analysis.base.results import load, path_of
from analysis.draw.figures import axes, draw, measures
from analysis.draw.tables import to_csv
from analysis.rate import sides
from tatok import load_image
from tatok.images import to_pil
from tatok.quality import psnr


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return small_results.sides_of_pictures(tmp_path_factory.mktemp("pictures"))


def test_the_sides_are_those_that_the_weights_take(result):
    assert sides.sides_of(random_model(min_side=32, max_side=64).config) == [64]
    assert sides.sides_of(random_model().config) == [32]  # none of ours
    assert result.largest == 64


def test_the_numbers_are_those_of_the_model(tmp_path):
    model = random_model(min_side=64, max_side=96, image_size=64)
    path = tmp_path / "picture.png"
    to_pil(pictures(1, size=96)).save(path)
    found = sides.measure(model, [path], small_results.origin(model))
    assert {p.side for p in found.points} == {64, 96}
    at = {(p.side, p.estimator, p.epsilon): p for p in found.points}
    for side, estimator, epsilon in ((64, "rate", 0.05), (96, "gain", 0.3), (96, "residual", 0.0)):
        x = load_image(path, size=side)
        encoding = model.encode(x)
        s = model.select(encoding, epsilon, estimator)
        every = model.select(encoding, count=s.keep.shape[1])
        full, some = (psnr(x, model.decode(model.quantize(encoding, t))) for t in (every, s))
        point = at[side, estimator, epsilon]
        assert (point.count.value, point.patches) == (int(s.count), s.keep.shape[1])
        assert point.share.value == pytest.approx(int(s.count) / point.patches)
        assert point.psnr.value == pytest.approx(some.item(), abs=1e-4)
        assert point.loss.value == point.worst == pytest.approx((full - some).item(), abs=1e-4)
        assert point.bits.value == int(model.quantize(encoding, s).bits())
    assert [p.side for p in found.over_sides("gain")] == [64, 96]
    epsilons = [p.epsilon for p in found.over_epsilon("gain")]
    assert epsilons == list(sides.EPSILONS)


def test_the_figure_has_a_line_for_each_estimator(result):
    for measure in measures(result):
        for axis in axes(result):
            drawing = draw(result, measure.key, axis.key)
            lines = [trace for trace in drawing.figure.data if trace.meta != "mark"]
            assert [line.name for line in lines] == [f"DTF, {n}" for n in sides.ESTIMATORS]
            assert drawing.mark == axis.key
            points = (
                result.over_sides("gain") if axis.key == "side" else result.over_epsilon("gain")
            )
            assert list(lines[0].y) == [getattr(p, measure.key).value for p in points]
    rows = to_csv(result).splitlines()
    assert len(rows) == 2 + len(result.points)


def test_the_command_takes_large_pictures_alone(tmp_path, monkeypatch, capsys):
    model = random_model(min_side=32, max_side=64)
    model.save_pretrained(tmp_path / "weights")
    folder = tmp_path / "data" / "set" / "val"
    folder.mkdir(parents=True)
    for i, x in enumerate(pictures(4, size=64)):
        to_pil(x).resize((20, 20) if i == 0 else (60, 60)).save(folder / f"{i}.png")
    monkeypatch.setattr(sys, "argv", [
        "analysis", "sides", "--data", str(tmp_path / "data"), "--weights",
        str(tmp_path / "weights"), "--out", str(tmp_path / "out"),
    ])  # fmt: skip
    main()
    found = load(sides.Sides, path_of("sides", tmp_path / "out"))
    assert found.provenance.data.n == 3 and "**Over ε, 64 px**" in capsys.readouterr().out
    with pytest.raises(BadData, match="2 or more"):
        sides.large_pictures(tmp_path / "data", 1, 64)
