"""Result files come back as they were saved, or not at all."""

from pathlib import Path

import pytest

from analysis.base import results
from analysis.base.provenance import Data, Provenance
from analysis.base.results import BadResult, Estimate, Experiment, Point, Series
from analysis.base.runner import Like, Seconds, Setting

ORIGIN = Provenance("c", "w", 7, None, Data("l", "s", 3), 0, "e", "d", "t", "python")


def experiment(value=20.0):
    setting = Setting(4, estimator="rate", like=Like(0.05, None, True), features=True)
    estimate = Estimate(value, 19.0, 21.0, (20.5, 19.5))
    point = Point(0.5, setting, 3.5, 1.0, 90.0, 0.1, estimate, Estimate(1.0), Estimate(-0.25))
    series = (Series("one", (point, point)), Series("none", ()))
    return Experiment("fig5", "t", "x", 16, 32, "rFD", "KID", series, Seconds(1.0, 2.5), ORIGIN)


def test_a_result_comes_back_as_it_was(tmp_path):
    path = results.path_of("fig5", tmp_path / "new")
    results.save(experiment(), path)
    assert results.load(Experiment, path) == experiment()
    assert path.name == "fig5.json" and [p.name for p in path.parent.iterdir()] == ["fig5.json"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_not_saved(tmp_path, value):
    with pytest.raises(BadResult, match="x.json would hold a NaN or an infinity"):
        results.save(experiment(value), tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[" * 100_000, "\xff\x00", ""])
def test_a_damaged_file_is_one_sentence(tmp_path, text):
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(BadResult, match=r"^x\.json is damaged[^.]*\.$"):
        results.load(Experiment, tmp_path / "x.json")


def test_a_value_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "x.json"
    results.save(experiment(), path)
    for old, new in (('"k": 4', '"k": "four"'), ('"count": 3.5', '"counted": 3.5')):
        text = path.read_text()
        path.write_text(text.replace(old, new))
        assert path.read_text() != text
        with pytest.raises(BadResult, match="damaged"):
            results.load(Experiment, path)
        path.write_text(text)
    results.load(Experiment, path)
    with pytest.raises(BadResult, match="There is no fig3.json"):
        results.load(Experiment, results.path_of("fig3", tmp_path))


def test_what_cannot_be_written_is_said_before_the_work(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "below"):
        with pytest.raises(BadResult, match="not a folder"):
            results.check_writable(folder)
    with pytest.raises(BadResult, match="cannot be written"):
        results.save(experiment(), Path(file, "x.json"))


def test_shown():
    assert results.shown(Estimate(1.234), 2) == "1.23"
    assert results.shown(Estimate(1.234, 1.0, 1.5), 1) == "1.2 (1.0 to 1.5)"
    assert results.shown(Estimate(-1.234, -5.2, 0.5), 1) == "−1.2 (−5.2 to 0.5)"
    assert results.minus("2026-11-27, a-1, (-3) -.5") == "2026-11-27, a-1, (−3) −.5"


def test_a_text_goes_between_the_marks_of_its_name(tmp_path):
    card = tmp_path / "card.md"
    card.write_text("a\n<!-- evaluate -->\nold\n<!-- /evaluate -->\nb\n<!-- other -->\n")
    results.write_between(card, "evaluate", "| new |")
    assert card.read_text() == (
        "a\n<!-- evaluate -->\n| new |\n<!-- /evaluate -->\nb\n<!-- other -->\n"
    )
    for name in ("other", "none"):  # not closed; not there
        with pytest.raises(BadResult, match="no place for the table"):
            results.write_between(card, name, "x")
    with pytest.raises(BadResult, match="cannot be read"):
        results.write_between(tmp_path / "nowhere.md", "evaluate", "x")
