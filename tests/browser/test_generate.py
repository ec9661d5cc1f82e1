"""The tab Generate, driven as a visitor would, with a small random generator."""

import base64
import io
import json
import re
import shutil
from urllib.parse import parse_qsl

import numpy as np
import pytest
import torch
from browser.conftest import serving
from browser.tokenize_tab import ASSETS, SETTLED, SLOW, address, set_slider
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect

from analysis.view.generate.knobs import MAY_IDLE
from analysis.view.generate.painter import Painter, Sources, numbers
from analysis.view.generate.settings import Drawing
from analysis.view.shared.engine import Engine
from tatok import MaskGIT, TaTok, tokenfile
from tatok.config import GeneratorConfig
from tatok.images import to_pil

VIEW = "#generate-view "
STEPS = 5
NO_CLASS = "Without a class there is nothing to be guided to."
AT_ONCE = "With so few steps, all tokens of a kind are drawn at once."


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The demo tokenizer, and beside it a small generator of it that was never trained."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("tokenizer.json", "tokenizer.safetensors"):
        shutil.copy(ASSETS / "demo" / name, folder)
    model = TaTok.from_pretrained(folder)
    config = GeneratorConfig(
        classes=("cat", "<dog>"),
        tokenizer=model.fingerprint,
        num_patches=model.config.num_patches,
        k=model.config.k,
        codebook_size=model.config.codebook_size,
        layout=model.config.layout,
        estimator=model.config.estimator,
        dim=32,
        depth=1,
        place_dim=16,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        generator = MaskGIT(config)
        for parameter in generator.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    generator.save_pretrained(folder, extra={"images": 0, "hours": 0.0})
    return folder


@pytest.fixture(scope="module")
def painter(weights):
    return Painter(Engine(TaTok.from_pretrained(weights)), MaskGIT.from_pretrained(weights))


@pytest.fixture(scope="module")
def server(weights, tmp_path_factory):
    """The app with these weights instead of the ones that ship."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TATOK_WEIGHTS", str(weights))
        with serving(tmp_path_factory.mktemp("server")) as url:
            yield url


@pytest.fixture
def tab(page):
    return opened(page)


def opened(page):
    page.set_default_timeout(SLOW)
    page.get_by_role("tab", name="Generate", exact=True).click()
    expect(status(page)).to_contain_text("drawn in", timeout=SLOW)  # the first pictures
    set_slider(page, "generate-pictures", 2)
    set_slider(page, "generate-steps", STEPS)
    set_slider(page, "generate-epsilon", 0.5)
    return page


def test_the_tab_opens_with_pictures(open_page):
    page = open_page("/?tab=generate&g.steps=2&g.label=cat&g.seed=5")
    page.set_default_timeout(SLOW)
    cards = page.locator(VIEW + ".card img")
    expect(cards).to_have_count(4, timeout=SLOW)
    expect(status(page)).to_contain_text("drawn in", timeout=SLOW)
    expect(status(page)).to_contain_text("cat")
    assert settings_of(page)["settings"]["seed"] == 5
    page.get_by_role("tab", name="Tokenize", exact=True).first.click()
    page.get_by_role("tab", name="Generate", exact=True).click()
    page.wait_for_timeout(500)
    expect(status(page)).to_contain_text("drawn in")  # and does not draw again


def status(tab):
    return tab.locator(VIEW + ".status")


def press(tab, name="go") -> None:
    tab.locator(f"#generate-{name}").click()


def generate(tab) -> None:
    status(tab).evaluate("status => { status.textContent = ''; }")  # of the drawing before
    press(tab)
    expect(status(tab)).to_contain_text("drawn in", timeout=SLOW)


def choose_mode(tab, name) -> None:
    tab.locator("#generate-mode").get_by_text(name, exact=True).click()
    tab.locator("#source-a .source:not([hidden])").wait_for()


def saved(tab, action):
    with tab.expect_download() as download:
        tab.locator(VIEW + f'[data-do="{action}"]').click()
    with open(download.value.path(), "rb") as file:
        return download.value.suggested_filename, file.read()


def settings_of(tab) -> dict:
    return json.loads(saved(tab, "json")[1])


def in_python(painter, row=0, **changes):
    """What the tab's settings give, step by step."""
    values = {"label": "cat", "pictures": 2, "steps": STEPS, "epsilon": 0.5} | changes
    drawing = Drawing.parse(values, painter.generator.config)
    return list(painter.draw(drawing, row, Sources()))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int)


def image(tab, index) -> bytes:
    source = tab.locator(VIEW + ".card img").nth(index).get_attribute("src")
    return base64.b64decode(source.partition(",")[2])


def test_every_step_is_drawn_and_replayed_without_the_server(tab, painter):
    generate(tab)
    expected = [in_python(painter, row) for row in range(2)]
    for row in range(2):
        whole = numbers(expected[row][-1])
        line = f"N = {whole.kept}, k + N = {whole.tokens} tokens, {whole.bits:,} bits"
        expect(tab.locator(VIEW + ".below").nth(row)).to_contain_text(line)
        expect(tab.locator(VIEW + ".name").nth(row)).to_contain_text(f"seed {row}")
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    scrubber = tab.locator(VIEW + "input[type=range]")
    scrubber.press("Home")
    for step in range(1, STEPS + 1):
        expect(tab.locator(VIEW + '[data-text="step"]')).to_have_text(f"Step {step} of {STEPS}")
        for row in range(2):
            right = np.asarray(to_pil(painter.picture(expected[row][step - 1].step)), int)
            assert np.abs(pixels(image(tab, row)) - right).max() <= 1, (row, step)
        scrubber.press("ArrowRight")
    scrubber.press("Home")
    tab.locator(VIEW + '[data-do="play"]').click()
    expect(tab.locator(VIEW + '[data-do="play"]')).to_have_text("Pause")
    expect(tab.locator(VIEW + '[data-text="step"]')).to_have_text(f"Step {STEPS} of {STEPS}")
    expect(tab.locator(VIEW + '[data-do="play"]')).to_have_text("Play")
    assert not [url for url in asked if "queue" in url or "component_server" in url]


def test_a_token_tells_its_code_and_step(tab, painter):
    generate(tab)
    last = in_python(painter)[-1]
    code, confidence, step = next(row[1:] for row in last.globals if row[0] == 1)
    grid = tab.locator(VIEW + "canvas.tokens").first
    for key in ("ArrowRight", "ArrowRight"):  # the first press lands on the first token
        grid.press(key)
    line = tab.locator(VIEW + '[data-text="readout"]')
    expect(line).to_contain_text(f"Global token 2 of {painter.generator.config.k}: code {code}")
    expect(line).to_contain_text(f"drawn in step {step} with ln p = −{-confidence:.2f}")
    grid.press("ArrowDown")
    expect(line).to_contain_text("Patch row 1, column 2")
    expect(tab.locator(VIEW + ".square .cursor:visible")).to_have_count(1)
    before = grid.evaluate("(canvas) => canvas.toDataURL()")
    tab.locator(VIEW + '[data-by="step"]').click()
    assert grid.evaluate("(canvas) => canvas.toDataURL()") != before
    grid.press("Escape")
    expect(tab.locator(VIEW + ".square .cursor:visible")).to_have_count(0)


def test_what_is_taken_away_is_what_is_shown(tab, painter):
    generate(tab)
    tab.locator(VIEW + ".name").nth(1).click()
    name, data = saved(tab, "png")
    assert name == "tatok-cat-seed1.png"
    assert np.array_equal(pixels(data), pixels(image(tab, 1)))
    tokens = tokenfile.unpack(saved(tab, "tatok")[1], painter.engine.model)
    right = np.asarray(to_pil(painter.engine.model.decode(tokens)), int)
    assert np.abs(pixels(data) - right).max() <= 1
    told = settings_of(tab)
    assert told["settings"]["epsilon"] == 0.5 and told["settings"]["steps"] == STEPS
    assert told["numbers"]["kept"] == int(tokens.count[0]) == len(told["patch_tokens"])


def test_a_generated_picture_is_tokenized(tab):
    generate(tab)
    tab.locator(VIEW + '[data-do="send"]').click()
    expect(tab.get_by_role("tab", name="Tokenize", exact=True)).to_have_attribute(
        "aria-selected", "true", timeout=SLOW
    )
    expect(tab.locator("#crop-view .note")).to_contain_text("tatok-cat-seed0.png, 128 × 128")
    tab.locator(SETTLED).wait_for()


# In the page itself: a busy machine draws all eight before a click from outside arrives.
STOP_AT_TWO = """() => new MutationObserver((_, observer) => {
    if (document.querySelectorAll("#generate-view .card").length !== 2) return;
    observer.disconnect();
    document.getElementById("generate-stop").click();
}).observe(document.getElementById("generate-view"), {childList: true, subtree: true})"""


def test_stop_keeps_what_was_made_and_the_next_press_draws(tab):
    set_slider(tab, "generate-pictures", 8)
    set_slider(tab, "generate-steps", 32)
    tab.evaluate(STOP_AT_TWO)
    press(tab)
    expect(status(tab)).to_contain_text("Stopped", timeout=SLOW)
    made = tab.locator(VIEW + ".card").count()
    assert 2 <= made < 8
    expect(tab.locator("#generate-go")).to_be_enabled()
    assert len(image(tab, 0)) > 0
    expect(tab.locator(VIEW + '[data-do="tatok"]')).to_be_enabled()  # the first one is whole
    tab.locator(VIEW + ".name").nth(made - 1).click()
    expect(tab.locator(VIEW + '[data-do="tatok"]')).to_be_disabled()
    set_slider(tab, "generate-pictures", 1)
    set_slider(tab, "generate-steps", 2)
    press(tab, "next")
    expect(status(tab)).to_contain_text("1 picture, class cat, 2 steps", timeout=SLOW)
    expect(tab.locator(VIEW + ".name")).to_contain_text("seed 1")


def test_painted_patches_are_drawn_and_no_others(tab, painter):
    choose_mode(tab, "a painted picture")
    set_slider(tab, "generate-pictures", 1)
    note = tab.locator("#source-a .note")
    expect(note).to_contain_text("36 of 256 patches")
    tools = tab.locator("#source-a .tools")
    tools.get_by_text("Clear").click()
    press(tab)
    expect(tab.get_by_test_id("toast-body")).to_contain_text("Paint over a part", timeout=SLOW)
    expect(status(tab)).to_have_text("Nothing was drawn.")
    canvas = tab.locator("#source-a canvas")
    box = canvas.bounding_box()
    cell = box["width"] / 16
    tab.mouse.move(box["x"] + 4.5 * cell, box["y"] + 4.5 * cell)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 9.5 * cell, box["y"] + 4.5 * cell)  # in one leap
    tab.mouse.up()
    expect(note).to_contain_text("24 of 256 patches")  # three rows of eight
    tools.get_by_text("Wide brush").click()
    for key in ("ArrowDown", "ArrowDown", " "):  # the first press lands on the first patch
        canvas.press(key)
    expect(note).to_contain_text("25 of 256 patches")
    set_slider(tab, "generate-epsilon", 0)
    generate(tab)
    places = {row * 16 + column for row in (3, 4, 5) for column in range(3, 11)} | {16}
    told = settings_of(tab)
    drawn = {token["place"] for token in told["patch_tokens"] if token["step"] > 0}
    given = {token["place"] for token in told["patch_tokens"] if token["step"] == 0}
    assert drawn and drawn <= places and given and not given & places
    assert all(token["step"] == 0 for token in told["global_tokens"])


def test_variation_and_interpolation(tab):
    steps = {}
    for mode in ("a picture's global tokens", "a picture's patches", "between two pictures"):
        choose_mode(tab, mode)
        generate(tab)
        told = settings_of(tab)
        steps[mode] = [
            {token["step"] > 0 for token in told[f"{part}_tokens"]} for part in ("global", "patch")
        ]
    assert list(steps.values()) == [[{False}, {True}], [{True}, {False}], [{False}, {True}]]
    assert tab.locator(VIEW + ".name small").all_inner_texts() == ["t = 0.00", "t = 1.00"]


def test_what_was_given_stands_beside_and_an_old_drawing_is_dimmed(tab):
    drawing, origins = tab.locator(VIEW + ".drawing"), tab.locator(VIEW + ".origins img")
    generate(tab)
    expect(origins).to_have_count(0)
    expect(drawing).not_to_have_class(re.compile("stale"))
    choose_mode(tab, "a painted picture")
    expect(drawing).to_have_class(re.compile("stale"))
    expect(status(tab)).to_contain_text("before the mode was changed")
    generate(tab)
    expect(drawing).not_to_have_class(re.compile("stale"))
    expect(origins).to_have_count(2)  # the picture, and what is painted over it
    source = tab.locator("#source-a img").get_attribute("src")
    assert origins.first.get_attribute("src") == source
    choose_mode(tab, "between two pictures")
    generate(tab)
    expect(origins).to_have_count(2)
    sources = [tab.locator(f"#source-{name} img").get_attribute("src") for name in "ab"]
    assert [origins.nth(i).get_attribute("src") for i in (0, 1)] == sources


def parameters(page) -> dict:
    return dict(parse_qsl(address(page, 900), keep_blank_values=True))


def test_a_reload_loses_nothing(open_page):
    page = open_page("/?tab=generate&g.mode=between&g.b=cat&g.steps=1e9&g.top_p=x&g.a=%3Cb%3E")
    page.set_default_timeout(SLOW)
    page.locator("#source-b .source:not([hidden])").wait_for()
    expect(page.locator("#source-b .note")).to_contain_text("cat", timeout=SLOW)
    expect(page.locator("#source-a .note")).to_contain_text("astronaut")
    expect(page.locator("#generate-steps input").first).to_have_value("8")
    set_slider(page, "generate-steps", 5)
    page.locator("#generate-seed input").fill("77")
    page.locator("#generate-length").get_by_text("fixed N").click()
    page.locator("#generate-class input").click()
    page.get_by_role("option", name="cat").click()
    wanted = {"tab": "generate", "x": "astronaut", "g.mode": "between"}
    wanted |= {"g.b": "cat", "g.a": "astronaut"}
    wanted |= {"g.steps": "5", "g.seed": "77", "g.length": "count", "g.label": "cat"}
    assert parameters(page) == wanted
    page.reload()
    expect(page.locator("#generate-seed input")).to_have_value("77", timeout=SLOW)
    expect(page.locator("#source-b .note")).to_contain_text("cat")
    expect(page.locator("#generate-steps input").first).to_have_value("5")
    expect(page.locator("#generate-class input")).to_have_value("cat")
    expect(page.locator("#generate-count")).to_be_visible()
    assert parameters(page) == wanted


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_generate_is_in_reach_from_every_knob(open_page, size):
    tab = opened(open_page("/", viewport={"width": size[0], "height": size[1]}))
    for name in ("mode", "temperature", "seed"):
        tab.locator(f"#generate-{name}").scroll_into_view_if_needed()
        expect(tab.locator("#generate-go")).to_be_in_viewport(ratio=1)
    field = tab.locator("#generate-temperature input").first.bounding_box()
    label = tab.locator("#generate-temperature").get_by_text("Temperature").bounding_box()
    assert label["x"] + label["width"] <= field["x"] and field["width"] >= 50


def hyphenated(name: str) -> str:
    return name.replace("_", "-")


def test_what_changes_nothing_is_off_and_says_why(tab):
    knobs = {name: tab.locator(f"#generate-{name}") for name in map(hyphenated, MAY_IDLE)}

    def check_off(**why) -> None:
        for name, knob in knobs.items():
            sentence = why.get(name.replace("-", "_"))
            field = expect(knob.locator("input").first)
            field.to_be_enabled() if sentence is None else field.to_be_disabled()
            expect(knob).to_contain_text(sentence or "")
        for sentence in (NO_CLASS, AT_ONCE):
            if sentence not in why.values():
                expect(tab.get_by_text(sentence)).to_have_count(0)

    tab.get_by_role("button", name="More").click()
    check_off()
    at_once = dict.fromkeys(("schedule", "choice_temperature", "order"), AT_ONCE)
    set_slider(tab, "generate-steps", 2)
    check_off(**at_once)
    set_slider(tab, "generate-guidance", 1)
    check_off(**at_once)
    set_slider(tab, "generate-patch-guidance", 1)
    check_off(**at_once, guidance_schedule="Guidance 1 is none")
    set_slider(tab, "generate-guidance", 2)
    choose_mode(tab, "a picture's patches")  # the class is "no class" now
    given = "The patches are given."
    check_off(
        guidance=NO_CLASS,
        guidance_schedule=NO_CLASS,
        patch_guidance=NO_CLASS,
        patch_temperature=given,
        patch_spread=given,
        order=given,
    )
    tab.locator("#generate-class input").click()
    tab.get_by_role("option", name="cat").click()
    check_off(patch_guidance=given, patch_temperature=given, patch_spread=given, order=given)
    generate(tab)
    assert settings_of(tab)["settings"]["guidance"] == 2


def test_an_upload_and_a_damaged_file(tab, tmp_path):
    choose_mode(tab, "a picture's patches")
    good, bad = tmp_path / "wide.png", tmp_path / "damaged.png"
    Image.new("RGB", (300, 160), "navy").save(good)
    bad.write_bytes(good.read_bytes()[:60])
    tab.locator("#source-a-upload input[type=file]").set_input_files(good)
    expect(tab.locator("#source-a .note")).to_have_text("wide, its centre square.", timeout=SLOW)
    tab.locator("#source-a-upload input[type=file]").set_input_files(bad)
    expect(tab.get_by_test_id("toast-body")).to_contain_text("damaged.png", timeout=SLOW)
    generate(tab)


@pytest.mark.parametrize("path", ["/", "/?__theme=dark"])
def test_phone_has_no_sideways_scroll(open_page, path):
    page = open_page(path, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    tab = opened(page)
    choose_mode(tab, "a painted picture")
    note = tab.locator("#source-a .note")
    expect(note).to_contain_text("36 of 256 patches")
    tab.locator("#source-a canvas").tap(position={"x": 3, "y": 3})
    expect(note).to_contain_text("40 of 256 patches")
    generate(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.locator(VIEW + "canvas.tokens").first.tap()
    expect(tab.locator(VIEW + '[data-text="readout"]')).to_contain_text("Picture 1. Patch row")


# --- the endpoint ------------------------------------------------------------------------------


def call(client, **changes):
    values = {
        "label": "cat",
        "pictures": 2,
        "steps": STEPS,
        "guidance": 2,
        "temperature": 1,
        "epsilon": 0.5,
        "n": None,
        "seed": 0,
    }
    return client.predict(**values | changes, api_name="/generate")


def test_the_endpoint_draws_the_same(client, painter):
    pictures, told = call(client)
    assert [row["seed"] for row in told] == [0, 1]
    for row in range(2):
        last = in_python(painter, row, guidance=2, temperature=1)[-1]
        assert told[row]["bits"] == numbers(last).bits
        with Image.open(pictures[row]["image"]) as made:
            difference = np.asarray(made, int) - np.asarray(to_pil(painter.picture(last.step)), int)
        assert np.abs(difference).max() <= 1
    assert call(client, pictures=1, n=7, label="")[1][0]["kept"] == 7


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"label": "<cow>"}, "The class must be one of cat"),
        ({"pictures": 9}, "The number of pictures must be a whole number in 1..8."),
        ({"steps": 1000}, "Steps must be a whole number in 1..32."),
        ({"epsilon": 1}, "ε must lie in [0, 1)."),
        ({"n": 257}, "N must be a whole number in 0..256."),
        ({"seed": -1}, "The seed must be"),
    ],
)
def test_bad_input_is_one_sentence(client, changes, sentence):
    with pytest.raises(AppError) as caught:
        call(client, **changes)
    assert sentence in str(caught.value) and "Traceback" not in str(caught.value)
