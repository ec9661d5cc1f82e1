"""The sections below the patch view, and the whole tab by keyboard alone."""

import io
import re

import pytest
from browser.tokenize_tab import (
    PICTURES,
    SLOW,
    default_settings,
    expected,
    put,
    settled,
    stat,
    state,
)
from PIL import Image
from playwright.sync_api import expect

from analysis.view.sections.inspector import inspect
from analysis.view.sections.play import Player, gif, strides
from tatok.entropy import ESTIMATORS

LOOKED = "#inspector details[open]:not(.waiting)"
LEVELS = 127.5**2
KEPT = """(keep) => {  // what the panel shows of these patches
  const canvas = document.createElement("canvas"), { Panels, shown: { map } } = Studio;
  Panels.paint(canvas, Panels.kept(map.words, map.patch, Uint8Array.from(keep)));
  return canvas.toDataURL();
}"""


def rows(tab, table: str) -> list[list[str]]:
    lines = tab.locator(f"#inspector {table} tbody tr")
    return [line.locator("th, td").all_inner_texts() for line in lines.all()]


def check(tab, engine, settings, place: int) -> None:
    """What the inspector shows is what Python finds."""
    found = inspect(engine, engine.square(str(PICTURES[0]), None), settings, place)
    selection = engine.select(engine.square(str(PICTURES[0]), None), settings)
    codes = tab.locator("#inspector .codes b").all_inner_texts()
    assert codes == [str(near.code) for near in found.nearest]
    kept = bool(selection.keep[0, place])
    now, then = (found.kept, found.dropped) if kept else (found.dropped, found.kept)
    expect(tab.locator('#inspector [data-text="if"]')).to_contain_text(
        "dropped" if kept else "added"
    )
    errors = rows(tab, ".errors")
    for row, before, after in (
        (errors[0], now.picture, then.picture),
        (errors[1], now.patch, then.patch),
    ):
        shown = [float(value.replace("−", "-")) for value in row[1:]]
        wanted = [before * LEVELS, after * LEVELS, (after - before) * LEVELS]
        assert shown == pytest.approx(wanted, abs=0.06)
    opinions = rows(tab, ".opinions")
    assert [row[0] for row in opinions] == list(ESTIMATORS)
    M = engine.model.config.num_patches
    for row, opinion in zip(opinions, found.opinions, strict=True):
        assert float(row[1].replace(",", "")) == pytest.approx(opinion.entropy, rel=1e-3, abs=1e-3)
        assert row[2:] == [f"{opinion.rank} of {M}", "keeps" if opinion.keep else "drops"]


def test_the_inspector_shows_what_python_finds(tab, engine):
    own = engine.model.config.estimator
    H = engine.measure(engine.square(str(PICTURES[0]), None), 16, own, None).entropy[0]
    order = H.argsort(descending=True, stable=True).tolist()
    first, last = order[3], order[-1]
    put(tab, selected=first)
    assert not tab.locator("#inspector .columns").is_visible()
    tab.get_by_role("button", name="Inspect").click()
    tab.locator(LOOKED).wait_for()
    tab.locator("#inspector .codes li").first.wait_for()
    check(tab, engine, default_settings(engine), first)
    steps = tab.locator("#inspector .steps li")
    assert [s.inner_text().split("\n")[0] for s in steps.all()] == [
        "2–5",
        "7",
        "8",
        "10",
        "11",
        "12",
        "14",
    ]
    expect(steps.nth(3)).to_contain_text("rank 4 of")
    expect(steps.nth(6)).to_contain_text("rank 4 ≤ N")
    expect(steps.nth(6)).to_contain_text("kept")

    put(tab, selected=last, epsilon=0.5, policy="first", estimator="gaussian", forced_in=[last])
    settings = default_settings(
        engine, epsilon=0.5, policy="first", estimator="gaussian", forced_in=(last,)
    )
    expect(stat(tab, "psnr")).to_have_text(expected(engine, settings)["psnr"], timeout=SLOW)
    expect(tab.locator(LOOKED)).to_be_visible()
    check(tab, engine, settings, last)
    expect(steps.nth(6)).to_contain_text("the policy first chooses its own")
    expect(steps.nth(6)).to_contain_text("kept by hand")


def test_the_inspector_waits_for_the_patches_that_a_policy_keeps(tab):
    """An old inspection fits the settings again before the server has told which are kept."""
    put(tab, selected=40, policy="random", epsilon=0.05, inspector=True)
    tab.locator(LOOKED).wait_for()
    put(tab, inspector=False, epsilon=0.5)
    settled(tab)
    put(tab, inspector=True, epsilon=0.05)  # no script error: `open_page` looks
    tab.locator(LOOKED).wait_for()


def test_every_estimators_formula_has_its_numbers(tab):
    put(tab, selected=40, inspector=True)
    line = tab.locator("#inspector .steps li").first
    for estimator, part in {
        "residual": "Var(pixels)",
        "residual-token": "Var(p̂)",
        "residual-plain": "Proj",
        "gaussian": "Δ",
        "code": "p(q | G)",
        "prior": "entropy of the 4096 code probabilities",
        "rate": "max(1, ",
        "gain": "(all)",
    }.items():
        put(tab, estimator=estimator)
        expect(line).to_contain_text(part)
        expect(line).to_contain_text(re.compile(r"= [^…]*\d[^…]*$"), timeout=SLOW)


def test_of_many_patches_the_last_is_looked_at(tab, engine):
    asked = []
    tab.on("request", lambda r: asked.append(r) if "queue/join" in r.url else None)
    put(tab, selected=0, inspector=True)
    panels = tab.locator("#patch-view .panels")
    panels.focus()
    for _ in range(12):
        panels.press("ArrowRight")
    assert state(tab)["selected"] == 12
    tab.locator(LOOKED).wait_for()
    expect(tab.locator(".codes li").first).to_be_visible()
    tab.locator(LOOKED).wait_for()
    check(tab, engine, default_settings(engine), 12)
    assert len(asked) < 13, "questions queue up"


def test_patches_with_the_same_code_can_be_visited(tab, engine):
    path = next(p for p in PICTURES if p.stem == "white")
    codes = engine.quantize(engine.square(str(path), None), 16).patch_codes[0].tolist()
    twice = next(i for i, code in enumerate(codes) if codes.count(code) > 1)
    others = [i for i, code in enumerate(codes) if code == codes[twice] and i != twice]
    put(tab, example="white", selected=twice, inspector=True)
    line = tab.locator('#inspector [data-text="alike"]')
    expect(line).to_contain_text(f"{len(others)} other patch", timeout=SLOW)
    line.locator("button").first.click()
    assert state(tab)["selected"] == others[0]


def test_play_shows_decoded_frames_and_saves_them(tab, engine, tmp_path):
    settings = default_settings(engine)
    square = engine.square(str(PICTURES[0]), None)
    frames = Player(engine).run(square, settings)
    M, section = engine.model.config.num_patches, tab.locator("#play")
    section.locator("summary").click()
    button = section.get_by_role("button", name="Play")
    button.click()
    expect(section.get_by_role("button", name="Pause")).to_be_visible()
    label = section.locator('[data-text="frame"]')
    expect(label).to_contain_text(f"k + n = 16 + {M}, {frames[-1].psnr:.2f} dB", timeout=SLOW)
    expect(button).to_be_visible()  # it stops at the end
    slider = section.locator("input[type=range]")
    image = section.locator('[data-panel="image"]')
    seen = set()
    for at in (0, 7, 36, len(frames) - 1):  # the third is beyond the patches with H > 0
        slider.fill(str(at))
        n = strides(M)[at]
        expect(label).to_have_text(f"k + n = 16 + {n}, {frames[at].psnr:.2f} dB")
        seen.add(image.evaluate("(c) => c.toDataURL()"))
        kept = section.locator('[data-panel="kept"]').evaluate("(c) => c.toDataURL()")
        assert kept == tab.evaluate(KEPT, frames[at].keep.int().tolist())
    assert len(seen) == 4
    section.get_by_role("button", name="Make a GIF").click()
    link = section.get_by_role("link")
    expect(link).to_contain_text("Save the GIF", timeout=SLOW)
    expect(link).to_contain_text("256 colours")
    with tab.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == f"tatok-{PICTURES[0].stem}-k16-gain.gif"
    saved = tmp_path / "run.gif"
    download.value.save_as(saved)
    assert Image.open(saved).n_frames == len(frames)
    again = Image.open(io.BytesIO(gif(square.x, frames, 16, engine.model.config.grid)))
    saved = Image.open(saved)
    for index in (0, 20):
        saved.seek(index), again.seek(index)
        assert saved.convert("RGB").tobytes() == again.convert("RGB").tobytes()
    # what is forced by hand plays no part, and the page says so
    note = section.locator('[data-text="note"]')
    expect(note).not_to_contain_text("by hand")
    shown = image.evaluate("(c) => c.toDataURL()")
    put(tab, forced_in=[3], forced_out=[0, 17])
    expect(note).to_contain_text("by hand (3 of the patches)")
    assert image.evaluate("(c) => c.toDataURL()") == shown
    # ε only moves the mark; another k is another run
    put(tab, epsilon=0.5)
    expect(label).to_contain_text("dB")
    put(tab, k=4)
    expect(label).to_have_text("k + n = 4 + 0", timeout=SLOW)
    expect(section.get_by_role("link")).not_to_be_visible()


def press_to(tab, selector: str, limit: int = 80) -> None:
    """Tab forward until the focus is on `selector`."""
    for _ in range(limit):
        if tab.evaluate("(s) => document.activeElement?.matches(s)", selector):
            return
        tab.keyboard.press("Tab")
    pytest.fail(f"{selector} cannot be reached with the Tab key")


def test_everything_by_keyboard_alone(tab, engine):
    press_to(tab, "#examples button")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert state(tab)["example"] == PICTURES[1].stem
    settled(tab)
    press_to(tab, "#crop-view .frame")
    press_to(tab, "#epsilon input[type=range]")
    tab.keyboard.press("ArrowRight")
    assert state(tab)["epsilon"] == pytest.approx(engine.model.config.epsilon + 0.005)
    press_to(tab, "#k input[type=range]")
    tab.keyboard.press("Home")
    assert state(tab)["k"] == 0
    for name, key in (("estimator", "estimator"), ("policy", "policy"), ("target", "target_psnr")):
        press_to(tab, f"#{name} select")
        before = state(tab)[key]
        tab.keyboard.press("ArrowDown")
        if state(tab)[key] == before:  # it was the last of the list
            tab.keyboard.press("ArrowUp")
        assert state(tab)[key] != before
    press_to(tab, "[data-mode=blend]")
    tab.keyboard.press("Space")
    assert state(tab)["mode"] == "blend"
    settled(tab)
    press_to(tab, "#patch-view .panels")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("f")
    after = state(tab)
    assert after["selected"] == 0 and after["forced_in"] + after["forced_out"] == [0]
    tab.keyboard.press("Enter")
    assert state(tab)["inspector"]
    press_to(tab, "[data-layer=base]")
    press_to(tab, "[data-action=reset]")
    tab.keyboard.press("Enter")
    assert state(tab)["forced_in"] == state(tab)["forced_out"] == []
    press_to(tab, "#patch-view .handle")
    tab.keyboard.press("ArrowDown")
    assert state(tab)["epsilon"] == pytest.approx(engine.model.config.epsilon + 0.01)
    press_to(tab, "#play summary")
    tab.keyboard.press("Enter")
    tab.wait_for_function("Studio.settings.play")  # the toggle event comes a moment later
    press_to(tab, "#play [data-action=play]")
    tab.keyboard.press("Space")
    expect(tab.locator('#play [data-text="frame"]')).to_contain_text("dB", timeout=SLOW)
