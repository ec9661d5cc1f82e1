"""The tab Bias shows what Python computes, by mouse and by keyboard, wide and narrow."""

import json

import pytest
import torch
from browser.tokenize_tab import SLOW, weights_engine
from PIL import Image
from playwright.sync_api import expect

from analysis.bias import counterfactuals, placement
from analysis.bias.controls import noises, patterns
from analysis.bias.places import order
from analysis.view.bias.tab import AFTER, BEFORE, at_middle
from analysis.view.shared.engine import Square
from tatok.entropy import ESTIMATORS
from tatok.filtering import dtf
from tatok.streams import seeded

ROWS = '#lab [data-table="look"] tbody tr'


@pytest.fixture(scope="module")
def engine():
    return at_middle(weights_engine())


def opened(page):
    """The page with the tab open and its first picture measured."""
    page.set_default_timeout(SLOW)
    tab = page.get_by_role("tab", name="Bias", exact=True)
    tab.first.wait_for(state="attached")
    tab.first.click()
    page.locator(ROWS).first.wait_for()
    return page


@pytest.fixture
def tab(page):
    return opened(page)


def choose(tab, name, value) -> None:
    tab.locator(f'#lab [data-name="{name}"]').select_option(value)


def slide(tab, name, value) -> None:
    tab.locator(f'#lab [data-name="{name}"]').fill(str(value))


def cells(tab, table: str, row: int) -> list[str]:
    return (
        tab.locator(f'#lab [data-table="{table}"] tbody tr')
        .nth(row)
        .locator("td")
        .all_inner_texts()
    )


def shares(engine, x, estimator, epsilon) -> tuple[int, str, str]:
    """N, and the shares of the kept patches in outer columns and rows, as the page writes them."""
    k = engine.model.config.k
    H = engine.measure(Square.of(x), k, estimator, None).entropy
    found = placement.placement("one", estimator, H, epsilon)
    columns, rows, _ = found.shares
    return int(found.count), *(f"{100 * part.share.value:.1f} %" for part in (columns, rows))


def test_shares_by_every_estimator_at_any_epsilon_without_the_server(tab, engine):
    choose(tab, "kind", "noise")
    x = noises(1, engine.model.config.image_size)
    H = {
        e: engine.measure(Square.of(x), engine.model.config.k, e, None).entropy for e in ESTIMATORS
    }
    rate = tab.locator(ROWS).nth(list(ESTIMATORS).index("rate"))
    expect(rate.locator("td").first).to_have_text(
        str(int(dtf(H["rate"], 0.15).count)), timeout=SLOW
    )
    asked = []
    # the change is asked for as well
    tab.locator('#lab [data-part="change"] .pair:not(.waiting) tbody tr').first.wait_for()
    tab.on("request", lambda request: "queue/join" in request.url and asked.append(request.url))
    for epsilon in (0.15, 0.5):
        slide(tab, "epsilon", epsilon)
        for row, estimator in enumerate(ESTIMATORS):
            N, columns, rows = shares(engine, x, estimator, epsilon)
            assert cells(tab, "look", row)[:4] == [str(N), columns, rows, "12.5 %"]
    choose(tab, "estimator", "residual")
    expect(tab.locator('#lab [data-text="verdict"]')).to_contain_text("By residual at ε = 0.5")
    assert not asked


def test_a_roll_is_compared_by_place_and_by_content(tab, engine):
    choose(tab, "kind", "gradient")
    tab.locator('#lab [data-change="dx"]').fill("3")
    tab.locator('#lab [data-change="dy"]').fill("0")
    config = engine.model.config
    x = patterns(config.image_size)["gradient"]
    change = counterfactuals.roll(x, config, 0, 3)
    before, after = (
        engine.measure(Square.of(pixels), config.k, "residual-token", None).entropy
        for pixels in (x, change.pixels)
    )
    keep = []
    for H, stream in ((before, BEFORE), (after, AFTER)):
        mask = torch.zeros(1, config.num_patches, dtype=torch.bool)
        mask[0, order(H, seeded(0, stream))[0, : int(dtf(H, 0.15).count)]] = True
        keep.append(mask)
    place = counterfactuals.agreement(before, after, *keep)
    source = change.source
    content = counterfactuals.agreement(before[:, source], after, keep[0][:, source], keep[1])
    row = tab.locator('#lab [data-part="change"] .pair:not(.waiting) tbody tr').nth(0).locator("td")
    expected = [f"{100 * float(part.common):.1f} %" for part in (place, content)]
    expect(row).to_have_text(expected, timeout=SLOW)
    beyond = tab.locator('#lab [data-part="change"] tbody tr').nth(2).locator("td")
    expect(beyond).to_have_text(
        [f"{float(p.beyond):+.2f}".replace("-", "−") for p in (place, content)]
    )


def test_a_set_runs_with_progress_and_is_tested(tab):
    button = tab.locator('#lab [data-run="set"]')
    button.click()
    expect(button).to_have_text("Stop")
    expect(tab.locator('#lab [data-table="set"] tbody tr')).to_have_count(
        len(ESTIMATORS), timeout=2 * SLOW
    )
    expect(button).to_have_text("Run")
    verdicts = tab.locator('#lab [data-text="set-verdict"] li').all_inner_texts()
    assert [verdict.split(":")[0] for verdict in verdicts] == list(ESTIMATORS)
    for row, verdict in enumerate(verdicts):
        counted, N, columns, p = cells(tab, "set", row)[:4]
        value, p = columns.split(" (")[0], 0.0 if p.startswith("<") else float(p)
        assert counted == "24 of 24" and f", {value} (chance 12.5 %" in verdict
        assert ("no difference shown" in verdict) == (p >= 0.05)
        assert f"with N = {N}" in verdict


def test_rolling_can_be_stopped(tab):
    button = tab.locator('#lab [data-run="rolls"]')
    button.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator('#lab [data-text="rolls-progress"]')).to_contain_text(
        "parts measured", timeout=SLOW
    )
    tab.keyboard.press("Enter")
    expect(tab.locator('#lab [data-text="rolls-progress"]')).to_have_text("Stopped.")
    expect(button).to_have_text("Roll this picture")
    expect(tab.locator('#lab [data-part="rolls"] .result')).to_be_hidden()


def test_ones_own_picture(tab, tmp_path):
    Image.effect_mandelbrot((64, 48), (-2, -1.5, 1, 1.5), 40).convert("RGB").save(
        tmp_path / "m.png"
    )
    before = tab.locator('#lab [data-panel="picture"]').evaluate("(c) => c.toDataURL()")
    tab.locator("#lab-upload input[type=file]").set_input_files(tmp_path / "m.png")
    expect(tab.locator('#lab [data-name="kind"]')).to_have_value("upload", timeout=SLOW)
    tab.wait_for_function(
        "(old) => document.querySelector('#lab [data-panel=picture]').toDataURL() !== old",
        arg=before,
    )
    expect(tab.locator('#lab [data-name="kind"] option').last).to_have_text("Yours: m")


def test_a_file_that_is_no_picture_is_refused(tab, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    tab.locator("#lab-upload input[type=file]").set_input_files(tmp_path / "x.png")
    tab.locator(".toast-body").first.wait_for()
    expect(tab.locator('#lab [data-name="kind"]')).to_have_value("white")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_all_of_it(open_page, theme):
    page = open_page(f"/?__theme={theme}", viewport={"width": 390, "height": 844}, is_mobile=True)
    tab = opened(page)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    choose(tab, "rule", "subtract")
    tab.locator('#lab [data-part="cure"] .pair:not(.waiting) tbody tr').first.wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    named = tab.locator("#lab canvas:visible, #lab svg:visible").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label'))"
    )
    assert len(named) >= 13 and all(named), json.dumps(named)
