"""What a visitor sees first: kept patches, the wipe, the argument in one sentence."""

import re
from urllib.request import ProxyHandler, build_opener

import pytest
from browser.tokenize_tab import (
    PICTURES,
    SLOW,
    default_settings,
    hold,
    put,
    set_slider,
    settled,
    state,
)
from playwright.sync_api import expect

SENTENCE = '#front [data-text="sentence"]'


def pixels(tab, name) -> str:
    return tab.locator(f'#front [data-front="{name}"]').evaluate("(c) => c.toDataURL()")


def inside(tab, selector) -> dict:
    """The box of what must lie on the first screen."""
    box = tab.locator(selector).bounding_box()
    size = tab.viewport_size
    assert box["y"] >= 0 and box["y"] + box["height"] <= size["height"], selector
    return box


def test_the_first_screen_shows_pictures_and_knobs(open_page):
    page = settled(open_page("/", viewport={"width": 1440, "height": 900}))
    for square in page.locator("#front .pane").all():
        box = square.bounding_box()
        assert box["width"] >= 400 and box["y"] + box["height"] <= 900
    for knob in ("#epsilon", "#k", SENTENCE):
        inside(page, knob)


@pytest.mark.parametrize("query", ["/", "/?__theme=dark"])
def test_on_a_phone_picture_and_slider_are_on_one_screen(open_page, query):
    page = settled(open_page(query, viewport={"width": 390, "height": 844}))
    box = inside(page, "#front .wipe")
    slider = inside(page, "#epsilon input[type=range]")
    assert box["y"] < slider["y"] and box["width"] > 150
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_sentence_has_the_numbers_of_what_is_shown(tab, engine):
    for epsilon in (None, 0.4):
        if epsilon is not None:
            set_slider(tab, "epsilon", epsilon)
            settled(tab)
        settings = default_settings(engine, **({} if epsilon is None else {"epsilon": epsilon}))
        square = engine.square(str(PICTURES[0]), None, settings.side)
        s = engine.tokenize(square, settings).statistics
        said = tab.locator(SENTENCE)
        expect(said).to_contain_text(f"{s.kept:,} of 1,024 patches kept", timeout=SLOW)
        expect(said).to_contain_text(f"{-(-s.bits // 8):,} bytes", timeout=SLOW)
        expect(said).to_contain_text(f"{s.psnr:.2f} dB from the original", timeout=SLOW)
        ratio = round(8 * 3 * settings.side**2 / s.bits)
        expect(said).to_contain_text(f"{ratio} times fewer than the pixels")


def test_the_same_number_at_random_is_one_tap_away(tab, engine):
    kept, image = pixels(tab, "left"), pixels(tab, "image")
    tab.get_by_role("button", name="As many at random").click()
    assert state(tab)["policy"] == "random"
    settled(tab)
    settings = default_settings(engine)
    square = engine.square(str(PICTURES[0]), None, settings.side)
    at_random = default_settings(engine, policy="random")
    own, chance = (engine.tokenize(square, s).statistics.psnr for s in (settings, at_random))
    less = f"{own - chance:.1f} dB less than those chosen by entropy"
    expect(tab.locator(SENTENCE)).to_contain_text(less, timeout=SLOW)
    assert pixels(tab, "left") != kept and pixels(tab, "image") != image
    tab.get_by_role("button", name="Chosen by entropy").click()
    settled(tab)
    more = f"{own - chance:.1f} dB more than as many at random"
    expect(tab.locator(SENTENCE)).to_contain_text(more, timeout=SLOW)
    assert (pixels(tab, "left"), pixels(tab, "image")) == (kept, image)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_tap_on_a_term_explains_it_there(open_page, theme):
    view = {"width": 390, "height": 844}
    page = settled(open_page(f"/?__theme={theme}", viewport=view, is_mobile=True, has_touch=True))
    note = page.locator("#front .explained")
    expect(note).to_be_hidden()
    terms = page.locator(".term")
    named = set()
    for term in terms.all():
        term.scroll_into_view_if_needed()
        term.tap()
        expect(note).to_be_visible()
        box = note.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert box["y"] >= 0 and box["y"] + box["height"] <= 844
        named.add(term.get_attribute("data-term"))
        page.keyboard.press("Escape")
        expect(note).to_be_hidden()
    listed = page.locator("#front dt").evaluate_all("(all) => all.map((dt) => dt.dataset.of)")
    assert named == set(listed) and len(set(listed)) == len(listed) == 8


def test_the_threshold_says_that_it_is_a_score(tab):
    expect(tab.locator('[data-stat="tau"]')).to_contain_text("a score, not the size")


def test_until_the_first_picture_comes_its_place_says_so(page):
    release = hold(page)
    page.reload()
    pane = page.locator("#front .pane").first
    expect(pane).to_have_css("content", re.compile("on its way"), pseudo="before", timeout=SLOW)
    release()
    settled(page)
    expect(pane).to_have_css("content", "none", pseudo="before")


def test_an_error_in_a_drag_keeps_the_last_good_picture(tab):
    shown = pixels(tab, "image")
    release = hold(tab)  # no answer comes
    for epsilon in (0.3, 0.35, 0.5):
        set_slider(tab, "epsilon", epsilon)
    for _ in range(2):  # the question under way, and the newest that waited for it
        tab.wait_for_timeout(300)
        tab.evaluate("document.dispatchEvent(new CustomEvent('studio-failed', {detail: 'ask'}))")
    said = tab.locator(SENTENCE)
    expect(said).to_contain_text("What you see is the last picture that came.", timeout=SLOW)
    expect(said).to_contain_text("did not answer")
    assert pixels(tab, "image") == shown
    opacity = tab.locator('#front [data-front="image"]').evaluate(
        "(c) => getComputedStyle(c).opacity"
    )
    assert float(opacity) > 0.9
    release()
    set_slider(tab, "epsilon", 0.55)
    settled(tab)
    expect(said).not_to_contain_text("last picture")
    assert pixels(tab, "image") != shown


def test_the_wipe_follows_pointer_and_keys(tab):
    wipe = tab.locator("#front .wipe")
    expect(wipe).to_have_attribute("aria-valuenow", "50")
    box = wipe.bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    expect(wipe).to_have_attribute("aria-valuenow", re.compile("^2[456]$"))
    wipe.press("Home")
    expect(wipe).to_have_attribute("aria-valuenow", "0")
    wipe.press("ArrowRight")
    expect(wipe).to_have_attribute("aria-valuenow", "5")
    clip = tab.locator('#front [data-front="picture"]').evaluate(
        "(c) => getComputedStyle(c).clipPath"
    )
    assert "95%" in clip


def test_the_left_square_shows_kept_entropy_or_error(tab):
    seen = {pixels(tab, "left")}
    for name in ("Entropy", "Error"):
        tab.locator("#front").get_by_role("button", name=name, exact=True).click()
        seen.add(pixels(tab, "left"))
    assert len(seen) == 3
    put(tab, epsilon=0.6)
    settled(tab)
    assert pixels(tab, "left") not in seen  # the error of the new reconstruction


def test_what_is_sent_before_anything_is_small(server):
    """Figures of the results come when someone opens one, the script once."""
    with build_opener(ProxyHandler({})).open(server, timeout=60) as answer:
        assert len(answer.read()) < 700_000


@pytest.mark.parametrize(
    ("name", "title"),
    [("Bias", "Position or content, over a set"), ("Theory", "Red (Eq. 2) of all patches")],
)
def test_a_measured_figure_comes_when_it_is_opened(open_page, name, title):
    page = settled(open_page("/"))
    page.get_by_role("tab", name=name).click()
    opener = page.get_by_role("button", name=title).first
    opener.scroll_into_view_if_needed()
    assert page.locator(".lab.results:visible").count() == 0
    opener.click()
    expect(page.locator(".lab.results:visible").first).to_contain_text("commit", timeout=SLOW)


SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => list.getEntries().forEach((e) => window.shifts.push(e.value)))
  .observe({ type: "layout-shift", buffered: true });"""


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_nothing_jumps_while_the_page_loads_nor_at_a_story(browser, server, size):
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.add_init_script(SHIFTS)
    page.goto(server)
    page.wait_for_function("() => window.Studio?.shown?.pixels", timeout=SLOW)
    page.wait_for_timeout(1000)
    assert sum(page.evaluate("shifts")) < 0.1
    page.evaluate("shifts.length = 0")
    for story in page.locator("#stories button").all()[:3]:
        story.click()
        page.wait_for_timeout(1500)
    assert sum(page.evaluate("shifts")) < 0.1
    page.close()
