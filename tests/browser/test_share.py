"""The link to the view, and what can be saved of it."""

import csv
import io
import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from browser.tokenize_tab import (
    COMPARED,
    PICTURES,
    SLOW,
    address,
    default_settings,
    expected,
    figures,
    picture,
    put,
    settled,
    stat,
    state,
)
from PIL import Image
from playwright.sync_api import expect

from tatok import tokenfile


def parameters(tab) -> dict[str, str]:
    """What stands in the address once it has come to rest."""
    return {name: value[0] for name, value in parse_qs(address(tab)).items()}


def answered(tab) -> None:
    """No section waits for the server."""
    expect(tab.locator(COMPARED).first).to_be_visible(timeout=SLOW)
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


def test_the_pinned_setting_travels(open_page):
    page = settled(open_page())
    put(page, epsilon=0.3, forced_in=[5], compare="pin")
    settled(page)
    page.get_by_role("button", name="Pin this setting").click()
    put(page, example="cat")
    settled(page)
    put(page, epsilon=0.6, policy="uniform", k=4, selected=7)
    settled(page)
    table = page.locator("#compare tbody")
    expect(table.locator('[data-row="picture"]')).to_contain_text("cat")
    before, rows = state(page), table.inner_text()
    assert parameters(page) == {
        "x": "cat",
        "eps": "0.6",
        "k": "4",
        "policy": "uniform",
        "patch": "7",
        "compare": "pin",
        "pin": f"x={PICTURES[0].stem}&eps=0.3&in=5",
    }
    page.reload()
    expect(table).to_have_text(rows, use_inner_text=True, timeout=SLOW)
    assert {**state(page), "picture": None} == {**before, "picture": None}
    assert parameters(page)["x"] == "cat"


def test_whoever_chooses_another_picture_before_a_pinned_one_shows_pins_nothing(open_page):
    page = open_page(f"/?x=cat&{urlencode({'pin': 'x=coffee&eps=0.3'})}")
    page.set_default_timeout(SLOW)
    page.wait_for_function("() => window.Studio?.settings.example === 'coffee'")
    put(page, example="dahlia")
    settled(page)
    expect(stat(page, "psnr")).to_contain_text("dB", timeout=SLOW)
    assert (state(page)["example"], state(page)["pinned"]) == ("dahlia", None)
    assert page.evaluate("Studio.pinned") is None


@pytest.mark.parametrize("pin", ["", "eps=0.3", "x=nobody", "x=cat&eps=9", "x=cat&in=1-x", "x"])
def test_a_pin_that_is_not_allowed_is_ignored_alone(open_page, engine, pin):
    page = settled(open_page(f"/?k=7&{urlencode({'pin': pin})}"))
    assert figures(page) == expected(engine, default_settings(engine, k=7))
    assert state(page)["pinned"] is None


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
    put(tab, compare="pin")
    tab.get_by_role("button", name="Pin this setting").click()
    expect(tab.locator("#compare .legend")).to_contain_text("both")
    put(tab, compare=None)
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
    assert name == f"tatok-{PICTURES[0].stem}-256px-k16-eps0.3-gain-dtf.tatok"
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
        assert (int(row["row"]), int(row["column"])) == (i // 32 + 1, i % 32 + 1)
        assert float(row["H (MSE)"]) == float(H[i])
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
        # each of the panel's 256 pixels is 1.875 wide here
        for x, y in ((40, 60), (128, 128), (200, 180)):
            seen = panel.evaluate(
                "(c, [x, y]) => Array.from(c.getContext('2d').getImageData(x, y, 1, 1).data)",
                [x, y],
            )
            left = 2 * (24 + index * 256) + round((x + 0.5) * 1.875)
            drawn = figure.getpixel((left, 2 * 42 + round((y + 0.5) * 1.875)))
            assert drawn == tuple(seen[:3]), name
    put(tab, mode="blend", base="picture", overlay="image", opacity=0)
    _, data = download(tab, "png")
    blended = Image.open(io.BytesIO(data)).convert("RGB")
    seen = tab.locator('#patch-view [data-panel="picture"]').evaluate(
        "(c) => Array.from(c.getContext('2d').getImageData(128, 128, 1, 1).data)"
    )
    assert blended.getpixel((2 * 24 + round(128.5 * 3.75), 2 * 42 + round(128.5 * 3.75))) == tuple(
        seen[:3]
    )


def test_back_returns_to_picture_story_and_tab(tab):
    first = state(tab)["example"]
    put(tab, epsilon=0.3)  # a knob: replaces
    put(tab, example="cat")  # a picture: a step
    settled(tab)
    tab.get_by_role("button", name="Edge bias on white").click()  # a story: a step
    settled(tab)
    tab.get_by_role("tab", name="Theory").click()  # a tab: a step
    expect(tab.locator("#theory")).to_be_visible(timeout=SLOW)
    tab.go_back()
    expect(tab.locator("#front")).to_be_visible(timeout=SLOW)
    assert state(tab)["example"] == "white" and state(tab)["estimator"] == "residual-token"
    tab.go_back()
    settled(tab)
    assert (state(tab)["example"], state(tab)["epsilon"]) == ("cat", 0.3)
    tab.go_back()
    settled(tab)
    assert (state(tab)["example"], state(tab)["epsilon"]) == (first, 0.3)
    tab.go_forward()
    settled(tab)
    assert state(tab)["example"] == "cat"
    tab.wait_for_function("() => Studio.shown?.settings.example === 'cat' && Studio.shown.pixels")
