"""The patch view: choosing and forcing patches, blending, and the threshold on the curve."""

import re

import numpy as np
import pytest
from browser.tokenize_tab import (
    PICTURES,
    SLOW,
    canvas,
    choose,
    default_settings,
    expected,
    figures,
    put,
    settled,
    stat,
    state,
)
from playwright.sync_api import expect

READOUT = '#patch-view [data-text="readout"]'
HANDLE = "#patch-view .handle"


def centre(tab, panel: str, place: int, grid: int) -> tuple[float, float]:
    """The middle of a patch, in pixels of the window."""
    canvas = tab.locator(f'#patch-view [data-panel="{panel}"]')
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    row, column = divmod(place, grid)
    cell = box["width"] / grid
    return box["x"] + (column + 0.5) * cell, box["y"] + (row + 0.5) * cell


def order_of(engine, **changes) -> list[int]:
    """DTF's order of the patches of the first picture."""
    s = default_settings(engine, **changes)
    square = engine.square(str(PICTURES[0]), None)
    H = engine.measure(square, s.k, s.estimator, s.target_psnr).entropy[0]
    return H.argsort(descending=True, stable=True).tolist()


def test_pointer_and_arrow_keys_tell_a_patch(tab, engine):
    grid, M = engine.model.config.grid, engine.model.config.num_patches
    line = tab.locator(READOUT)
    tab.mouse.move(*centre(tab, "entropy", grid + 2, grid))
    expect(line).to_contain_text("row 2, column 3")
    expect(tab.locator("#patch-view .side .cursor:visible")).to_have_count(5)
    tab.mouse.move(5, 5)
    panels = tab.locator("#patch-view .panels")
    panels.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):  # the first press lands on patch 1, 1
        panels.press(key)
    expect(line).to_contain_text("row 2, column 2")
    panels.press("End")
    expect(line).to_contain_text(f"row 2, column {grid}")
    assert state(tab)["selected"] == 2 * grid - 1
    rank = order_of(engine).index(2 * grid - 1) + 1
    assert f"rank {rank} of {M}" in line.inner_text()
    codes = engine.quantize(engine.square(str(PICTURES[0]), None), 16).patch_codes[0]
    code = int(codes[2 * grid - 1])
    assert re.search(rf"kept, code {code}\b|dropped, its code would be {code}\b", line.inner_text())
    assert re.search(r"H = [\d.,]+ MSE", line.inner_text())
    assert re.search(r"[\d.]+ % of the total", line.inner_text())
    expect(tab.locator("#patch-view .side .pin:visible")).to_have_count(5)
    expect(tab.locator("#patch-view circle.dot")).to_have_count(1)
    expect(tab.locator('#patch-view [data-text="spoken"]')).to_contain_text("row 2")
    panels.press("Escape")
    expect(tab.locator("#patch-view .side .pin:visible")).to_have_count(0)


def test_a_click_selects_in_every_view_and_so_does_the_curve(tab, engine):
    grid, M = engine.model.config.grid, engine.model.config.num_patches
    order = order_of(engine)
    tab.mouse.click(*centre(tab, "kept", 37, grid))
    assert state(tab)["selected"] == 37
    curve = tab.locator("#patch-view .curve svg")
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    width = box["width"] - 44 - 20
    tab.mouse.click(box["x"] + 44 + width * (100 - 0.5) / M, box["y"] + 180)
    place = state(tab)["selected"]  # patches lie closer than pixels
    rank = order.index(place) + 1
    assert abs(rank - 100) <= M / width
    expect(tab.locator(READOUT)).to_contain_text(f"rank {rank} of {M}")
    expect(tab.locator("#inspector summary")).to_contain_text(f"row {place // grid + 1}, ")
    put(tab, selected=11)  # from outside
    expect(tab.locator(READOUT)).to_contain_text("row 1, column 12")


def test_patches_that_share_the_code_are_framed(tab, engine):
    put(tab, example="white")
    path = next(p for p in PICTURES if p.stem == "white")
    square = engine.square(str(path), None)
    codes = engine.quantize(square, engine.model.config.k).patch_codes[0]
    expect(stat(tab, "psnr")).to_have_text(
        expected(engine, default_settings(engine), path)["psnr"], timeout=SLOW
    )
    values, counts = np.unique(codes.numpy(), return_counts=True)
    common = int(values[counts.argmax()])
    assert counts.max() > 1, "a white picture repeats no code: choose another picture"
    put(tab, selected=int((codes == common).nonzero()[0]))
    frames = tab.locator("#patch-view .panel.side .marks").first.locator(".alike")
    expect(frames).to_have_count(int(counts.max()) - 1)


@pytest.mark.parametrize("estimator", ["rate", "prior"])
def test_force_by_click_key_and_button(tab, engine, estimator):
    grid, order = engine.model.config.grid, order_of(engine, estimator=estimator)
    first, second, last = order[0], order[1], order[-1]
    choose(tab, "estimator", estimator)
    put(tab, epsilon=0.5)
    plain = default_settings(engine, estimator=estimator, epsilon=0.5)
    expect(stat(tab, "psnr")).to_have_text(expected(engine, plain)["psnr"], timeout=SLOW)
    tab.keyboard.down("Shift")
    tab.mouse.click(*centre(tab, "kept", last, grid))
    tab.keyboard.up("Shift")
    assert state(tab)["forced_in"] == [last]
    put(tab, selected=first)
    tab.locator("#patch-view .panels").press("f")
    assert state(tab)["forced_out"] == [first]
    expect(tab.locator(READOUT)).to_contain_text("dropped by hand")
    put(tab, selected=second)
    tab.get_by_role("button", name="Drop by hand").click()
    assert state(tab)["forced_out"] == sorted([first, second])
    forced = default_settings(
        engine,
        estimator=estimator,
        epsilon=0.5,
        forced_in=(last,),
        forced_out=tuple(sorted([first, second])),
    )
    target = expected(engine, forced)
    expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
    assert figures(tab) == target  # N, bits with places sent, PSNR: those of Python
    marks = tab.locator("#patch-view .panel.side .marks").first
    expect(marks.locator(".in")).to_have_count(1)
    expect(marks.locator(".out")).to_have_count(2)
    expect(tab.locator('#patch-view [data-text="kept"]')).to_contain_text("1 in and 2 out by hand")
    tab.get_by_role("button", name="As chosen by the policy").click()
    assert state(tab)["forced_out"] == [first]
    tab.get_by_role("button", name="Undo 2 by hand").click()
    expect(stat(tab, "psnr")).to_have_text(expected(engine, plain)["psnr"], timeout=SLOW)
    assert figures(tab) == expected(engine, plain)
    assert marks.locator("path").count() == marks.locator(".alike, .under").count()


def test_blend_shows_two_layers(tab):
    panels = {name: canvas(tab, name) for name in ("picture", "entropy", "kept", "image", "error")}
    blend = {which: tab.locator(f'[data-blend="{which}"]') for which in ("base", "overlay")}
    assert not blend["base"].is_visible()
    tab.get_by_role("button", name="Blended").click()
    expect(blend["base"]).to_be_visible()
    expect(tab.locator('[data-panel="picture"]').first).not_to_be_visible()
    for base in panels:
        tab.locator('[data-layer="base"]').select_option(base)
        assert blend["base"].evaluate("(c) => c.toDataURL()") == panels[base]
    for overlay in panels:
        tab.locator('[data-layer="overlay"]').select_option(overlay)
        assert blend["overlay"].evaluate("(c) => c.toDataURL()") == panels[overlay]
    slider = tab.locator('[data-layer="opacity"]')
    for key, opacity in (("Home", "0"), ("End", "1")):
        slider.press(key)
        expect(blend["overlay"]).to_have_css("opacity", opacity)
    # a patch can be chosen here as well, and a new setting is drawn here
    box = blend["overlay"].bounding_box()
    tab.mouse.click(box["x"] + 5, box["y"] + 5)
    assert state(tab)["selected"] == 0
    tab.locator('[data-layer="overlay"]').select_option("kept")
    before = blend["overlay"].evaluate("(c) => c.toDataURL()")
    put(tab, epsilon=0.6)
    assert blend["overlay"].evaluate("(c) => c.toDataURL()") != before
    tab.get_by_role("button", name="Side by side").click()
    expect(tab.locator('[data-panel="picture"]').first).to_be_visible()


def test_the_threshold_can_be_dragged_and_the_slider_follows(tab, engine):
    asked = []
    tab.route("**/queue/join*", lambda route: asked.append(route))  # the server hears nothing
    tab.locator(HANDLE).scroll_into_view_if_needed()
    grip = tab.locator(f"{HANDLE} .grip").bounding_box()
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
    seen = set()
    tab.mouse.move(x, y)
    tab.mouse.down()
    for step in range(1, 21):
        tab.mouse.move(x, y + 4 * step)
        seen.add((state(tab)["epsilon"], stat(tab, "kept").inner_text()))
    tab.mouse.up()
    assert len(seen) == 20
    height = 236 - 36 - 26  # of the axis, in pixels: see curve.js
    epsilon = state(tab)["epsilon"]
    assert epsilon == pytest.approx(engine.model.config.epsilon + 80 / height, abs=0.003)
    expect(tab.locator("#epsilon input[type=number]")).to_have_value(str(epsilon))
    settings = default_settings(engine, epsilon=epsilon)
    N = engine.select(engine.square(str(PICTURES[0]), None), settings).count.item()
    expect(stat(tab, "kept")).to_have_text(str(N))
    expect(tab.locator(HANDLE)).to_have_attribute("aria-valuenow", f"{1 - epsilon:.3f}")
    tab.mouse.move(x, y)  # released: nothing moves any more
    assert state(tab)["epsilon"] == epsilon

    handle = tab.locator(HANDLE)
    handle.focus()
    for key, change in (("ArrowUp", -0.005), ("PageDown", 0.05), ("ArrowLeft", 0.005)):
        epsilon = state(tab)["epsilon"]
        handle.press(key)
        assert state(tab)["epsilon"] == pytest.approx(epsilon + change)
    handle.press("End")
    assert state(tab)["epsilon"] == 0
    handle.press("Home")
    assert state(tab)["epsilon"] == 0.95
    assert len(asked) <= 1, "a question went out while another was under way"
    tab.unroute_all()


def test_the_threshold_follows_a_finger(open_page):
    page = settled(
        open_page(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    )
    page.locator(HANDLE).scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#patch-view .curve').scrollIntoView({block: 'center'})")
    page.wait_for_timeout(300)
    grip = page.locator(f"{HANDLE} .grip").bounding_box()
    x, y = grip["x"] + 4, grip["y"] + 12
    scroll = page.evaluate("scrollY")
    touch = page.context.new_cdp_session(page)
    points = lambda dy: [{"x": x, "y": y + dy}]  # noqa: E731
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points(0)})
    for dy in range(8, 81, 8):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points(dy)})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate("Studio.settings.epsilon") > 0.3
    assert page.evaluate("scrollY") == scroll, "the page scrolled instead"
