"""The lesson of the tab Bias: six steps on the live lab, each with a link of its own."""

import io
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.test_bias import opened
from browser.tokenize_tab import SLOW, address, settled, state
from PIL import Image
from playwright.sync_api import expect

from analysis.base.results import Estimate
from analysis.bias.decomposition import FACTORS
from analysis.bias.placement import Share
from analysis.view.bias.results import edges_verdict
from analysis.view.shared.files import source

CLAIM, SEEN, WHICH, PLAIN = (
    f'#lab [data-text="lesson-{name}"]' for name in ("claim", "seen", "which", "plain")
)
MEASURING = "Measuring …"


@pytest.fixture
def tab(page):
    tab = opened(page)
    tab.locator('[data-lesson="open"]').click()
    guess(tab)
    return tab


def guess(tab, choice="I do not know") -> None:
    """Answer the question of the step, if it still asks."""
    expect(tab.locator("#lab .lesson")).to_be_visible(timeout=SLOW)
    button = tab.locator("#lab .choices").get_by_role("button", name=choice)
    if button.is_visible():
        button.click()


def measured(tab) -> str:
    """The numbers of what is seen, once it is measured; they are folded away."""
    expect(tab.locator(SEEN)).not_to_have_text(MEASURING, timeout=SLOW)
    return tab.locator(SEEN).text_content()


def field(tab, name):
    return tab.locator(f'#lab [data-name="{name}"]')


def turned(tab, name):
    return tab.locator(f'#lab [data-change="{name}"]')


def parameters(tab) -> dict[str, str]:
    """What stands in the address once it has come to rest, without what Tokenize writes."""
    found = {name: value[0] for name, value in parse_qs(address(tab)).items()}
    found.pop("x", None)
    return found


# --- the steps ----------------------------------------------------------------------------------

CONTROLS = {  # by step: how to move its control; None where that takes long
    1: lambda tab: field(tab, "epsilon").fill("0.5"),
    2: None,
    3: lambda tab: turned(tab, "dx").fill("3"),
    4: lambda tab: turned(tab, "how").select_option("permute"),
    5: None,
    6: lambda tab: field(tab, "rule").select_option(""),
}


def test_six_steps_by_the_arrow_keys(tab):
    claims = []
    tab.locator('[data-lesson="on"]').focus()
    for step, move in CONTROLS.items():
        expect(tab.locator(WHICH)).to_contain_text(f"Step {step} of 6")
        claims.append(tab.locator(CLAIM).inner_text())
        expect(tab.locator("#lab .pointed")).to_have_count(1)
        expect(tab.locator("#lab .pointed")).to_be_in_viewport()
        guess(tab)
        before = measured(tab)
        if move is None:
            assert before.startswith("Nothing is measured yet: press ")
        else:
            move(tab)
            expect(tab.locator(SEEN)).not_to_have_text(before)
            assert measured(tab) != before
        tab.locator('[data-lesson="on"]').focus()
        tab.keyboard.press("ArrowRight")
    assert len(set(claims)) == 6
    found = tab.locator("#lab .learned li")
    expect(found).to_have_count(6)
    expect(found.nth(1)).to_contain_text("not done yet")
    for step in (0, 2, 3, 5):
        expect(found.nth(step)).not_to_contain_text("not done yet")
        expect(found.nth(step)).to_contain_text("The paper")
    tab.keyboard.press("ArrowRight")  # does nothing after the last
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator(WHICH)).to_contain_text("Step 6 of 6")
    tab.keyboard.press("Escape")
    expect(tab.locator("#lab .lesson")).to_be_hidden()
    expect(tab.locator('[data-lesson="open"]')).to_be_focused()
    expect(tab.locator("#lab .pointed")).to_have_count(0)


def test_a_guess_comes_before_the_answer(page):
    tab = opened(page)
    shown = tab.locator('#lab [data-panel="kept"]')
    expect(shown).to_be_visible()
    tab.locator('[data-lesson="open"]').click()
    expect(shown).to_be_hidden()
    for name in (SEEN, PLAIN, '[data-lesson="go"]'):
        expect(tab.locator(name)).to_be_hidden()
    guess(tab, "None before another")
    expect(shown).to_be_visible()
    plain = tab.locator(PLAIN)
    expect(plain).to_contain_text(
        "You guessed “None before another”: it is otherwise.", timeout=SLOW
    )
    tab.locator('[data-lesson="on"]').click()
    expect(shown).to_be_hidden()
    tab.locator('[data-lesson="back"]').click()  # what is guessed stays guessed
    expect(plain).to_contain_text("You guessed “None before another”", timeout=SLOW)
    tab.locator('[data-lesson="close"]').click()
    expect(shown).to_be_visible()


def test_what_is_seen_is_what_the_lab_shows(tab):
    shown = tab.locator('#lab [data-table="look"] tr.chosen td')
    for epsilon in (0.15, 0.3):
        field(tab, "epsilon").fill(str(epsilon))
        N, columns, _, chance = shown.all_inner_texts()[:4]
        expect(tab.locator(SEEN)).to_contain_text(f"By residual-token at ε = {epsilon}, ")
        expect(tab.locator(SEEN)).to_contain_text(f"of the {N} kept patches")
        most = f"at most {100 * 32 / int(N):.1f} % with N = {N}."  # 16 × 16 patches
        expect(tab.locator(SEEN)).to_contain_text(f"{columns}, by chance {chance}, {most}")


@pytest.mark.parametrize(
    ("step", "said"),
    [(1, "at ε = 0.3,"), (3, "patches down and 3 right."), (4, "correlate by"), (6, "goes from")],
)
def test_the_button_of_a_step_does_what_it_says(open_page, step, said):
    page = open_page(f"/?tab=bias&step={step}")
    page.set_default_timeout(SLOW)
    page.locator(f"{WHICH}").get_by_text(f"Step {step} of 6").wait_for()
    guess(page)
    before = measured(page)
    page.locator('[data-lesson="go"]').click()
    expect(page.locator(SEEN)).not_to_have_text(before)
    assert said in measured(page) and measured(page) != before


def test_a_set_is_run_from_the_lesson(tab):
    tab.locator('[data-lesson="on"]').click()
    guess(tab, "The same place")
    tab.locator('[data-lesson="go"]').click()
    expect(tab.locator('#lab [data-run="set"]')).to_be_focused()
    expect(tab.locator(SEEN)).to_have_text(MEASURING)
    told = "By residual-token. Set noise, 24 of 24 pictures: "
    expect(tab.locator(SEEN)).to_contain_text(told, timeout=2 * SLOW)
    counted, _, columns = tab.locator('#lab [data-table="set"] tr.chosen td').all_inner_texts()[:3]
    assert counted == "24 of 24" and f", {columns.split(' (')[0]} (chance" in measured(tab)
    field(tab, "epsilon").fill("0.4")
    assert measured(tab).startswith("Nothing is measured yet")


# --- the link -----------------------------------------------------------------------------------


def test_a_link_opens_a_step_and_what_was_moved_in_it(open_page):
    page = open_page("/?tab=bias&step=3&k=5&other=1")
    page.set_default_timeout(SLOW)
    expect(page.locator(WHICH)).to_contain_text("Step 3 of 6", timeout=SLOW)
    expect(field(page, "kind")).to_have_value("example:cat")
    guess(page)
    own = {"tab": "bias", "step": "3", "k": "5", "other": "1"}
    assert state(page)["k"] == 5 and parameters(page) == own
    turned(page, "dx").fill("3")
    field(page, "k").fill("7")
    before = measured(page)
    assert "Rolled 8 patches down and 3 right." in before
    assert parameters(page) == own | {"b.dx": "3", "b.k": "7"}
    page.reload()
    guess(page)
    expect(page.locator(SEEN)).to_have_text(before, timeout=SLOW)
    assert state(page)["k"] == 5  # of the tab Tokenize
    page.get_by_role("tab", name="Tokenize", exact=True).first.click()
    settled(page)
    assert "tab" not in parameters(page)


def test_copy_link_gives_the_step(open_page):
    page = open_page("/?tab=bias&step=4", permissions=["clipboard-read", "clipboard-write"])
    page.set_default_timeout(SLOW)
    page.locator('[data-lesson="back"]').click()
    page.locator('[data-lesson="link"]').click()
    expect(page.locator('#lab [data-text="lesson-said"]')).to_have_text("The link is copied.")
    query = parse_qs(urlsplit(page.evaluate("navigator.clipboard.readText()")).query)
    assert (query["tab"], query["step"]) == (["bias"], ["3"])


def test_settings_travel_without_the_lesson(open_page):
    wanted = {"b.x": "colour", "b.colour": "ff0033", "b.H": "code", "b.eps": "0.3", "b.k": "4"}
    wanted |= {"b.change": "crop", "b.dx": "-2", "b.rule": "subtract", "tab": "bias"}
    page = open_page("/?" + "&".join(f"{name}={value}" for name, value in wanted.items()))
    page.set_default_timeout(SLOW)
    expect(page.locator('#lab [data-text="verdict"]')).to_contain_text("By code at ε = 0.3")
    expect(page.locator("#lab .lesson")).to_be_hidden()
    expect(field(page, "colour")).to_have_value("#ff0033")
    expect(turned(page, "dx")).to_have_value("-2")
    assert parameters(page) == wanted


def test_hostile_values_are_ignored_one_by_one(open_page):
    hostile = {"x": "upload", "seed": "1e9", "colour": "red", "H": "__proto__", "eps": "2"}
    hostile |= {"k": "3.5", "set": "", "seamless": "true", "rule": "<b>", "dx": "-1", "how": "x"}
    query = "&".join(f"b.{name}={value}" for name, value in hostile.items())
    page = opened(open_page(f"/?tab=bias&step=7&b.dy=2&{query}"))
    expect(page.locator("#lab .lesson")).to_be_hidden()
    assert parameters(page) == {"tab": "bias", "b.dy": "2"}
    page = opened(open_page("/?tab=nowhere"))
    assert parameters(page) == {"tab": "bias"}  # `opened` has clicked it


def test_ones_own_picture_does_not_travel(tab, tmp_path):
    Image.effect_mandelbrot((64, 48), (-2, -1.5, 1, 1.5), 40).convert("RGB").save(
        tmp_path / "m.png"
    )
    note = tab.locator('#lab [data-text="private"]')
    expect(note).to_be_hidden()
    tab.locator("#lab-upload input[type=file]").set_input_files(tmp_path / "m.png")
    expect(field(tab, "kind")).to_have_value("upload", timeout=SLOW)
    expect(note).to_be_visible()
    field(tab, "epsilon").fill("0.3")
    assert parameters(tab) == {"tab": "bias", "step": "1", "b.eps": "0.3"}


# --- how it looks -------------------------------------------------------------------------------


def test_the_tick_is_to_be_seen(page):
    tab = opened(page)
    box = field(tab, "seamless")
    box.check()
    assert box.evaluate("box => getComputedStyle(box).appearance") == "auto"
    png = Image.open(io.BytesIO(box.screenshot())).convert("L")
    darkest, lightest = png.getextrema()
    assert lightest - darkest > 100


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_the_panel_leaves_room_for_the_control(open_page, theme):
    page = open_page(
        f"/?tab=bias&step=1&__theme={theme}", viewport={"width": 390, "height": 844}, is_mobile=True
    )
    page.set_default_timeout(SLOW)
    card = page.locator("#lab .lesson")
    page.locator("#lab .choices button").first.wait_for()
    assert card.bounding_box()["height"] <= 844 / 3 + 1
    guess(page)
    assert "What stands out most" in measured(page)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    top, control = (page.locator(name).bounding_box() for name in ("#lab .lesson", "#lab .pointed"))
    assert top["y"] == pytest.approx(0, abs=1)
    assert top["height"] <= 844 / 3 + 1
    assert top["y"] + top["height"] <= control["y"] < 844


# --- what is said, by invented numbers ----------------------------------------------------------

GRID = 4
SCOPE = """
const LIMITS = {limits};
const [props, element, Share, courier] = [{props}, document.body, {{}}, () => {{}}];
{scripts}
const Studio = {{ Selection, Panels, Colour, Format, Share, courier, LIMITS }};
window.lab = (() => {{ {lab}
const seen = (step, live) => STEPS[step - 1].seen({{ change: {{ kind: "positions" }}, sets: {{}}, running: null, ...live,
  settings: {{ estimator: "code", epsilon: 0.5, rule: "subtract", ...live.settings }} }});
const plain = (step, live) => GUESSES[step - 1].plain({{ change: {{ kind: "positions" }}, sets: {{}}, ...live,
  settings: {{ estimator: "code", epsilon: 0.5, rule: "subtract", ...live.settings }} }});
return {{ seen, plain, edgesVerdict, setVerdict }}; }})();
"""  # noqa: E501


@pytest.fixture(scope="module")
def scripts(browser):
    """A page with nothing but the lab's functions, as `lab`."""
    row = {"estimator": "code", "rule": "subtract", "count": 9, "gain": "-0.10", "fd_change": "2.0"}
    script = SCOPE.format(
        limits=json.dumps({"examples": [], "defaults": {"k": 2}}),
        props=json.dumps(
            {
                "grid": GRID,
                "factors": FACTORS,
                "costs": {"n": 7, "fd_label": "rFD", "own": False, "rows": [row]},
            }
        ),
        scripts=source(
            "shared/selection.js", "shared/format.js", "shared/colour.js", "shared/panels.js"
        ),
        lab=source(
            "bias/charts.js",
            "bias/selection.js",
            "bias/runs.js",
            "bias/change.js",
            "bias/steps.js",
            "bias/guesses.js",
        ),
    )
    page = browser.new_page()
    page.add_script_tag(content=script)
    yield page
    page.close()


@pytest.fixture
def says(scripts):
    """What a step says of numbers that are passed: (step, live) -> the sentence or None."""
    call = "([step, live]) => lab.seen(step, live)"
    return lambda step, **live: scripts.evaluate(call, [step, live])


def map_of(*rows):
    """A map from its rows, and places in the order of its H."""
    H = [float(h) for row in rows for h in row]
    return {"entropy": H, "order": sorted(range(len(H)), key=lambda i: -H[i])}


EDGES, MIDDLE = map_of(*[(3, 1, 1, 3)] * GRID), map_of(*[(1, 3, 3, 1)] * GRID)
FLAT, ZERO = map_of(*[(1, 1, 1, 1)] * GRID), map_of(*[(0, 0, 0, 0)] * GRID)


def test_the_first_step_says_whether_it_is_the_papers_bias(says):
    edges, middle = says(1, look=EDGES), says(1, look=MIDDLE)
    assert "6 of the 6 kept patches lie in the two outer columns: 100.0 %" in edges
    assert "by chance 50.0 %" in edges
    assert "(2.00 × chance): the direction of the paper’s Fig. 8" in edges
    assert "unlike" not in edges
    assert "0 of the 6 kept patches" in middle and "unlike the paper’s Fig. 8." in middle
    assert "nothing to choose by" in says(1, look=ZERO)
    assert "all 16 patches are kept" in says(1, look=EDGES, settings={"epsilon": 0})
    assert "too few" in says(1, look=EDGES, settings={"epsilon": 0.9})
    assert says(1, look=None) is None


def placed(H, p, value, n=24, count=6.0):
    """The placement of a set of 24 pictures that keep the high places of H, by `code` alone."""
    kept = [2.0 * (h > 1) for h in H["entropy"]]
    share = {"value": value, "low": value, "high": value, "chance": 0.5, "p": p}
    return {
        "code": {
            "n": n,
            "left_out": 24 - n,
            "count": count,
            "kept": kept,
            "shares": [share, share],
        }
    }


def test_the_second_step_compares_sets(says):
    edges, middle = placed(EDGES, 0.01, 1.0), placed(MIDDLE, 0.2, 0.0, n=8)
    told = says(2, sets={"noise": edges})
    assert "Set noise, 24 of 24 pictures: surely more than chance at the edges, 100.0 %" in told
    assert "run it to compare" in told
    told = says(2, sets={"noise": edges, "colours": middle})
    assert "Set colours, 8 of 24 pictures: no difference shown, 0.0 %" in told
    same = says(2, sets={"noise": edges, "colours": edges})
    assert same.endswith("The same place stands out each time.")
    rows = placed(map_of((3, 3, 3, 3), *[(1, 1, 1, 1)] * 3), 0.01, 0.5)
    told = says(2, sets={"noise": edges, "colours": rows})
    assert told.endswith("not the same place that stands out each time.")
    assert says(2, sets={}, running="set") is None


def test_one_picture_is_no_test(says, scripts):
    alone = placed(EDGES, None, 1.0, n=1)
    told = says(2, sets={"colours": alone})
    assert "Set colours, 1 of 24 pictures: one picture: no test, 100.0 % (chance 50.0 %)" in told
    (verdict,) = scripts.evaluate("(placements) => lab.setVerdict(placements)", alone)
    assert verdict.startswith("code: one picture: no test, 100.0 % (chance 50.0 %); kept most in")
    assert "p <" not in told + verdict and "surely" not in told + verdict


@pytest.mark.parametrize("p", [None, 0.0001, 0.001, 0.0312, 0.05, 0.7])
@pytest.mark.parametrize(("value", "count"), [(0.3, 5.2), (0.61, 13.4), (0.5, 15.5), (0.9, 8.0)])
def test_the_browser_says_of_the_edges_what_the_result_files_show(scripts, p, value, count):
    share = {"value": value, "chance": 0.125, "p": p}
    told = scripts.evaluate("([share, count]) => lab.edgesVerdict(share, count)", [share, count])
    share = Share("columns", Estimate(value), 0.125, p)
    assert told == edges_verdict(share, count, GRID**2)


def test_the_fourth_step_tells_gone_from_stays(says):
    def after(H, **live):
        return says(4, look=EDGES, changed={"map": H, "source": list(range(16))}, **live)

    assert after(FLAT).endswith("by 0.0 % after. The pattern is gone.")
    assert after(EDGES).endswith("the pattern stays.")
    assert after(MIDDLE).endswith("the old pattern is gone, another has come.")
    assert "set Change to" in after(FLAT, change={"kind": "roll"})
    assert "no pattern to lose" in says(4, look=FLAT, changed={"map": FLAT, "source": []})


def test_the_fifth_step_reads_the_shares(says):
    bars = [
        {"estimator": "code", "response": "entropy", "shares": [0.1, 0.7, 0.05, 0.15]},
        {"estimator": "code", "response": "kept", "shares": None},
        {"estimator": "rate", "response": "kept", "shares": [1, 0, 0, 0]},
    ]
    told = says(5, rolls={"bars": bars, "noise": 0.004})
    assert "place 10 %, content 70 %, roll 5 %, rest 15 %, so most is content’s" in told
    assert "of that of the kept mask: nothing varies" in told and "has 0.4 %" in told
    assert says(5, rolls=None).startswith("Nothing is measured yet")


def test_the_plain_answers_follow_from_the_numbers(scripts):
    def answer(step, **live):
        found = scripts.evaluate("([step, live]) => lab.plain(step, live)", [step, live])
        return found and found["answer"]

    assert [answer(1, look=H) for H in (EDGES, MIDDLE, ZERO)] == [0, 1, 2]
    assert answer(1, look=None) is None
    assert answer(1, look=EDGES, settings={"epsilon": 0}) is None  # all are kept
    edges = placed(EDGES, 0.01, 1.0)
    assert answer(2, sets={}) is None and answer(2, sets={"noise": edges}) is None
    assert answer(2, sets={"noise": edges, "colours": edges}) == 0
    rows = placed(map_of((3, 3, 3, 3), *[(1, 1, 1, 1)] * 3), 0.01, 0.5)
    assert answer(2, sets={"noise": edges, "colours": rows}) == 1
    one = map_of(*[(9, 1, 2, 3)] * GRID)  # kept: the first column
    right = map_of(*[(3, 9, 1, 2)] * GRID)
    source_of = [row * GRID + (column - 1) % GRID for row in range(GRID) for column in range(GRID)]
    settings = {"epsilon": 0.4}
    for after, expected in ((right, 0), (one, 1)):
        changed = {"map": after, "source": source_of}
        assert answer(3, look=one, changed=changed, settings=settings) == expected
    same = list(range(16))
    found = [
        answer(4, look=EDGES, changed={"map": H, "source": same}) for H in (FLAT, EDGES, MIDDLE)
    ]
    assert (
        found == [0, 1, 2] and answer(4, look=FLAT, changed={"map": FLAT, "source": same}) is None
    )
    for shares, expected in (
        ([0.1, 0.7, 0.05, 0.15], 1),
        ([0.6, 0.2, 0.1, 0.1], 0),
        ([0, 0, 0, 1], 2),
    ):
        bars = [{"estimator": "code", "response": "entropy", "shares": shares}]
        assert answer(5, rolls={"bars": bars, "noise": 0.0}) == expected
    assert answer(5, rolls=None) is None
    assert answer(6, look=EDGES, cured=EDGES) == 0 and answer(6, look=EDGES, cured=MIDDLE) == 2


def test_the_last_step_tells_the_cost_where_it_was_measured(says):
    told = says(6, look=EDGES, cured=FLAT)
    assert "goes from" in told and "over 7 pictures, with other weights" in told
    assert "N = 9: PSNR -0.10 dB, rFD 2.0" in told
    assert "has no cost for" in says(6, look=EDGES, cured=FLAT, settings={"rule": "divide"})
    assert says(6, look=EDGES, cured=None) is None
    assert "choose a correction" in says(6, look=EDGES, cured=None, settings={"rule": ""})
