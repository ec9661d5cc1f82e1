"""The stories, and Compare."""

import dataclasses

import pytest
from browser.test_inspector_and_play import press_to
from browser.tokenize_tab import (
    COMPARED,
    PICTURES,
    SLOW,
    default_settings,
    expected,
    figures,
    picture,
    put,
    settled,
    stat,
    state,
)
from playwright.sync_api import expect

from analysis.view.sections.compare import by_epsilon, by_policy, features
from tatok.images import to_pil

CARDS = "#compare .cards figure"


def test_every_story_is_a_setting_of_the_live_model(tab, engine):
    put(tab, k=3, forced_in=[1], mode="blend", selected=7)
    settled(tab)
    stories = tab.locator("#stories button")
    told, seen = tab.locator('#stories [data-text="story"]'), set()
    expect(told).to_be_hidden()
    expect(stories).to_have_count(6)
    wanted = [
        ("astronaut", {"policy": "random"}),
        ("pagoda", {}),
        ("coffee", {"epsilon": 0.95}),
        ("dahlia", {}),
        ("white", {"estimator": "residual-token", "epsilon": 0.15}),
        ("noise", {"epsilon": 0.3}),
    ]
    for story, (example, changes) in zip(stories.all(), wanted, strict=True):
        story.click()
        expect(story).to_have_attribute("aria-pressed", "true")
        target = expected(engine, default_settings(engine, **changes), picture(example))
        expect(stat(tab, "psnr")).to_have_text(target["psnr"], timeout=SLOW)
        assert figures(tab) == target
        assert state(tab)["example"] == example and state(tab)["mode"] == "side"
        seen.add(told.inner_text())
    assert len(seen) == 6
    expect(tab.locator(COMPARED)).to_have_count(5, timeout=SLOW)  # the last one opens Compare
    put(tab, epsilon=0.31)
    expect(stories.last).to_have_attribute("aria-pressed", "false")
    expect(told).to_be_visible()
    stories.last.click()
    put(tab, example="cat")
    expect(told).to_be_hidden()


def test_the_story_of_the_edges_is_computed(tab, engine):
    tab.get_by_role("button", name="Edge bias on white").click()
    settings = default_settings(engine, estimator="residual-token", epsilon=0.15)
    selection = engine.select(engine.square(str(picture("white")), None), settings)
    grid = engine.model.config.grid
    H, keep = (
        values.double().reshape(grid, grid) for values in (selection.entropy, selection.keep)
    )
    line = tab.locator("#stories .measured")
    share = 100 * float(keep[:, [0, -1]].mean())
    inner = 100 * float(keep[:, 1:-1].mean())
    expect(line).to_contain_text(f"{share:.0f} % kept; other columns", timeout=SLOW)
    expect(line).to_contain_text(f"{inner:.0f} % kept.")
    shown = line.inner_text().split("mean H = ")[1:]
    means = [float(part.split(" ")[0].replace(",", "")) for part in shown]
    assert means == pytest.approx(
        [float(H[:, [0, -1]].mean()), float(H[:, 1:-1].mean())], rel=0.005
    )


# --- compare ------------------------------------------------------------------------------------


def compare(tab, view: str) -> None:
    tab.locator(f"#compare [data-view={view}]").click()
    if view != "pin":
        expect(tab.locator(COMPARED).first).to_be_visible(timeout=SLOW)


def image_of(card) -> bytes:
    pixels = card.locator("canvas").last.evaluate(
        "(c) => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    )
    return bytes(value for i, value in enumerate(pixels) if i % 4 < 3)


def test_policies_and_epsilons_in_one_click(tab, engine):
    put(tab, epsilon=0.4, forced_in=[0])
    settled(tab)
    tab.locator("#compare summary").click()
    square = engine.square(str(PICTURES[0]), None)
    settings = default_settings(engine, epsilon=0.4)
    for view, find in (("policies", by_policy), ("epsilon", by_epsilon)):
        compare(tab, view)
        rows = find(engine, square, settings)
        cards = tab.locator(CARDS)
        expect(cards).to_have_count(5)
        for card, row in zip(cards.all(), rows, strict=True):
            s = row.result.statistics
            title = s.policy if view == "policies" else f"ε = {row.settings.epsilon}"
            expect(card.locator("figcaption")).to_have_text(title)
            for part in (f"N = {s.kept} of {s.patches}", f"{s.psnr:.2f} dB", f"{s.bits:,} bits"):
                expect(card).to_contain_text(part)
            expect(card).to_contain_text(f"SSIM {s.ssim:.4f}")
            assert image_of(card) == to_pil(row.result.image).tobytes()
        best = max(rows, key=lambda row: row.result.statistics.psnr).result.statistics
        if view == "policies":
            expect(tab.locator(f"{CARDS}:has(b)")).to_contain_text(f"{best.psnr:.2f} dB")
    # another setting is asked for by itself; ε alone does not change the row over ε
    asked = []
    tab.on("request", lambda r: asked.append(r) if "queue/join" in r.url else None)
    put(tab, epsilon=0.5)
    settled(tab)
    tab.wait_for_timeout(500)
    assert len(asked) == 1
    put(tab, k=2)
    row = by_epsilon(engine, square, dataclasses.replace(settings, k=2))[0]
    expect(tab.locator(CARDS).first).to_contain_text(
        f"{row.result.statistics.psnr:.2f} dB", timeout=SLOW
    )


def test_feature_maps_beside_the_reconstruction(tab, engine):
    put(tab, compare="features")
    expect(tab.locator(COMPARED)).to_have_count(5, timeout=SLOW)
    cards = tab.locator(CARDS).all()
    maps = features(engine, engine.square(str(PICTURES[0]), None), default_settings(engine))
    for card, found in zip(cards[1:4], maps, strict=True):
        low, high = card.locator(".ends span:not(.bar)").all_inner_texts()
        assert float(low) == pytest.approx(float(found.values.min()), rel=0.01)
        assert float(high) == pytest.approx(float(found.values.max()), rel=0.01)
        bright = card.locator("canvas").evaluate(  # red + green of viridis rises
            """(c) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let best = 0; for (let i = 0; i < d.length / 4; i += 1)
              if (d[4*i] + d[4*i+1] > d[4*best] + d[4*best+1]) best = i; return best; }"""
        )
        assert float(found.values[bright]) >= 0.99 * float(found.values.max())


def test_a_pinned_setting_stands_beside_the_present_one(tab, engine):
    square = engine.square(str(PICTURES[0]), None)
    put(tab, epsilon=0.3)
    settled(tab)
    tab.locator("#compare summary").click()
    tab.wait_for_function('Studio.settings.compare === "pin"')
    expect(tab.locator(CARDS)).to_have_count(0)
    tab.get_by_role("button", name="Pin this setting").click()
    expect(tab.locator(CARDS)).to_have_count(5)
    put(tab, epsilon=0.6, policy="uniform", k=4)
    a = engine.tokenize(square, default_settings(engine, epsilon=0.3))
    b = engine.tokenize(square, default_settings(engine, epsilon=0.6, policy="uniform", k=4))
    before, after = a.selection.keep, b.selection.keep
    expect(stat(tab, "psnr")).to_have_text(f"{b.statistics.psnr:.2f} dB", timeout=SLOW)
    legend = tab.locator("#compare .legend")
    expect(legend).to_contain_text(f"only pinned: {int((before & ~after).sum())}")
    expect(legend).to_contain_text(f"only now: {int((after & ~before).sum())}")
    expect(legend).to_contain_text(f"both: {int((before & after).sum())}")
    marks = tab.locator("#compare .square path")
    assert marks.count() == int((before ^ after).sum())
    table = tab.locator("#compare tbody")

    def row(name):
        return table.locator(f'[data-row="{name}"] td').all_inner_texts()

    s, t = a.statistics, b.statistics
    assert row("N") == [str(s.kept), str(t.kept), f"−{s.kept - t.kept}"]
    assert row("bits") == [f"{s.bits:,}", f"{t.bits:,}", f"−{s.bits - t.bits:,}"]
    assert row("psnr") == [f"{s.psnr:.2f}", f"{t.psnr:.2f}", f"−{s.psnr - t.psnr:.2f}"]
    assert row("policy") == ["dtf", "uniform", "differs"]
    # the pinned one stays when another picture comes
    put(tab, example="cat")
    expect(table.locator('[data-row="picture"]')).to_contain_text("cat", timeout=SLOW)
    assert row("N")[0] == str(s.kept) and row("psnr")[0] == f"{s.psnr:.2f}"
    assert row("picture") == [PICTURES[0].stem, "cat", "differs"]


def test_stories_link_and_compare_by_keyboard_alone(tab):
    press_to(tab, "#stories button")
    for _ in range(2):
        tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert state(tab)["epsilon"] == 0.95
    settled(tab)
    press_to(tab, "#export [data-action=link]")
    press_to(tab, "#export [data-save=csv]")
    with tab.expect_download() as found:
        tab.keyboard.press("Enter")
    assert found.value.suggested_filename.endswith(".csv")
    press_to(tab, "#compare summary")
    tab.keyboard.press("Enter")
    tab.wait_for_function('Studio.settings.compare === "pin"')
    press_to(tab, "#compare [data-action=pin]")
    tab.keyboard.press("Space")
    expect(tab.locator(CARDS)).to_have_count(5)
    press_to(tab, "#examples button")  # round to the start
    press_to(tab, "#compare [data-view=epsilon]", limit=90)
    tab.keyboard.press("Enter")
    assert state(tab)["compare"] == "epsilon"
    expect(tab.locator(COMPARED)).to_have_count(5, timeout=SLOW)


def test_compare_fits_a_phone_and_its_pictures_have_names(open_page):
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = settled(open_page("/?x=cat&compare=policies", **phone))
    expect(page.locator(COMPARED)).to_have_count(5, timeout=SLOW)
    page.locator("#compare [data-view=pin]").tap()
    page.get_by_role("button", name="Pin this setting").tap()
    expect(page.locator(CARDS)).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    names = page.locator("#compare canvas").evaluate_all(
        "(all) => all.map((c) => c.getAttribute('aria-label'))"
    )
    assert all(names) and len(set(names)) == len(names)
