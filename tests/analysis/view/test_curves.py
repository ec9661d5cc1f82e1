"""The tab Curves on the server's side: one's own pictures measured, stopped and refused."""

import dataclasses
import tempfile
import time
import zipfile
from threading import Event

import gradio as gr
import httpx
import pytest
import small_results
from conftest import pictures, random_model

from analysis.base.results import Estimate, Experiment, Point, Series, load, save
from analysis.base.runner import Runner, Seconds, Setting
from analysis.claims.protocol import Claims, Row, Source
from analysis.draw.figures import axes, measures
from analysis.paper import archive, own_pictures
from analysis.paper.archive import BadArchive
from analysis.paper.experiments import run
from analysis.paper.own_pictures import (
    CHUNK,
    POINTS,
    Report,
    TooFew,
    measure,
    read_album,
    short_plan,
)
from analysis.paper.plans import PLANS
from analysis.paper.work import Origin, Work
from analysis.rate.codecs import sentences
from analysis.view.curves import endpoint
from analysis.view.curves import run as curves_run
from analysis.view.curves import tab as curves
from analysis.view.curves import text as curves_text
from analysis.view.curves.lead import lead
from analysis.view.curves.own_run import OwnRuns
from analysis.view.curves.panel import missing, shown
from analysis.view.shared.settings import BadSetting
from tatok import BadImage, load_image
from tatok.images import to_pil


class Slow(small_results.Moments):
    """Features that take a moment, so that there is time to stop."""

    def features(self, x):
        time.sleep(0.1)
        return super().features(x)


@pytest.fixture(scope="module")
def runner():
    return Runner(random_model(), small_results.Moments())


@pytest.fixture
def runs(runner):
    made = OwnRuns(runner.model, {"images": 7})
    made.runner = runner  # Lite0 is read only where it is wanted
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Twelve pictures of 40 × 40 pixels, as PNG."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, x in enumerate(pictures(12, size=40)):
        to_pil(x).save(folder / f"{i:02}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary folders go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def sent(*paths):
    return [{"path": str(path), "orig_name": "x"} for path in paths]


# --- reading ---------------------------------------------------------------------------------


def test_bad_files_are_counted_and_named(files, tmp_path):
    bad = tmp_path / "bad <b>.png"
    bad.write_bytes(b"\x89PNG")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as made:
        made.write(files[1], "folder/one.png")
        made.writestr("notes.txt", "no picture")
    album = read_album([files[0], bad, tmp_path / "more.zip"], 32)
    assert album.x.shape == (2, 3, 32, 32)
    assert album.x[1:].equal(load_image(files[1], 32))
    assert album.left_out() == "2 of 4 files cannot be read as pictures: bad b.png, notes.txt."
    assert read_album(files, 32).left_out() == ""


def test_many_bad_names_are_cut_short(files):
    album = own_pictures.Album(read_album(files, 32).x, "", tuple(f"{i}.txt" for i in range(11)))
    assert album.left_out().endswith("6.txt, 7.txt and 3 more.")


def test_one_picture_is_too_few(files, tmp_path):
    (tmp_path / "a.txt").write_text("no picture")
    with pytest.raises(TooFew, match="2 pictures or more. 1 of 2 files cannot .* a.txt."):
        read_album([files[0], tmp_path / "a.txt"], 32)


def test_only_uploaded_files_are_read(runs, files, tmp_path):
    folder = str(files[0].parent)
    assert len(runs.album(sent(*files[:3]), folder).x) == 3
    for path in ("/etc/passwd", str(files[0].parent / ".." / "x.png"), str(tmp_path)):
        with pytest.raises(BadImage, match="has to be uploaded"):
            runs.album(sent(files[0], path), folder)
    for payload in (sent(folder), sent(files[0], files[0].with_name("none.png")), [{}], ["x"]):
        with pytest.raises(BadArchive, match="have to be uploaded"):
            runs.album(payload, folder)
    for payload in (None, [], "x", 5):
        with pytest.raises(BadArchive, match="choose some pictures"):
            runs.album(payload, folder)
    with pytest.raises(BadArchive, match="At most 200 files"):
        runs.album(sent(files[0]) * (archive.MAX_PICTURES + 1), folder)


@pytest.mark.parametrize("name", ["fig6", "", None, ["fig3"], "__class__"])
def test_there_are_four_experiments(runs, files, name):
    with pytest.raises(BadSetting, match="fig3, fig4, fig5, epsilon"):
        runs.reports(name, read_album(files, 32), Event())


# --- measuring -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANS)
def test_short_plans_keep_ends_and_settings(runner, name):
    long, short = PLANS[name](runner.model), short_plan(name, runner.model)
    assert len(short.settings) <= 3 * POINTS + 1
    for curve in short.curves:
        (whole,) = (c for c in long.curves if c.name == curve.name)
        assert set(curve.points) <= set(whole.points)
        assert {curve.points[0], curve.points[-1]} == {whole.points[0], whole.points[-1]}
        assert name == "fig5" or len(curve.points) <= POINTS
    for_verdicts = 3 if name == "epsilon" else 0  # random at the paper's N, and two readings
    assert name == "fig5" or len(short.curves) == len(long.curves) - for_verdicts


@pytest.mark.parametrize("name", ["fig3", "fig5"])
def test_it_is_the_same_measurement(runner, files, tmp_path, scratch, name):
    album = read_album(files, 32)
    reports = list(measure(name, album, runner, {"images": 7}, Event()))
    assert (reports[-1].done, reports[-1].total) == (reports[-1].total,) * 2
    last = [r.experiment for r in reports if r.experiment][-1]
    work = Work(tmp_path / "work", Origin.now(runner, "x", 12), chunk=CHUNK)
    plan = short_plan(name, runner.model)
    expected = run(plan, album.x, runner, work, last.provenance)
    assert dataclasses.replace(last, seconds=expected.seconds) == expected
    assert last.provenance.data.n == 12 and last.provenance.training_images == 7
    assert list(scratch.iterdir()) == []
    save(last, tmp_path / "last.json")  # no NaN
    assert load(type(last), tmp_path / "last.json") == last


def test_stopping_keeps_what_is_whole(runner, files, scratch):
    album, stop = read_album(files, 32), Event()
    slow, found = dataclasses.replace(runner, extractor=Slow()), []
    for report in measure("epsilon", album, slow, {}, stop):
        if report.experiment:
            found.append(report.experiment.provenance.data.n)
            stop.set()
    assert found == [CHUNK]
    assert report.done < report.total
    assert list(scratch.iterdir()) == []


def test_stopping_at_once_gives_nothing(runner, files):
    stop = Event()
    stop.set()
    reports = list(measure("fig4", read_album(files, 32), runner, {}, stop))
    assert [report.experiment for report in reports] == [None]


def test_closing_ends_the_work(runner, files, scratch):
    stop = Event()
    slow = dataclasses.replace(runner, extractor=Slow())
    reports = measure("epsilon", read_album(files, 32), slow, {}, stop)
    next(reports)
    reports.close()
    assert stop.is_set() and list(scratch.iterdir()) == []


def test_it_writes_nothing_to_the_log(runner, files, capfd):
    reports = list(measure("fig3", read_album(files, 32), runner, {}, Event()))
    assert reports[-1].done == reports[-1].total
    assert capfd.readouterr() == ("", "")


class Endless:
    """Runs that end only when somebody closes them."""

    def __init__(self):
        self.closed = Event()

    def album(self, payload, folder):
        return own_pictures.Album(pictures(2), "", ())

    def reports(self, name, album, stop):
        try:
            while True:
                time.sleep(0.05)
                yield Report(1, 2)
        finally:
            self.closed.set()


@pytest.mark.parametrize("build", [endpoint.build, curves_run.build])
def test_a_run_ends_when_the_client_hangs_up(build):
    runs, client = Endless(), httpx.Client(trust_env=False, timeout=30)
    with gr.Blocks(analytics_enabled=False) as demo:
        build(runs)
    run = next(i for i, fn in demo.fns.items() if fn.concurrency_id == "experiment")
    sent = {"data": [None] * len(demo.fns[run].inputs), "fn_index": run, "session_hash": "hash"}
    demo.queue().launch(prevent_thread_lock=True, quiet=True)
    try:
        address = f"{demo.local_url}gradio_api/queue"
        client.post(f"{address}/join", json=sent).raise_for_status()
        with client.stream("GET", f"{address}/data", params={"session_hash": "hash"}) as answer:
            assert any("process_generating" in line for line in answer.iter_lines())
            assert not runs.closed.is_set()
        assert runs.closed.wait(30)
    finally:
        demo.close()


def test_what_goes_wrong_passes_on(runner, files):
    class Broken(small_results.Moments):
        def features(self, x):
            raise RuntimeError("broken")

    broken = dataclasses.replace(runner, extractor=Broken())
    with pytest.raises(RuntimeError, match="broken"):
        list(measure("fig3", read_album(files, 32), broken, {}, Event()))


# --- showing ---------------------------------------------------------------------------------


def test_the_panel_takes_only_what_is_on_offer():
    result = small_results.codecs()
    default = measures(result)[0].key, axes(result)[0].key
    for asked in ((None, None), ("fd", "own"), (["PSNR"], {}), ("<b>", 5)):
        measure_, axis, plot, made = shown("codecs", "title", result, *asked, note="")
        assert (measure_["value"], axis["value"]) == default
        assert plot["visible"] and made["value"]["mark"] == default[1]
    _, axis, _, made = shown("c", "t", result, "Lite0 distance", "payload", "n", marked=False)
    assert axis["value"] == "payload" and made["value"]["mark"] is None
    assert made["value"]["made"] == result.provenance.line()
    *hidden, made = missing("a sentence")
    assert not any(update["visible"] for update in hidden)
    assert made["value"] == {"missing": "a sentence"}


def test_a_missing_file_names_its_command():
    for name in curves.KINDS:
        assert "python -m analysis" in curves_text.not_measured(name)
    assert "run fig3 --data DATA" in curves_text.not_measured("fig3")
    html = curves_text.not_measured("claims", html=True)
    assert html == (
        "<p>The claims have not been judged yet; <code>python -m analysis claims</code> does it."
        "</p>"
    )


def test_the_table_of_claims_is_escaped(tmp_path):
    row = Row("id", "Fig. 3", "<b>claim", "1 & 2", "3 <", "", "holds", "`run <x>` it", "a > b")
    html = curves_text.table(Claims((row,), (Source("fig3", "<i>line"),)), "fp")
    for text in ("&lt;b&gt;claim", "1 &amp; 2", "<code>run &lt;x&gt;</code> it", "&lt;i&gt;line"):
        assert text in html
    assert '<b class="holds">holds</b>' in html
    assert curves._claims(tmp_path, "fp") == curves_text.not_measured("claims", html=True)
    (tmp_path / "claims.json").write_text("{")
    assert "is damaged" in curves._claims(tmp_path, "fp")


def test_the_sentence_of_a_figure_is_read_off_its_points():
    def point(x, psnr, policy="dtf", count=64.0):
        setting = Setting(16, 64, policy=policy)
        fd = Estimate(100 - psnr)
        return Point(x, setting, count, 0, 9, 0.1, Estimate(psnr), fd, fd)

    def figure(id, *series):
        named = tuple(Series(name, tuple(points)) for name, points in series)
        origin = small_results.origin(random_model())
        return Experiment(id, id, "x", 256, 128, "rFD", "KD", named, Seconds(), origin)

    own = [point(0, 20), point(3, 23, "chain")]
    said = lead(
        figure("fig5", ("N", [own[0], point(1, 18, "last"), point(2, 19, "random"), own[1]]))
    )
    assert "64 of 256 patches" in said and "20.0 dB" in said
    assert "19.0 dB at best (random)" in said  # chain looks at the picture
    said = lead(figure("fig4", ("end", [point(0, 24), point(100, 20), point(130, 17)])))
    assert "Without 51% of the patches" in said and "7.0 dB (end)" in said
    said = lead(
        figure("epsilon", ("DTF", [point(0, 24), point(0.05, 23)]), ("r", [point(0.05, 21)]))
    )
    assert "At ε = 0.05" in said and "23.0 dB" in said and "random reach 21.0 dB" in said
    said = lead(figure("fig3", ("k", [point(0, 24), point(16, 24.5), point(32, 24.2)])))
    assert "16 global tokens" in said and "0.50 dB" in said and "−0.5" in said
    assert lead(small_results.codecs()) == ""


def test_claims_from_other_weights_say_so():
    lines = {"fig3": "weights fp, N", "fig4": "weights other, N", "speed": "random weights, N"}
    html = curves_text.table(Claims((), tuple(map(Source, lines, lines.values()))), "fp")
    assert html.count("other weights than") == 1
    assert "fig4: measured on other weights than those on this page: weights other, N" in html


def test_where_each_wins_stands_beside_the_figure_of_the_codecs():
    result = small_results.codecs()
    html = curves_text.where_each_wins(result)
    for size in ("file", "payload"):
        for told in sentences(result, size):
            assert f"<li>{told}</li>" in html
    assert "JPEG (optimize=&lt;True&gt;): all but the scan" in html
