"""The tab Theory as a visitor handles it, beside what Python says it must show."""

import pytest
from browser.tokenize_tab import PICTURES, SLOW, put, settled
from conftest import pictures
from playwright.sync_api import expect

from analysis.theory import demand
from analysis.view.theory import TARGETS
from tatok.images import to_pil

HANDLE = "#theory .handle"


def opened(page):
    page.set_default_timeout(SLOW)
    page.get_by_role("tab", name="Theory", exact=True).click()
    page.locator("#theory .result:not([hidden])").wait_for()
    return page


@pytest.fixture
def tab(page):
    return opened(page)


def expect_numbers(tab, engine, psnr, k, picture=PICTURES[0]) -> None:
    """The table tells what `demand` finds."""
    found = demand(engine.model, engine.square(str(picture), None).x, [psnr], k)[0]
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


def grip(tab) -> tuple[float, float]:
    tab.locator("#theory .grip").scroll_into_view_if_needed()
    box = tab.locator("#theory .grip").bounding_box()
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


def test_k_and_the_picture_can_be_changed(tab, engine):
    target = engine.model.config.target_psnr
    tab.locator('#theory [data-name="k"]').fill("0")
    expect_numbers(tab, engine, target, 0)
    tab.locator('#theory [data-name="picture"]').select_option(PICTURES[3].stem)
    expect_numbers(tab, engine, target, 0, PICTURES[3])
    for scale in ("log", "linear"):
        tab.locator('#theory [data-name="scale"]').select_option(scale)
        assert "NaN" not in tab.locator("#theory svg.rate").inner_html()
    tab.locator('#theory [data-name="picture"]').select_option("white")
    expect(tab.locator('#theory [data-text="verdict"]')).to_contain_text("of one colour")
    assert "NaN" not in tab.locator("#theory .theory").inner_html()


def test_an_upload_is_drawn(tab, engine, tmp_path):
    path = tmp_path / "mine & <b>.png"
    to_pil(pictures(1, size=engine.model.config.image_size)).save(path)
    tab.locator("#theory-upload input[type=file]").set_input_files(path)
    expect(tab.locator('#theory [data-name="picture"] option:checked')).to_contain_text("Yours:")
    expect_numbers(tab, engine, engine.model.config.target_psnr, engine.model.config.k, path)


def test_the_tab_begins_with_the_picture_of_the_tab_tokenize(page, engine):
    settled(page)
    put(page, example=PICTURES[2].stem, k=3, target_psnr=24)
    opened(page)
    expect_numbers(page, engine, 24.0, 3, PICTURES[2])


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
