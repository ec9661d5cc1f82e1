"""The tab Tokenize, driven as a visitor would."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from analysis.view.engine import Engine
from analysis.view.picker import example_files
from analysis.view.state import Settings
from tatok import TaTok

ASSETS = Path(__file__).parents[2] / "assets"
SETTLED = "#patch-view .figure:not(.waiting):not(.empty)"
SLOW = 60_000  # ms, for a busy machine


@pytest.fixture(scope="module")
def engine():
    return Engine(TaTok.from_pretrained(ASSETS / "demo"))


@pytest.fixture
def tab(page):
    """The page with its first figure drawn."""
    page.set_default_timeout(SLOW)
    page.locator(SETTLED).wait_for()
    return page


def stat(tab, name):
    return tab.locator(f'[data-stat="{name}"] dd').first


def canvas(tab, name) -> str:
    return tab.locator(f'[data-panel="{name}"]').evaluate("(canvas) => canvas.toDataURL()")


def set_slider(tab, name, value) -> None:
    field = tab.locator(f"#{name} input[type=number]")
    field.fill(str(value))
    field.press("Enter")


def choose(tab, name, option) -> None:
    tab.locator(f"#{name} input").click()
    tab.get_by_role("option", name=option, exact=True).click()


def figures(tab) -> dict:
    tab.locator(SETTLED).wait_for()
    names = ("kept", "tokens", "bits", "psnr", "ssim")
    return {name: stat(tab, name).inner_text() for name in names}


def expected(engine, settings, path=None) -> dict:
    path = path or example_files(ASSETS / "examples")[0]
    s = engine.tokenize(engine.square(str(path), None), settings).statistics
    return {
        "kept": str(s.kept),
        "tokens": str(s.tokens),
        "bits": f"{s.bits:,} bits",
        "psnr": f"{s.psnr:.2f} dB",
        "ssim": f"{s.ssim:.4f}",
    }


def test_the_page_shows_what_python_computes(tab, engine):
    config = engine.model.config
    assert figures(tab) == expected(engine, Settings(0.05, config.k, config.estimator, "dtf"))


def test_epsilon_moves_in_the_browser_and_pixels_follow(tab, engine):
    config = engine.model.config
    before = {name: canvas(tab, name) for name in ("kept", "image", "entropy")}
    held, open_gate = [], []

    def gate(route):
        route.continue_() if open_gate else held.append(route)

    tab.route("**/queue/join*", gate)  # for now the server hears nothing
    set_slider(tab, "epsilon", 0.5)
    target = expected(engine, Settings(0.5, config.k, config.estimator, "dtf"))
    expect(stat(tab, "kept")).to_have_text(target["kept"])
    expect(stat(tab, "bits")).to_have_text(target["bits"])
    expect(stat(tab, "psnr")).to_have_text("…")
    assert canvas(tab, "kept") != before["kept"]
    assert canvas(tab, "image") == before["image"]
    tab.wait_for_timeout(300)
    assert held, "no question reached the wire"
    open_gate.append(True)
    for route in held:
        route.continue_()
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert canvas(tab, "image") != before["image"]
    assert canvas(tab, "entropy") == before["entropy"]


def test_a_quick_drag_ends_at_the_last_value(tab, engine):
    config = engine.model.config
    slider = tab.locator("#epsilon input[type=range]")
    slider.focus()
    for _ in range(30):
        slider.press("ArrowRight")
    epsilon = float(tab.locator("#epsilon input[type=number]").input_value())
    assert epsilon == pytest.approx(0.2)
    target = expected(engine, Settings(epsilon, config.k, config.estimator, "dtf"))
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert figures(tab) == target


def test_every_control_changes_the_result(tab, engine):
    config = engine.model.config
    settings = {"epsilon": 0.4, "k": config.k, "estimator": config.estimator, "policy": "dtf"}
    set_slider(tab, "epsilon", 0.4)
    seen = {canvas(tab, "image")}
    for control, value in [
        ("k", 3),
        ("estimator", "gaussian"),
        ("policy", "last"),
        ("policy", "random"),
        ("policy", "chain"),
        ("k", 0),
    ]:
        (set_slider if control == "k" else choose)(tab, control, value)
        settings[control] = value
        target = expected(engine, Settings(**settings))
        expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
        assert figures(tab) == target
        image = canvas(tab, "image")
        assert image not in seen, f"{control} = {value} shows a picture that was shown before"
        seen.add(image)


def test_target_psnr_raises_the_threshold(tab, engine):
    config = engine.model.config
    set_slider(tab, "epsilon", 0.9)
    choose(tab, "target", "30 dB")
    settings = Settings(0.9, config.k, config.estimator, "dtf", 30.0)
    target = expected(engine, settings)
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert figures(tab) == target
    binding = engine.select(
        engine.square(str(example_files(ASSETS / "examples")[0]), None), settings
    ).binding[0]
    words = {"minimum": "T", "unreachable": "T > Htotal", "loss rate": "(1 − ε) Htotal"}
    expect(stat(tab, "binding")).to_have_text(words[binding])


def test_upload_crop_and_a_damaged_file(tab, engine, tmp_path):
    config = engine.model.config
    settings = Settings(0.05, config.k, config.estimator, "dtf")
    good, bad = tmp_path / "wide.png", tmp_path / "damaged.png"
    source = example_files(ASSETS / "examples")[0]
    Image.open(source).convert("RGB").resize((300, 160)).save(good)
    bad.write_bytes(good.read_bytes()[:200])
    field = tab.locator("#upload input[type=file]")
    field.set_input_files(good)
    target = expected(engine, settings, good)
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert figures(tab) == target
    note = tab.locator("#crop-view .note")
    expect(note).to_contain_text("300 × 160 pixels. The square at (70, 0)")

    field.set_input_files(bad)
    toast = tab.get_by_test_id("toast-body")
    expect(toast).to_contain_text("damaged.png is damaged", timeout=SLOW)
    assert figures(tab) == target  # nothing else changed

    frame = tab.locator("#crop-view .frame")
    frame.focus()
    for _ in range(40):
        frame.press("ArrowLeft")
    expect(note).to_contain_text("The square at (0, 0)")
    result = engine.tokenize(engine.square(str(good), (0, 0, 160)), settings)
    expect(stat(tab, "psnr")).to_have_text(f"{result.statistics.psnr:.2f} dB", timeout=SLOW)


def test_another_example(tab, engine):
    config = engine.model.config
    path = example_files(ASSETS / "examples")[2]
    button = tab.locator("#examples button").nth(2)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    target = expected(engine, Settings(0.05, config.k, config.estimator, "dtf"), path)
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert figures(tab) == target


def test_pointer_and_arrow_keys_tell_a_patch(tab, engine):
    grid, M = engine.model.config.grid, engine.model.config.num_patches
    line = tab.locator('#patch-view [data-text="readout"]')
    box = tab.locator('[data-panel="entropy"]').bounding_box()
    cell = box["width"] / grid
    tab.mouse.move(box["x"] + 2.5 * cell, box["y"] + 1.5 * cell)
    expect(line).to_contain_text("row 2, column 3")
    tab.mouse.move(5, 5)
    panels = tab.locator("#patch-view .panels")
    panels.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):  # the first press lands on patch 1, 1
        panels.press(key)
    expect(line).to_contain_text("row 2, column 2")
    panels.press("End")
    expect(line).to_contain_text(f"row 2, column {grid}")
    assert re.search(rf"rank \d+ of {M}", line.inner_text())
    assert re.search(r"kept, code \d+|dropped", line.inner_text())
    expect(tab.locator("#patch-view .square .cursor:visible")).to_have_count(5)
    panels.press("Escape")
    expect(tab.locator("#patch-view .square .cursor:visible")).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/?__theme=dark"])
def test_phone_has_no_sideways_scroll(open_page, path):
    page = open_page(path, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page.locator(SETTLED).wait_for(timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator('[data-panel="kept"]').tap()
    expect(page.locator('#patch-view [data-text="readout"]')).to_contain_text("rank")
