"""What the figures show is what the result files say, and the paper's points stand apart."""

import csv
import io
import json

import pytest
import small_results

from analysis.draw import base, figures
from analysis.draw.figures import OWN, RATE, axes, draw, measures
from analysis.draw.tables import to_csv
from analysis.paper import overlay


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    results = small_results.experiments(tmp_path_factory.mktemp("work"))
    return {**results, "codecs": small_results.codecs()}


def traces(drawing, **wanted):
    """Traces of the figure as the browser gets them."""
    data = json.loads(drawing.figure.to_json())["data"]
    return [t for t in data if all(t.get(key) == value for key, value in wanted.items())]


def named(drawing, name):
    """The trace of that name, which may be broken into lines."""
    return next(t for t in traces(drawing) if t.get("name", "").replace("<br>", " ") == name)


@pytest.mark.parametrize("name", ["fig3", "fig4", "epsilon"])
@pytest.mark.parametrize("measure", ["limit", "fd", "psnr", "kid", "count"])
def test_curves_and_bands_are_the_files(made, name, measure):
    result = made[name]
    for axis, value in ((OWN, lambda p: p.x), (RATE, lambda p: p.bits_per_pixel)):
        drawing = draw(result, measure, axis)
        for series in result.series:
            trace = named(drawing, series.name)
            assert trace["x"] == [value(p) for p in series.points]
            if measure == "count":
                assert trace["y"] == [p.count for p in series.points]
                continue
            estimates = [getattr(p, measure) for p in series.points]
            if measure == "limit":
                estimates = [limit.estimate for limit in estimates]
            assert trace["y"] == [e.value for e in estimates]
            if len(series.points) == 1:
                continue
            (band,) = traces(drawing, fill="toself", legendgroup=series.name)
            n, order = len(estimates), sorted(range(len(estimates)), key=trace["x"].__getitem__)
            assert band["y"][:n] == [estimates[i].high for i in order]
            assert band["y"][n:] == [estimates[i].low for i in reversed(order)]
            assert band["x"][:n] == band["x"][n:][::-1] == sorted(trace["x"])


def test_a_curve_of_one_point_has_an_error_bar(made):
    every = named(draw(made["epsilon"], "psnr", OWN), "all patches")
    (point,) = next(s.points for s in made["epsilon"].series if s.name == "all patches")
    assert every["mode"] == "markers"
    assert every["error_y"]["array"] == [point.psnr.high - point.psnr.value]
    assert every["error_y"]["arrayminus"] == [point.psnr.value - point.psnr.low]


def test_policies_are_places_on_the_axis(made):
    result = made["fig5"]
    drawing = draw(result, "fd", OWN)
    for series in result.series:
        trace = named(drawing, series.name)
        assert trace["x"] == [p.setting.label for p in series.points]
        assert trace["y"] == [p.fd.value for p in series.points]
    assert drawing.figure.layout.scattermode == "group"
    assert [choice.key for choice in axes(result)] == [OWN]


@pytest.mark.parametrize("measure", ["fd", "psnr", "kid", "count"])
def test_the_policies_fill_the_height(made, measure):
    drawing = draw(made["fig5"], measure, OWN)
    for trace in traces(drawing, yaxis="y2"):  # the paper's, with its own axis
        assert filled(trace["y"], drawing.figure.layout.yaxis2.range) > 0.8
    values = []
    for series in made["fig5"].series:
        trace = named(drawing, series.name)
        bars = trace.get("error_y", {"array": [0], "arrayminus": [0]})
        values += trace["y"]
        values += [y - d for y, d in zip(trace["y"], bars["arrayminus"], strict=False)]
        values += [y + d for y, d in zip(trace["y"], bars["array"], strict=False)]
    assert filled(values, drawing.figure.layout.yaxis.range) > 0.8


def filled(values, span):
    """Their share of a range, which must hold them all."""
    low, high = span
    assert low < min(values) and max(values) < high
    return (max(values) - min(values)) / (high - low)


def test_one_value_alone_has_a_range():
    for value in (0.0, -2.0, 3.0):
        low, high = base.span([value, None])
        assert low < value < high


def test_names_in_the_legend_fit_a_phone(made):
    names = [t["name"] for t in traces(draw(made["fig5"], "psnr", OWN)) if t.get("name")]
    assert any("<br>" in name for name in names)
    assert all(len(line) <= base.LETTERS for name in names for line in name.split("<br>"))


@pytest.mark.parametrize("name", ["fig3", "fig4", "fig5"])
def test_the_papers_points_have_an_axis_and_a_name_of_their_own(made, name):
    drawing = draw(made[name], "fd", OWN)
    ours = {trace.get("yaxis", "y") for trace in traces(drawing) if trace.get("legendgroup")}
    assert ours <= {"y"}
    for curve in overlay.OVERLAYS[name].curves:
        trace = named(drawing, f"the paper: {curve.name}")
        assert trace["yaxis"] == "y2" and list(zip(trace["x"], trace["y"], strict=True)) == [
            tuple(point) for point in curve.points
        ]
        assert all("ImageNet, Inception" in text for text in trace["text"])
    assert drawing.figure.layout.yaxis2.title.text == overlay.LABEL
    assert made[name].fd_label == drawing.figure.layout.yaxis.title.text
    others = [draw(made[name], "psnr", OWN)]
    if name != "fig5":
        others.append(draw(made[name], "fd", RATE))
    assert not any(trace.get("yaxis") == "y2" for other in others for trace in traces(other))


def test_patches_of_the_paper_lie_over_the_same_share_of_ours(made):
    layout = draw(made["fig4"], "fd", OWN).figure.layout
    M = made["fig4"].num_patches
    assert layout.xaxis2.range == pytest.approx([v * 441 / M for v in layout.xaxis.range])
    assert layout.yaxis2.type == "log"


def test_the_papers_policies_are_ours(made):
    labels = {p.setting.label for s in made["fig5"].series for p in s.points}
    assert {x for x, _ in overlay.OVERLAYS["fig5"].curves[0].points} <= labels


def test_codecs_and_their_hulls(made):
    result = made["codecs"]
    for measure, value in (
        ("PSNR", lambda p: p.psnr.value),
        ("Lite0 distance", lambda p: p.distance.value),
    ):
        for size in ("file", "payload"):
            drawing = draw(result, measure, size)
            assert drawing.mark == size
            bytes_ = figures.SIZES[size]
            jpeg = [p for p in result.points if p.coder == "JPEG"]
            points = named(drawing, "JPEG")
            assert points["x"] == [bytes_(p).value for p in jpeg]
            assert points["y"] == [value(p) for p in jpeg]
            (line,) = traces(drawing, legendgroup="JPEG", mode="lines")
            best = [p for p in jpeg if p.knob != 10]
            assert line["x"] == [bytes_(p).value for p in best]
            assert line["y"] == [value(p) for p in best]
            assert figures.measures(result)[1].label == "Lite0 distance (e, N=0)"


@pytest.mark.parametrize(
    "name, axis, mark",
    [
        ("fig3", OWN, "k"),
        ("fig4", OWN, "removed"),
        ("fig5", OWN, "policy"),
        ("epsilon", OWN, "epsilon"),
        ("epsilon", RATE, RATE),
    ],
)
def test_every_figure_has_a_line_for_the_mark(made, name, axis, mark):
    drawing = draw(made[name], "psnr", axis)
    assert drawing.mark == mark
    (line,) = traces(drawing, meta="mark")
    assert line["visible"] is False and line["yaxis"] == "y3"


def test_hovering_names_what_it_shows(made):
    result = made["epsilon"]
    point = result.series[0].points[3]
    text = named(draw(result, "fd", OWN), result.series[0].name)["text"][3]
    assert result.fd_label in text and f"{point.fd.value:.2f}" in text
    assert f"N = {point.count:.1f}" in text and f"{point.bits_per_pixel:.4f}" in text


def test_csv_holds_every_number(made):
    for name, result in made.items():
        first, *lines = to_csv(result).splitlines()
        assert first == f"# {result.provenance.line()}"
        head, *rows = csv.reader(io.StringIO("\n".join(lines)))
        assert all(len(row) == len(head) for row in rows)
        if name == "codecs":
            assert [float(row[3]) for row in rows] == [p.file_bytes.value for p in result.points]
            assert "Lite0 distance (e, N=0)" in head
            assert float(rows[1][head.index("PSNR, dB, low")]) == result.points[1].psnr.low
            continue
        points = [point for series in result.series for point in series.points]
        assert [float(row[head.index(result.fd_label)]) for row in rows] == [
            p.fd.value for p in points
        ]
        assert [row[head.index("policy")] for row in rows] == [p.setting.label for p in points]


def test_what_is_not_on_offer_is_refused(made):
    for measure, axis in (("ssim", OWN), ("fd", "time"), ("", "")):
        with pytest.raises(ValueError, match="on offer"):
            draw(made["fig3"], measure, axis)
    assert [c.key for c in measures(made["fig3"])] == ["limit", "fd", "psnr", "kid", "count"]


def test_backgrounds_are_clear(made):
    for result in made.values():
        layout = draw(result, measures(result)[0].key, axes(result)[0].key).figure.layout
        assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
