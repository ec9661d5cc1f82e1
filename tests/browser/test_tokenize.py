"""The tab Tokenize: pictures and knobs, driven as a visitor would."""

import pytest
from browser.tokenize_tab import (
    PICTURES,
    SETTLED,
    SLOW,
    canvas,
    choose,
    default_settings,
    expected,
    figures,
    hold,
    picture,
    put,
    set_slider,
    settled,
    stat,
    state,
)
from PIL import Image
from playwright.sync_api import expect

from tatok.entropy import patch_errors, predicted_loss


def test_the_page_shows_what_python_computes(tab, engine):
    assert figures(tab) == expected(engine, default_settings(engine))


def test_epsilon_moves_in_the_browser_and_pixels_follow(tab, engine):
    before = {name: canvas(tab, name) for name in ("kept", "image", "entropy")}
    release = hold(tab)  # for now the server hears nothing
    with tab.expect_request("**/queue/join*"):
        set_slider(tab, "epsilon", 0.5)
    target = expected(engine, default_settings(engine, epsilon=0.5))
    expect(stat(tab, "kept")).to_have_text(target["kept"])
    expect(stat(tab, "bits")).to_have_text(target["bits"])
    expect(stat(tab, "psnr")).to_have_text("…")
    assert canvas(tab, "kept") != before["kept"]
    assert canvas(tab, "image") == before["image"]
    release()
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert canvas(tab, "image") != before["image"]
    assert canvas(tab, "entropy") == before["entropy"]


def test_a_quick_drag_ends_at_the_last_value(tab, engine):
    slider = tab.locator("#epsilon input[type=range]")
    slider.focus()
    for _ in range(30):
        slider.press("ArrowRight")
    epsilon = float(tab.locator("#epsilon input[type=number]").input_value())
    assert epsilon == pytest.approx(engine.model.config.epsilon + 30 * 0.005)
    target = expected(engine, default_settings(engine, epsilon=epsilon))
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert figures(tab) == target
    tab.locator("#epsilon .value button").click()  # back to the default
    assert state(tab)["epsilon"] == engine.model.config.epsilon


def test_every_control_changes_the_result(tab, engine):
    settings = {"epsilon": 0.4}
    set_slider(tab, "epsilon", 0.4)
    seen = {canvas(tab, "image")}
    for control, value in [
        ("k", 3),
        ("estimator", "gaussian"),
        ("policy", "last"),
        ("policy", "edges"),
        ("policy", "random"),
        ("policy", "chain"),
        ("k", 0),
    ]:
        (set_slider if control == "k" else choose)(tab, control, value)
        settings[control] = value
        target = expected(engine, default_settings(engine, **settings))
        expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
        assert figures(tab) == target
        image = canvas(tab, "image")
        assert image not in seen, f"{control} = {value} shows a picture that was shown before"
        seen.add(image)


def test_target_psnr_and_the_constraint_that_binds(tab, engine):
    square = engine.square(str(PICTURES[0]), None)
    sentence = tab.locator('[data-text="constraint"]')
    words = {
        "minimum": ("T", "T binds"),
        "unreachable": ("T > Htotal", "no N satisfies Eq. 6"),
        "loss rate": ("(1 − ε) Htotal", "The loss rate ε binds"),
    }
    # residual's bits are far fewer than T is, and near zero T is met at once
    cases = [(0.9, "residual", 30), (0.0, "rate", 14), (0.9, "rate", 18)]
    seen = set()
    for epsilon, estimator, target_psnr in cases:
        set_slider(tab, "epsilon", epsilon)
        choose(tab, "estimator", estimator)
        choose(tab, "target", f"{target_psnr} dB")
        settings = default_settings(
            engine, epsilon=epsilon, estimator=estimator, target_psnr=float(target_psnr)
        )
        target = expected(engine, settings)
        expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
        assert figures(tab) == target
        binding = engine.select(square, settings).binding[0]
        short, long = words[binding]
        expect(stat(tab, "binding")).to_have_text(short)
        expect(sentence).to_contain_text(long)
        seen.add(binding)
    assert len(seen) >= 2, "the cases do not differ"


@pytest.mark.parametrize("size", [(1600, 100), (100, 1600)])
def test_the_square_of_a_strip_can_be_taken_hold_of(tab, tmp_path, size):
    Image.effect_noise(size, 60).convert("RGB").save(tmp_path / "strip.png")
    tab.locator("#upload input[type=file]").set_input_files(tmp_path / "strip.png")
    note = tab.locator("#crop-view .note")
    expect(note).to_contain_text("The square at (750, 0)" if size[0] > 100 else "(0, 750)")
    frame = tab.locator("#crop-view .frame")
    expect(frame).to_be_in_viewport(ratio=0.95)  # the middle of the strip is scrolled to
    box = frame.bounding_box()
    assert min(box["width"], box["height"]) >= 60
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.move(*middle)
    tab.mouse.down()
    tab.mouse.move(middle[0] + 30, middle[1] + 30)
    tab.mouse.up()
    expect(note).not_to_contain_text("750")
    left, top, _ = state(tab)["box"]
    assert max(left, top) > 770 and min(left, top) == 0


def test_the_name_of_rate_says_its_target(tab):
    rate = tab.locator('#estimator [value="rate"]')
    expect(rate).to_have_text("rate, bits to D₀ = 24 dB")
    put(tab, target_psnr=26)
    expect(rate).to_have_text("rate, bits to D₀ = 26 dB")


def test_upload_crop_and_a_damaged_file(tab, engine, tmp_path):
    settings = default_settings(engine)
    good, bad = tmp_path / "wide.png", tmp_path / "damaged.png"
    Image.open(PICTURES[0]).convert("RGB").resize((300, 160)).save(good)
    bad.write_bytes(good.read_bytes()[:200])
    put(tab, forced_in=[3], selected=5)
    field = tab.locator("#upload input[type=file]")
    field.set_input_files(good)
    target = expected(engine, settings, good)
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert figures(tab) == target
    after = state(tab)
    assert (after["example"], after["forced_in"], after["selected"]) == (None, [], None)
    note = tab.locator("#crop-view .note")
    expect(note).to_contain_text("300 × 160 pixels. The square at (70, 0)")
    expect(tab.locator('#examples [aria-pressed="true"]')).to_have_count(0)

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


def test_another_example_and_the_last_of_several(tab, engine):
    buttons = tab.locator("#examples button")
    for index in (1, 4, 2):  # before the first of them has come
        buttons.nth(index).click()
    expect(buttons.nth(2)).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    target = expected(engine, default_settings(engine), PICTURES[2])
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert figures(tab) == target
    expect(tab.locator("#crop-view .note")).to_contain_text(PICTURES[2].name)


def test_all_of_it_set_from_outside_at_once(tab, engine):
    """As an address or a story would; what is not allowed changes nothing."""
    path, wanted = PICTURES[3], {"epsilon": 0.3, "k": 5, "estimator": "code", "target_psnr": 17}
    forced = {"forced_in": [9, 4], "forced_out": [200]}
    put(tab, example=path.stem, selected=7, box=[0, 0, 64], **wanted, **forced)
    settings = default_settings(engine, **wanted, forced_in=(4, 9), forced_out=(200,))
    result = engine.tokenize(engine.square(str(path), (0, 0, 64)), settings)
    expect(stat(tab, "psnr")).to_have_text(f"{result.statistics.psnr:.2f} dB", timeout=SLOW)
    assert stat(tab, "bits").inner_text() == f"{result.statistics.bits:,} bits"
    expect(tab.locator("#epsilon input[type=number]")).to_have_value("0.3")
    expect(tab.locator("#k input[type=range]")).to_have_value("5")
    expect(tab.locator("#target select")).to_have_value("17")
    before = state(tab)
    assert (before["forced_in"], before["selected"]) == ([4, 9], 7)
    nonsense = {
        "epsilon": [1, -0.1, "0.2", None],
        "k": [2.5, 99, "3"],
        "estimator": ["oracle", 1, ["rate"]],
        "target_psnr": [1, "20"],
        "example": ["../secret", 3],
        "box": [[1, 2], ["a", 0, 8], 5],
        "side": [64, 200, "128", None],
        "forced_in": [[1024], [-1], "3", [1.5]],
        "selected": [1024, "1"],
        "mode": ["other"],
        "opacity": [2],
        "inspector": ["yes"],
        "constructor": ["x"],
        "__proto__": [{"epsilon": 0.9}],
    }
    for name, values in nonsense.items():
        for value in values:
            put(tab, **{name: value})
    assert state(tab) == before


@pytest.mark.parametrize("path", ["/", "/?__theme=dark"])
def test_phone_has_no_sideways_scroll(open_page, path):
    page = open_page(path, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page.locator(SETTLED).wait_for(timeout=SLOW)
    put(page, selected=3, inspector=True, play=True)
    page.locator("#inspector .codes li").first.wait_for(timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    put(page, mode="blend")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    put(page, mode="side", selected=None)
    page.locator('#patch-view [data-panel="kept"]').tap()
    expect(page.locator('#patch-view [data-text="readout"]')).to_contain_text("rank")


def test_the_side_makes_another_grid(tab, engine):
    """One control, part of the address; patches that were forced are of the old grid."""
    path = picture("coffee")
    put(tab, example="coffee", forced_in=[3])
    choose(tab, "side", "128 px")
    settings = default_settings(engine, side=128)
    assert figures(tab) == expected(engine, settings, path)
    assert stat(tab, "ratio").is_visible() and state(tab)["forced_in"] == []
    text = tab.locator('#patch-view [data-text="size"]').inner_text()
    assert text == "128 × 128 pixels, 16 × 16 patches"
    tab.wait_for_function("() => location.search.includes('side=128')")
    tab.reload()
    assert figures(tab) == expected(engine, settings, path)


def test_the_loss_of_gain_is_predicted_beside_epsilon(tab, engine):
    predicted = tab.locator("#controls .predicted")
    put(tab, estimator="code")
    settled(tab)
    assert predicted.inner_text() == ""
    put(tab, estimator="gain", epsilon=0.1)
    settled(tab)
    square = engine.square(str(PICTURES[0]), None)
    s = engine.select(square, default_settings(engine, estimator="gain", epsilon=0.1))
    every = engine.decode(square, 16, engine.quantize(square, 16).patch_codes)
    error = patch_errors(square.x, every, engine.model.config).sum(dim=1)
    loss = float(predicted_loss(s.entropy, s.keep, error))
    assert predicted.inner_text() == f"Predicted: −{loss:.2f} dB against all patches"
