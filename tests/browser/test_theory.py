"""The tab Theory as a visitor handles it, beside what Python says it must show."""

import math

import pytest
from browser.tokenize_tab import PICTURES, SLOW, put, settled, state
from conftest import pictures
from playwright.sync_api import expect

from analysis.rate.theory import demand
from analysis.view.theory.tab import TARGETS
from tatok.images import to_pil

HANDLE = '#theory [data-handle="D0"]'
REACHED = '#theory [data-handle="DG"]'


def opened(page):
    page.set_default_timeout(SLOW)
    page.get_by_role("tab", name="Theory", exact=True).click()
    page.locator("#theory .result:not([hidden])").wait_for()
    return page


@pytest.fixture
def tab(page):
    return opened(page)


def expect_numbers(tab, engine, psnr, k, picture=PICTURES[0], box=None) -> None:
    """The table tells what `demand` finds."""
    found = demand(engine.model, engine.square(str(picture), box).x, [psnr], k)[0]
    expected = [
        (found.rate, found.water),
        (found.rate_G, found.water_G),
        None,
        (found.minimum, found.minimum_water),
    ]
    rows = tab.locator("#theory tbody tr")
    expect(rows).to_have_count(5)
    for i, values in enumerate(expected):
        for j, value in enumerate(values or ()):
            expect(rows.nth(i).locator("td").nth(j)).to_have_text(f"{value:,.0f} bits")
    if found.alpha is not None:
        alpha = float(rows.nth(2).locator("td").first.inner_text())
        assert alpha == pytest.approx(found.alpha, rel=6e-3)
    expect(tab.locator(HANDLE)).to_have_attribute("aria-valuenow", f"{psnr:g}")
    numbers = tab.locator("#theory .bars .number")
    expect(numbers.last).to_have_text(f"{found.capacity:,.0f} bits")


def test_the_numbers_are_appendix_b_s(tab, engine):
    config = engine.model.config
    expect_numbers(tab, engine, config.target_psnr, config.k)


def test_keys_move_the_target(tab, engine):
    config = engine.model.config
    handle = tab.locator(HANDLE)
    handle.focus()
    tab.keyboard.press("ArrowRight")
    expect_numbers(tab, engine, TARGETS[TARGETS.index(config.target_psnr) + 1], config.k)
    tab.keyboard.press("Home")
    expect_numbers(tab, engine, TARGETS[0], config.k)
    expect(tab.locator('#theory [data-text="verdict"]')).to_contain_text("T = 0")
    tab.keyboard.press("ArrowLeft")
    expect(handle).to_have_attribute("aria-valuenow", "5")
    tab.keyboard.press("End")
    expect_numbers(tab, engine, TARGETS[-1], config.k)


def grip(tab, handle=HANDLE) -> tuple[float, float]:
    tab.locator(f"{handle} .grip").scroll_into_view_if_needed()
    box = tab.locator(f"{handle} .grip").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_pointer_drags_the_target(tab, engine):
    x, y = grip(tab)
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 60, y + 40, steps=4)
    tab.mouse.up()
    now = float(tab.locator(HANDLE).get_attribute("aria-valuenow"))
    assert now > engine.model.config.target_psnr
    assert grip(tab)[0] == pytest.approx(x + 60, abs=4)
    expect_numbers(tab, engine, now, engine.model.config.k)
    tab.mouse.move(x, y)  # released: it stays
    expect(tab.locator(HANDLE)).to_have_attribute("aria-valuenow", f"{now:g}")


def test_a_finger_drags_the_target_on_a_phone(open_page):
    phone = opened(
        open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    )
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    expect(phone.locator("#theory-table .point.tatok text")).to_contain_text("TaTok")
    x, y = grip(phone)
    before = float(phone.locator(HANDLE).get_attribute("aria-valuenow"))
    touch = phone.context.new_cdp_session(phone)
    for kind, dx in (("touchStart", 0), ("touchMove", 20), ("touchMove", 50), ("touchEnd", None)):
        points = [] if dx is None else [{"x": x + dx, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(phone.locator(HANDLE)).not_to_have_attribute("aria-valuenow", f"{before:g}")
    assert float(phone.locator(HANDLE).get_attribute("aria-valuenow")) > before


def expect_assumed(tab, engine, psnr) -> None:
    """The table tells R, α and T at D0 for a D_G of `psnr` dB that nobody measured."""
    config = engine.model.config
    x = engine.square(str(PICTURES[0]), None).x
    at_D0, at_DG = demand(engine.model, x, [config.target_psnr, psnr], config.k)
    rows = tab.locator("#theory tbody tr")
    for j, name in enumerate(("rate", "water")):
        R, R_G = getattr(at_D0, name), getattr(at_DG, name)
        expect(rows.nth(0).locator("td").nth(j)).to_have_text(f"{R:,.0f} bits")
        expect(rows.nth(1).locator("td").nth(j)).to_have_text(f"{R_G:,.0f} bits")
        assert float(rows.nth(2).locator("td").nth(j).inner_text()) == pytest.approx(
            R_G / R, rel=6e-3
        )
        expect(rows.nth(3).locator("td").nth(j)).to_have_text(f"{max(0.0, R - R_G):,.0f} bits")
    told = tab.locator('#theory [data-text="what-if"]')
    expect(told).to_contain_text(f"What if G alone reached {psnr:.1f} dB?")
    measured = 10 * math.log10(4 / at_D0.D_G)
    expect(told).to_contain_text(f"measured is {measured:.1f} dB, with k = {config.k}.")


def test_another_g_is_a_what_if(tab, engine):
    """D_G by pointer and keys; back by the button, and by another k."""
    config = engine.model.config
    told = tab.locator("#theory .what-if")
    expect(told).to_be_hidden()
    x, y = grip(tab, REACHED)
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x - 40, y, steps=4)
    tab.mouse.up()
    expect(told).to_be_visible()
    assumed = float(tab.locator(REACHED).get_attribute("aria-valuenow"))
    assert assumed in TARGETS and grip(tab, REACHED)[0] == pytest.approx(x - 40, abs=4)
    expect_assumed(tab, engine, assumed)
    tab.keyboard.press("ArrowRight")
    expect_assumed(tab, engine, TARGETS[TARGETS.index(assumed) + 1])
    tab.keyboard.press("End")
    expect(tab.locator('#theory [data-text="verdict"]')).to_contain_text("T = 0")
    expect(tab.locator(HANDLE)).to_have_attribute("aria-valuenow", f"{config.target_psnr:g}")
    told.get_by_role("button").click()
    expect(told).to_be_hidden()
    expect_numbers(tab, engine, config.target_psnr, config.k)
    tab.locator(REACHED).press("Home")
    expect(told).to_be_visible()
    tab.locator('#theory [data-name="k"]').fill("2")
    expect(told).to_be_hidden()
    expect_numbers(tab, engine, config.target_psnr, 2)


def test_k_and_the_picture_can_be_changed(tab, engine):
    target = engine.model.config.target_psnr
    tab.locator('#theory [data-name="k"]').fill("0")
    expect_numbers(tab, engine, target, 0)
    tab.locator('#theory [data-name="example"]').select_option(PICTURES[3].stem)
    expect_numbers(tab, engine, target, 0, PICTURES[3])
    assert state(tab)["example"] == PICTURES[3].stem  # of the whole page
    for scale in ("log", "linear"):
        tab.locator('#theory [data-name="scale"]').select_option(scale)
        assert "NaN" not in tab.locator("#theory svg.rate").inner_html()
    tab.locator('#theory [data-name="example"]').select_option("white")
    expect(tab.locator('#theory [data-text="verdict"]')).to_contain_text("of one colour")
    assert "NaN" not in tab.locator("#theory .theory").inner_html()


def test_the_picture_is_that_of_the_tab_tokenize(page, engine):
    settled(page)
    put(page, example=PICTURES[2].stem, k=3, target_psnr=24)
    opened(page)
    expect_numbers(page, engine, 24.0, 3, PICTURES[2])


def test_so_it_is_for_an_upload_and_its_crop(page, engine, tmp_path):
    target, k = engine.model.config.target_psnr, engine.model.config.k
    path = tmp_path / "mine & <b>.png"
    to_pil(pictures(1, size=200)).save(path)
    settled(page)
    page.locator("#upload input[type=file]").set_input_files(path)
    page.wait_for_function("Studio.settings.example === null && Studio.settings.picture !== null")
    opened(page)
    expect(page.locator('#theory [data-name="example"] option:checked')).to_have_text("Yours")
    expect_numbers(page, engine, target, k, path)
    page.get_by_role("tab", name="Tokenize", exact=True).click()
    put(page, box=[8, 0, 120])
    settled(page)
    opened(page)
    expect_numbers(page, engine, target, k, path, (8, 0, 120))
    page.locator('#theory [data-name="example"]').select_option(PICTURES[1].stem)
    expect_numbers(page, engine, target, k, PICTURES[1])


def test_any_two_axes(tab):
    points = tab.locator("#theory-table .point")
    told = tab.locator('#theory-table [data-text="told"]')
    tatok = tab.locator("#theory-table .point.tatok")
    expect(tatok.locator("text")).to_have_text("TaTok + MaskGIT-ViT")
    expect(points).to_have_count(14)  # LDM-8 has no throughput
    out = tab.locator('#theory-table [data-text="left-out"]')
    expect(out).to_contain_text("LDM-8")
    tatok.focus()
    expect(told).to_contain_text("gFID 1.89")
    tab.locator('#theory-table [data-name="x"]').select_option("tokens")
    tab.locator('#theory-table [data-name="y"]').select_option("rfid")
    expect(points).to_have_count(15)
    expect(tab.locator("#theory-table .point.ours")).to_have_count(0)
    tatok.hover()
    expect(told).to_contain_text("tokens of a picture 56.4, rFID 1.51")
    expect(tab.locator("#theory-table tbody tr").first).to_contain_text("7.76")
