"""The tab Curves, driven as a visitor would, with result files of a tiny model that it shows."""

import io
import json
import zipfile
from collections import Counter

import httpx
import pytest
import small_results
from browser.conftest import serving
from browser.tokenize_tab import SETTLED, SLOW, put
from conftest import pictures, random_model
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from pydantic import TypeAdapter

from analysis.base.extractors import Lite0
from analysis.base.metrics import rfd_label
from analysis.base.results import Experiment, load, path_of, save
from analysis.base.runner import Runner
from analysis.draw.figures import measures
from analysis.draw.tables import to_csv
from analysis.paper import overlay
from analysis.paper.own_pictures import CHUNK, read_album, short_plan
from analysis.rate.codecs import sentences
from analysis.view.curves.lead import lead
from tatok.images import to_pil


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """All result files but the codecs'."""
    folder = tmp_path_factory.mktemp("results")
    small_results.write(folder, tmp_path_factory.mktemp("work"))
    path_of("codecs", folder).unlink()
    return folder


@pytest.fixture(scope="module")
def server(results, tmp_path_factory):
    weights = tmp_path_factory.mktemp("weights")
    random_model().save_pretrained(weights, extra={"images": 7})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TATOK_WEIGHTS", str(weights))
        patch.setenv("TATOK_RESULTS", str(results))
        with serving(tmp_path_factory.mktemp("server")) as url:
            yield url


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """41 pictures as PNG."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, x in enumerate(pictures(41, size=40)):
        to_pil(x).save(folder / f"{i:02}.png")
    return sorted(folder.iterdir())


def opened(page):
    page.set_default_timeout(SLOW)
    page.locator(SETTLED).wait_for()
    page.get_by_role("tab", name="Curves", exact=True).click()
    page.locator("#curves-plot .js-plotly-plot .legend").wait_for()
    expect(page.locator('#curves-made [data-text="mark"]')).to_contain_text("stands at")
    return page


@pytest.fixture
def tab(page):
    return opened(page)


def plot(tab, name="curves") -> dict:
    """Title of the y-axis, colour of the text, and every trace by its name."""
    return tab.locator(f"#{name}-plot .js-plotly-plot").evaluate(
        """(plot) => ({
            y: plot.layout.yaxis.title.text,
            colour: plot.layout.font.color,
            traces: Object.fromEntries(plot.data.filter((t) => t.name).map(
                (t) => [t.name.replaceAll("<br>", " "), { x: t.x, y: t.y, axis: t.yaxis }]
            )),
            mark: plot.data.find((trace) => trace.meta === "mark"),
        })"""
    )


def choose_figure(tab, name, y) -> dict:
    """Choose it, and wait until its y-axis says so."""
    tab.locator("#curves-which").get_by_text(name).click()
    return drawn(tab, y)


def drawn(tab, y, name="curves") -> dict:
    tab.wait_for_function(
        f"(y) => document.querySelector('#{name}-plot .js-plotly-plot')?.layout?.yaxis.title.text "
        "=== y",
        arg=y,
    )
    return plot(tab, name)


def test_what_is_drawn_is_what_the_file_says(tab, results):
    for name, title in (("fig4", "Fig. 4"), ("fig5", "Fig. 5"), ("fig3", "Fig. 3")):
        result = load(Experiment, path_of(name, results))
        tab.locator("#curves-which").get_by_text(title).click()
        expect(tab.locator("#curves-plot .xtitle")).to_have_text(result.x)
        shown = plot(tab)
        assert shown["y"] == measures(result)[0].label  # of infinitely many pictures
        for series in result.series:
            limits = [point.limit.estimate.value for point in series.points]
            assert shown["traces"][series.name]["y"] == limits
        for curve in overlay.OVERLAYS[name].curves:
            trace = shown["traces"][f"the paper: {curve.name}"]
            assert trace["axis"] == "y2" and trace["y"] == [rfid for _, rfid in curve.points]
        line = tab.locator('#curves-made [data-text="made"]')
        expect(line).to_have_text(result.provenance.line())


def test_axes_are_chosen(tab, results):
    tab.locator("#curves-which").get_by_text("Rate over").click()
    expect(tab.locator("#curves-plot .xtitle")).to_contain_text("loss rate")
    for field, option in (("axis", "bits per pixel"), ("measure", "PSNR, dB")):
        tab.locator(f"#curves-{field} input").click()
        tab.get_by_role("option", name=option).click()
    series = load(Experiment, path_of("epsilon", results)).series[0]
    trace = drawn(tab, "PSNR, dB")["traces"][series.name]
    assert trace["x"] == [p.bits_per_pixel for p in series.points]
    assert trace["y"] == [p.psnr.value for p in series.points]


def test_the_mark_follows_the_tab_tokenize(tab):
    tab.locator("#curves-which").get_by_text("Fig. 3").click()
    sentence = tab.locator('#curves-made [data-text="mark"]')
    expect(sentence).to_have_text("The Tokenize tab stands at k = 4.")
    assert plot(tab)["mark"]["x"] == [4, 4]
    put(tab, k=2, epsilon=0.4)
    expect(sentence).to_have_text("The Tokenize tab stands at k = 2.")
    assert plot(tab)["mark"]["x"] == [2, 2] and plot(tab)["mark"]["visible"]
    tab.locator("#curves-which").get_by_text("Rate over").click()
    expect(sentence).to_have_text("The Tokenize tab stands at ε = 0.4.")
    assert plot(tab)["mark"]["x"] == [0.4, 0.4]


def test_what_was_not_measured_names_its_command(tab):
    tab.locator("#curves-which").get_by_text("JPEG").click()
    line = tab.locator('#curves-made [data-text="missing"]')
    expect(line).to_contain_text("python -m analysis codecs --data DATA")
    expect(tab.locator("#curves-plot")).to_be_hidden()
    expect(tab.locator('#curves-made [data-save="csv"]')).to_be_hidden()


def test_where_each_coder_wins_stands_beside_the_figure(tab, results):
    result = small_results.codecs()
    save(result, path_of("codecs", results))
    try:
        choose_figure(tab, "JPEG", "PSNR, dB")
        words = tab.locator("#curves-words")
        for told in (*sentences(result, "file"), *sentences(result, "payload")):
            expect(words).to_contain_text(told)
        tab.locator("#curves-measure input").click()
        tab.get_by_role("option", name=result.distance_label).click()
        drawn(tab, result.distance_label)
        tab.locator("#curves-which").get_by_text("Fig. 4").click()
        expect(words).to_be_empty()
    finally:
        path_of("codecs", results).unlink()


def test_a_damaged_file_is_one_sentence(tab, results):
    path = path_of("fig4", results)
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:500])
        tab.locator("#curves-which").get_by_text("Fig. 4").click()
        line = tab.locator('#curves-made [data-text="missing"]')
        expect(line).to_contain_text("fig4.json is damaged")
    finally:
        path.write_bytes(whole)


def test_csv_and_png(tab, results):
    def saved(kind):
        with tab.expect_download() as download:
            tab.locator(f'#curves-made [data-save="{kind}"]').click()
        with open(download.value.path(), "rb") as file:
            return download.value.suggested_filename, file.read()

    name, data = saved("csv")
    assert name == "tatok-fig5.csv"
    assert data.decode() == to_csv(load(Experiment, path_of("fig5", results)))
    name, data = saved("png")
    assert name == "tatok-fig5.png"
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (2200, 1440)
        assert len(set(picture.convert("RGB").resize((110, 72)).get_flattened_data())) > 20


def test_claims_are_on_the_page(tab, results):
    rows = json.loads(path_of("claims", results).read_text())["rows"]
    lines = tab.locator("#claims tbody tr")
    expect(lines).to_have_count(len(rows))
    for row, line in zip(rows, lines.all(), strict=True):
        expect(line).to_contain_text(row["text"])
        expect(line.locator("b")).to_have_text(row["verdict"])


def test_claims_can_be_shown_by_verdict(tab, results):
    rows = json.loads(path_of("claims", results).read_text())["rows"]
    counts = Counter(row["verdict"] for row in rows)
    choices = tab.locator("#claims fieldset label")
    expect(choices).to_have_count(1 + len(counts))
    for verdict, n in counts.items():
        choices.get_by_text(f"{n} {verdict}", exact=True).click()
        expect(tab.locator("#claims tbody tr:visible")).to_have_count(n)
    choices.get_by_text(f"all {len(rows)}").click()
    expect(tab.locator("#claims tbody tr:visible")).to_have_count(len(rows))


def test_a_figure_opens_with_its_sentence(tab, results):
    for name, title in (("fig5", "Fig. 5"), ("epsilon", "Rate over"), ("fig4", "Fig. 4")):
        tab.locator("#curves-which").get_by_text(title).click()
        said = lead(load(Experiment, path_of(name, results)))
        assert said
        expect(tab.locator("#curves-lead")).to_have_text(said)


def test_dark_and_light(open_page):
    colours = []
    for theme in ("light", "dark"):
        tab = opened(open_page(f"/?__theme={theme}"))
        colours.append(plot(tab)["colour"])
        text = tab.locator("#curves-made .made").evaluate("(e) => getComputedStyle(e).color")
        assert text == colours[-1]
    dark, light = (sum(map(int, colour[4:-1].split(","))) for colour in colours)
    assert dark < 300 < 600 < light


def test_phone_has_no_sideways_scroll(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    tab = opened(page)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


# --- run it here -----------------------------------------------------------------------------


def upload(tab, paths) -> None:
    tab.locator("#own-files input[type=file]").set_input_files(paths)
    expect(tab.locator("#own-files .file-preview")).to_be_visible()


def test_ones_own_pictures_are_measured(tab, files, tmp_path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as made:
        for path in files[:9]:
            made.write(path, path.name)
        made.writestr("readme.txt", "no picture")
    upload(tab, [tmp_path / "some.zip"])
    tab.locator("#own-which").get_by_text("Fig. 3").click()
    tab.locator("#own-go").click()
    status = tab.locator("#own-status")
    expect(status).to_contain_text("Done: 9 pictures", timeout=2 * SLOW)
    expect(status).to_contain_text("1 of 10 files cannot be read as pictures: readme.txt.")
    shown = drawn(tab, "PSNR, dB", "own")
    runner = Runner(random_model())
    plan, album = short_plan("fig3", runner.model), read_album(files[:9], 32)
    for curve in plan.curves:
        assert shown["traces"][curve.name]["x"] == [x for x, _ in curve.points]
    expect(tab.locator('#own-made [data-text="made"]')).to_contain_text(album.sha256[:12])
    expect(tab.locator("#own-go")).to_be_enabled()
    tab.locator("#own-measure input").click()
    label = rfd_label(Lite0(), 9)
    tab.get_by_role("option", name=label).click()
    drawn(tab, label, "own")


def test_stop_keeps_what_is_whole(tab, files):
    upload(tab, files)
    expect(tab.locator("#own-files .file-preview tr")).to_have_count(len(files))
    tab.locator("#own-go").click()
    expect(tab.locator("#own-go")).to_be_disabled()
    expect(tab.locator("#own-status progress")).to_be_visible()
    made = tab.locator('#own-made [data-text="made"]')
    expect(made).to_contain_text(f"{CHUNK} images", timeout=2 * SLOW)
    tab.locator("#own-stop").click()
    expect(tab.locator("#own-status")).to_contain_text("Stopped", timeout=SLOW)
    expect(tab.locator("#own-go")).to_be_enabled()
    n = int(made.inner_text().split()[0])
    assert n % CHUNK == 0 and CHUNK <= n < len(files)


def test_refusals_are_one_sentence_and_the_page_goes_on(tab, files, tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as made:
        made.writestr("../evil.png", b"x")
    status = tab.locator("#own-status")
    tab.locator("#own-go").click()
    expect(status).to_have_text("Please choose some pictures, or a zip of them.")
    expect(tab.locator("#own-go")).to_be_enabled()
    upload(tab, [tmp_path / "evil.zip"])
    tab.locator("#own-go").click()
    expect(status).to_have_text("The archive names a place outside itself: evil.png.")


# --- the endpoint ----------------------------------------------------------------------------


def call(client, paths, name="epsilon"):
    sent = [handle_file(str(path)) for path in paths]
    return client.predict(sent, name, api_name="/experiment")


def test_the_endpoint_measures_the_same(client, files, tmp_path):
    (tmp_path / "a.txt").write_text("no picture")
    told = call(client, [*files[:3], tmp_path / "a.txt"])
    assert told["left_out"] == ["a.txt"]
    experiment = TypeAdapter(Experiment).validate_python(told["experiment"])
    runner = Runner(random_model())
    plan = short_plan("epsilon", runner.model)
    assert experiment.provenance.data.n == 3 and experiment.fd_label == rfd_label(Lite0(), 3)
    setting = plan.curves[0].points[2][1]
    expected = Runner(runner.model, Lite0()).measure(read_album(files[:3], 32).x, [setting])
    point = experiment.series[0].points[2]
    assert point.psnr.value == pytest.approx(expected[setting].psnr.mean().item(), rel=1e-4)
    assert point.count == pytest.approx(expected[setting].count.double().mean().item())


@pytest.mark.parametrize(
    "n, name, sentence",
    [(2, "fig6", "The experiment must be one of fig3"), (1, "fig3", "needs 2 pictures or more")],
)
def test_bad_calls_are_one_sentence(client, files, n, name, sentence):
    with pytest.raises(AppError) as caught:
        call(client, files[:n], name)
    assert sentence in str(caught.value) and "Traceback" not in str(caught.value)


@pytest.mark.parametrize("marked", [True, False])
def test_a_file_of_the_server_is_refused(client, server, files, marked):
    """By a request made by hand, since the client would upload the file; by Gradio already."""
    mark = {"meta": {"_type": "gradio.FileData"}} if marked else {}
    data = [[{"path": str(path), **mark} for path in files[:2]], "fig3"]
    address = f"{server}/gradio_api/call/experiment"
    event = httpx.post(address, json={"data": data}, trust_env=False).json()["event_id"]
    answer = httpx.get(f"{address}/{event}", trust_env=False, timeout=60).text
    assert answer.startswith("event: error")
    assert "Traceback" not in answer and str(files[0]) not in answer
    assert call(client, files[:2])["left_out"] == []
