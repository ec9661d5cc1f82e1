"""The link to the view, what can be saved of it, the stories, and Compare."""

import csv
import dataclasses
import io
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.test_inspector_and_play import press_to
from browser.tokenize_tab import (
    PICTURES,
    SLOW,
    default_settings,
    expected,
    figures,
    put,
    settled,
    stat,
    state,
    weights_engine,
)
from PIL import Image
from playwright.sync_api import expect

from analysis.view.comparison import by_epsilon, by_policy, features
from tatok import tokenfile
from tatok.images import to_pil

CARDS = "#compare .cards figure"
LOADED = "#compare details[open]:not(.waiting) .cards figure"


@pytest.fixture(scope="module")
def engine():
    return weights_engine()


@pytest.fixture
def tab(page):
    return settled(page)


def picture(name: str):
    return next(path for path in PICTURES if path.stem == name)


def parameters(tab) -> dict[str, str]:
    """What stands in the address once it has come to rest."""
    tab.wait_for_timeout(700)
    return {name: value[0] for name, value in parse_qs(urlsplit(tab.url).query).items()}


def answered(tab) -> None:
    """No section waits for the server."""
    expect(tab.locator(LOADED).first).to_be_visible(timeout=SLOW)
    expect(tab.locator("#inspector details:not(.waiting) .codes li").first).to_be_visible(
        timeout=SLOW
    )


def download(tab, kind: str) -> tuple[str, bytes]:
    with tab.expect_download() as found:
        tab.locator(f"[data-save={kind}]").click()
    return found.value.suggested_filename, found.value.path().read_bytes()


# --- the link -----------------------------------------------------------------------------------


def test_a_reloaded_link_gives_the_same_view(open_page, engine):
    page = settled(open_page("/?__theme=dark&other=1"))
    assert parameters(page) == {"__theme": "dark", "other": "1", "x": PICTURES[0].stem}
    wanted = {"epsilon": 0.215, "k": 5, "estimator": "gaussian", "policy": "edges"}
    forced = {"forced_in": [3, 250], "forced_out": [0, 17]}
    view = {"mode": "blend", "base": "image", "overlay": "error", "opacity": 0.35}
    open_ = {"inspector": True, "play": True, "compare": "features"}
    put(page, example="cat")
    settled(page)
    put(page, box=[10, 20, 200], target_psnr=15, selected=40, **wanted, **forced, **view, **open_)
    expect(stat(page, "psnr")).to_contain_text("dB", timeout=SLOW)
    before, numbers = state(page), figures(page)
    assert parameters(page) == {
        "__theme": "dark",
        "other": "1",
        "x": "cat",
        "box": "10-20-200",
        "eps": "0.215",
        "k": "5",
        "H": "gaussian",
        "policy": "edges",
        "psnr": "15",
        "in": "3-250",
        "out": "0-17",
        "patch": "40",
        "show": "blend",
        "base": "image",
        "over": "error",
        "opacity": "0.35",
        "inspect": "1",
        "play": "1",
        "compare": "features",
    }
    settings = default_settings(
        engine,
        **wanted | {name: tuple(value) for name, value in forced.items()},
        target_psnr=15.0,
    )
    result = engine.tokenize(engine.square(str(picture("cat")), (10, 20, 200)), settings)
    assert numbers["psnr"] == f"{result.statistics.psnr:.2f} dB"
    answered(page)
    page.reload()
    assert figures(page) == numbers
    answered(page)
    after = state(page)
    assert {**after, "picture": None} == {**before, "picture": None}
    again = settled(open_page(page.url.removeprefix("http://" + urlsplit(page.url).netloc)))
    assert figures(again) == numbers
    answered(again)


def test_hostile_values_are_ignored_one_by_one(open_page, engine):
    hostile = {
        "x": "..%2F..%2Fetc%2Fpasswd",
        "box": "1-2",
        "eps": "0.99",
        "H": "__proto__",
        "policy": "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "psnr": "1e400",
        "in": "1-x",
        "out": "1-256",
        "patch": "-1",
        "show": "constructor",
        "base": "",
        "over": "null",
        "opacity": "2",
        "inspect": "true",
        "play": "0",
        "compare": "all",
        "__proto__": "1",
    }
    query = "&".join(f"{name}={value}" for name, value in hostile.items())
    page = settled(open_page(f"/?{query}&k=7&k=9999"))  # of two, the first
    assert figures(page) == expected(engine, default_settings(engine, k=7))
    plain = settled(open_page("/?k=7"))
    assert {**state(page), "picture": None} == {**state(plain), "picture": None}
    assert parameters(page) == {"__proto__": "1", "x": PICTURES[0].stem, "k": "7"}
    for query in ("eps=&k=&in=&patch=", "k=3.5&eps=NaN&in=-&box=0-0-0", "eps=0x1&k=-1&psnr=4"):
        page.goto(urlsplit(page.url)._replace(query=f"x=cat&{query}").geturl())
        target = expected(engine, default_settings(engine), picture("cat"))
        assert figures(page) == target
    page.goto(urlsplit(page.url)._replace(query="x=cat&box=0-0-9999&in=2&in=3").geturl())
    settings = default_settings(engine, forced_in=(2,))
    assert figures(page) == expected(engine, settings, picture("cat"))


def test_an_own_picture_does_not_travel(tab, tmp_path):
    secret = tmp_path / "secret-name.png"  # so smooth that every H is 0
    Image.radial_gradient("L").convert("RGB").save(secret)
    note = tab.locator('#export [data-text="private"]')
    expect(note).to_be_hidden()
    put(tab, selected=3)
    tab.locator("#upload input[type=file]").set_input_files(secret)
    expect(note).to_be_visible(timeout=SLOW)
    settled(tab)
    put(tab, epsilon=0.2, selected=9, forced_in=[1], box=[8, 8, 100])
    settled(tab)
    assert parameters(tab) == {"eps": "0.2"}
    name, data = download(tab, "json")
    record = json.loads(data)
    assert "secret" not in name and b"secret" not in data and record["link"] is None
    assert record["settings"]["forced_in"] == [1]
    put(tab, example="cat")
    settled(tab)
    expect(note).to_be_hidden()
    assert parameters(tab) == {"x": "cat", "eps": "0.2"}


def test_copy_link(open_page):
    page = settled(open_page(permissions=["clipboard-read", "clipboard-write"]))
    put(page, epsilon=0.3)
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#export")).to_contain_text("The link is copied.")
    assert page.evaluate("navigator.clipboard.readText()").endswith(f"x={PICTURES[0].stem}&eps=0.3")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    parameters(page)  # the address is up to date
    page.get_by_role("button", name="Copy link").click()  # a browser that does not let it
    assert page.locator("#export input").input_value() == page.url


# --- files --------------------------------------------------------------------------------------


def test_what_is_saved_is_what_is_shown(tab, engine):
    settings = default_settings(engine, epsilon=0.3, forced_in=(2, 9), forced_out=(100,))
    put(tab, epsilon=0.3, forced_in=[2, 9], forced_out=[100], selected=5)
    square = engine.square(str(PICTURES[0]), None)
    result = engine.tokenize(square, settings)
    expect(stat(tab, "psnr")).to_have_text(f"{result.statistics.psnr:.2f} dB", timeout=SLOW)
    name, data = download(tab, "tatok")
    assert name == f"tatok-{PICTURES[0].stem}-k16-eps0.3-rate-dtf.tatok"
    tokens = tokenfile.unpack(data, engine.model)
    assert tokens.patch_codes.tolist() == result.tokens.patch_codes.tolist()
    assert tokens.global_codes.tolist() == result.tokens.global_codes.tolist()

    _, data = download(tab, "csv")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    H, keep = result.selection.entropy[0], result.selection.keep[0]
    order = H.argsort(descending=True, stable=True).tolist()
    codes = engine.quantize(square, 16).patch_codes[0].tolist()
    assert len(rows) == len(H)
    for i, row in enumerate(rows):
        assert (int(row["row"]), int(row["column"])) == (i // 16 + 1, i % 16 + 1)
        assert float(row["H (bits)"]) == float(H[i])
        assert int(row["rank"]) == order.index(i) + 1
        assert float(row["share"]) == pytest.approx(float(H[i] / H.sum()))
        assert row["kept"] == str(int(keep[i]))
        assert row["forced"] == ("in" if i in (2, 9) else "out" if i == 100 else "")
        assert int(row["code"]) == codes[i]

    _, data = download(tab, "json")
    record, s = json.loads(data), result.statistics
    assert record["weights"] == engine.model.fingerprint and record["picture"] == PICTURES[0].stem
    assert record["date"][:2] == "20" and record["numbers"]["unit"] == s.unit
    numbers = record["numbers"]
    assert (numbers["N"], numbers["tokens"], numbers["bits"]["total"]) == (
        s.kept,
        s.tokens,
        s.bits,
    )
    for ours, theirs in (
        ("psnr_dB", s.psnr),
        ("ssim", s.ssim),
        ("tau", s.threshold),
        ("H_total", s.total),
        ("bits_per_pixel", s.bits_per_pixel),
    ):
        assert numbers[ours] == pytest.approx(theirs)
    assert record["settings"]["forced_out"] == [100] and "picture" not in record["settings"]


def test_the_figure_holds_the_panels(tab):
    _, data = download(tab, "png")
    figure = Image.open(io.BytesIO(data)).convert("RGB")
    assert figure.width == 2 * (2 * 24 + 5 * 240 + 4 * 16)
    for index, name in ((0, "picture"), (3, "image"), (4, "error")):
        panel = tab.locator(f'#patch-view [data-panel="{name}"]')
        # each of the panel's 128 pixels is 3.75 wide here
        for x, y in ((20, 30), (64, 64), (100, 90)):
            seen = panel.evaluate(
                "(c, [x, y]) => Array.from(c.getContext('2d').getImageData(x, y, 1, 1).data)",
                [x, y],
            )
            left = 2 * (24 + index * 256) + round((x + 0.5) * 3.75)
            drawn = figure.getpixel((left, 2 * 42 + round((y + 0.5) * 3.75)))
            assert drawn == tuple(seen[:3]), name
    put(tab, mode="blend", base="picture", overlay="image", opacity=0)
    _, data = download(tab, "png")
    blended = Image.open(io.BytesIO(data)).convert("RGB")
    seen = tab.locator('#patch-view [data-panel="picture"]').evaluate(
        "(c) => Array.from(c.getContext('2d').getImageData(64, 64, 1, 1).data)"
    )
    assert blended.getpixel((2 * 24 + round(64.5 * 7.5), 2 * 42 + round(64.5 * 7.5))) == tuple(
        seen[:3]
    )


# --- stories ------------------------------------------------------------------------------------


def test_every_story_is_a_setting_of_the_live_model(tab, engine):
    put(tab, k=3, forced_in=[1], mode="blend", selected=7)
    settled(tab)
    stories = tab.locator("#stories button")
    told, seen = tab.locator('#stories [data-text="story"]'), set()
    expect(told).to_be_hidden()
    expect(stories).to_have_count(5)
    wanted = [
        ("pagoda", {}),
        ("coffee", {"epsilon": 0.95}),
        ("dahlia", {}),
        ("white", {"estimator": "residual", "epsilon": 0.15}),
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
    assert len(seen) == 5
    expect(tab.locator(LOADED)).to_have_count(5, timeout=SLOW)  # the last one opens Compare
    put(tab, epsilon=0.31)
    expect(stories.last).to_have_attribute("aria-pressed", "false")
    expect(told).to_be_visible()
    stories.last.click()
    put(tab, example="cat")
    expect(told).to_be_hidden()


def test_the_story_of_the_edges_is_computed(tab, engine):
    tab.get_by_role("button", name="Edge bias on white").click()
    settings = default_settings(engine, estimator="residual", epsilon=0.15)
    selection = engine.select(engine.square(str(picture("white")), None), settings)
    H, keep = selection.entropy.reshape(16, 16), selection.keep.reshape(16, 16).double()
    line = tab.locator("#stories .measured")
    share = 100 * float(keep[:, [0, 15]].mean())
    inner = 100 * float(keep[:, 1:15].mean())
    expect(line).to_contain_text(f"{share:.0f} % kept; other columns", timeout=SLOW)
    expect(line).to_contain_text(f"{inner:.0f} % kept.")
    shown = line.inner_text().split("mean H = ")[1:]
    means = [float(part.split(" ")[0]) for part in shown]
    assert means == pytest.approx(
        [float(H[:, [0, 15]].mean()), float(H[:, 1:15].mean())], rel=0.005
    )


# --- compare ------------------------------------------------------------------------------------


def compare(tab, view: str) -> None:
    tab.locator(f"#compare [data-view={view}]").click()
    if view != "pin":
        expect(tab.locator(LOADED).first).to_be_visible(timeout=SLOW)


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
    expect(tab.locator(LOADED)).to_have_count(5, timeout=SLOW)
    cards = tab.locator(CARDS).all()
    maps = features(engine, engine.square(str(PICTURES[0]), None), default_settings(engine))
    for card, found in zip(cards[1:4], maps, strict=True):
        low, high = card.locator(".ends span:not(.bar)").all_inner_texts()
        assert float(low) == pytest.approx(float(found.values.min()), rel=0.01)
        assert float(high) == pytest.approx(float(found.values.max()), rel=0.01)
        bright = card.locator("canvas").evaluate(  # red + green of viridis rises
            """(c) => { const d = c.getContext('2d').getImageData(0, 0, 16, 16).data;
            let best = 0; for (let i = 0; i < 256; i += 1)
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
    expect(tab.locator(LOADED)).to_have_count(5, timeout=SLOW)


def test_compare_fits_a_phone_and_its_pictures_have_names(open_page):
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = settled(open_page("/?x=cat&compare=policies", **phone))
    expect(page.locator(LOADED)).to_have_count(5, timeout=SLOW)
    page.locator("#compare [data-view=pin]").tap()
    page.get_by_role("button", name="Pin this setting").tap()
    expect(page.locator(CARDS)).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    names = page.locator("#compare canvas").evaluate_all(
        "(all) => all.map((c) => c.getAttribute('aria-label'))"
    )
    assert all(names) and len(set(names)) == len(names)
