"""The filtering that runs in the browser is the filtering of tatok, to the last bit."""

import base64
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from conftest import pictures, random_model

from analysis.view.shared.engine import Engine
from analysis.view.shared.files import source
from analysis.view.shared.settings import Settings
from analysis.view.tokenize.patch_view import map_reply
from tatok import filtering
from tatok.entropy import predicted_loss
from tatok.images import to_pil
from tatok.tokens import place_bits

RUN_DTF = """
([base64, M, epsilon, minimums]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const all = new Float64Array(bytes.buffer);
  return minimums.map((minimum, row) => {
    const ranked = Selection.rank(all.subarray(row * M, (row + 1) * M));
    const found = Selection.dtf(ranked, epsilon, minimum);
    return [found.count, found.tau, found.keep.join("")];
  });
}
"""


DRAW_CURVE = """
([H, epsilon, minimum, width]) => {
  document.body.innerHTML = `<svg style="font: 12px sans-serif; width: ${width}px; height: 236px">
    <g class="fixed"></g><g class="moving"></g><path class="hit"/>
    <g class="handle"><path class="level"/><circle class="grip"/></g></svg>`;
  const svg = document.querySelector("svg");
  const ranked = Selection.rank(Float64Array.from(H));
  const found = Selection.dtf(ranked, epsilon, minimum);
  Curve.axes(svg, ranked);
  Curve.marks(svg, ranked, found, { epsilon, minimum }, []);
  const words = [...svg.querySelectorAll("text")].find((t) => t.textContent.startsWith("(1 − ε)"));
  const box = words.getBBox();
  const line = svg.querySelector(".line");
  const step = line.getTotalLength() / 2000;
  const points = Array.from({ length: 2001 }, (_, i) => line.getPointAtLength(i * step));
  const [right, bottom] = [box.x + box.width, box.y + box.height - 3]; // 3: its letters are lower
  const inside = ({ x, y }) => x > box.x && x < right && y > box.y + 3 && y < bottom;
  return [points.some(inside), box.x, box.x + box.width, box.y, box.y + box.height];
}
"""


@pytest.fixture(scope="module")
def script(browser):
    """A blank page that holds selection.js and curve.js."""
    blank = browser.new_page()
    names = ("shared/selection.js", "shared/format.js", "shared/curve.js")
    shared = "Object.assign(window, { Selection, Curve });"
    blank.add_script_tag(content=f"{source(*names)}\n{shared}")
    yield blank
    blank.close()


def entropies(rng: np.random.Generator, rows: int, M: int) -> np.ndarray:
    """(rows, M): plain values, many ties, many zeros, all equal or zero, 600 decades."""
    plain = rng.gamma(1.0, 300.0, (rows, M))
    ties = rng.integers(0, 4, (rows, M)).astype(float) * 0.1
    zeros = plain * (rng.random((rows, M)) < 0.2)
    equal = np.repeat(rng.integers(0, 3, (rows, 1)) * 0.3, M, axis=1)
    wide = 10 ** rng.uniform(-300, 300, (rows, M))
    return np.choose(rng.integers(0, 5, (rows, 1)), [plain, ties, zeros, equal, wide])


@pytest.mark.parametrize("M", [1, 2, 17, 256, 441])
def test_dtf_of_the_browser_is_dtf_of_python(script, M):
    """10,000 maps over the five sizes."""
    rng = np.random.default_rng(M)
    for _ in range(20):
        H = entropies(rng, 100, M)
        epsilon = float(rng.choice([0.0, 0.05, 0.15, 0.95, rng.random()]))
        T = H.sum(1) * rng.choice([0.0, 0.0, 0.5, 1.0, 1.2], 100)
        data = base64.b64encode(H.tobytes()).decode()
        found = filtering.dtf(torch.from_numpy(H), epsilon, torch.from_numpy(T))
        rows = script.evaluate(RUN_DTF, [data, M, epsilon, T.tolist()])
        assert [row[0] for row in rows] == found.count.tolist()
        # a large whole number comes back from the browser as an int
        assert [float(row[1]) for row in rows] == found.threshold.tolist()
        kept = ["".join("01"[int(v)] for v in row) for row in found.keep.tolist()]
        assert [row[2] for row in rows] == kept


@pytest.mark.parametrize("M", [16, 256, 441])
def test_policies_and_place_bits_of_the_browser(script, M):
    N = torch.arange(1, M + 1)
    H = torch.from_numpy(entropies(np.random.default_rng(M), 1, M)).expand(M, -1)
    order = H[0].argsort(descending=True, stable=True).tolist()
    expected = {
        "dtf": filtering.top(H, N),
        "edges": filtering.edges(H, N),
        "first": filtering.first(M, N),
        "last": filtering.last(M, N),
        "uniform": filtering.uniform(M, N),
    }
    for name in filtering.POLICIES:
        masks = script.evaluate(
            "([name, order]) => order.map((_, i) => Selection.keep(name, i + 1, order)?.join(''))",
            [name, order],
        )
        if name in expected:
            assert masks == ["".join("01"[int(v)] for v in row) for row in expected[name].tolist()]
        else:
            assert masks == [None] * M, f"{name} is the server's"
    bits = script.evaluate(
        "(M) => Array.from({length: M + 1}, (_, N) => Selection.placeBits(M, N))", M
    )
    assert bits == [place_bits(M, N) for N in range(M + 1)]


RUN_OUTCOME = """
([H, map, settings, told]) => {
  const ranked = Selection.rank(Float64Array.from(H));
  const mask = told && Uint8Array.from(told, Number);
  const found = Selection.outcome({ ...map, ranked }, settings, mask);
  return [found.kept, found.tokens, found.bits?.total ?? null, found.keep?.join("") ?? null];
}
"""
RUN_LOSS = "([entropy, error, keep]) => Selection.loss({ entropy, error }, keep)"


def test_the_predicted_loss_is_that_of_python(script):
    rng = np.random.default_rng(3)
    H, keep, error = rng.random((1, 64)), rng.random((1, 64)) < 0.5, 7.5
    expected = predicted_loss(*map(torch.from_numpy, (H, keep)), torch.tensor([error]))
    found = script.evaluate(RUN_LOSS, [H[0].tolist(), error, keep[0].tolist()])
    assert found == pytest.approx(expected.item(), rel=1e-9)
    assert script.evaluate(RUN_LOSS, [H[0].tolist(), error, [True] * 64]) == 0
    assert script.evaluate(RUN_LOSS, [H[0].tolist(), None, keep[0].tolist()]) is None


@pytest.mark.parametrize("layout", ["grid", "sequence"])
@pytest.mark.parametrize("estimator", ["rate", "prior"])
def test_numbers_with_forced_patches_are_those_of_python(script, tmp_path, layout, estimator):
    """N, bits and the kept set, for every policy, forced and not."""
    engine = Engine(random_model(layout=layout))
    to_pil(pictures(1)).save(tmp_path / "picture.png")
    square = engine.square(str(tmp_path / "picture.png"), None)
    for policy in filtering.POLICIES:
        for forced in ({}, {"forced_in": (0, 15)}, {"forced_in": (3,), "forced_out": (1, 2)}):
            settings = Settings(0.4, 3, estimator, policy, **forced)
            result = engine.tokenize(square, settings)
            told = "".join("01"[int(v)] for v in result.selection.keep[0])
            answer = map_reply(engine, square, settings) | {"M": 16}
            del answer["picture"]
            H = answer.pop("entropy")
            expected = result.statistics
            numbers = [expected.kept, expected.tokens, expected.bits, told]
            values = json.loads(json.dumps(asdict(settings)))
            assert script.evaluate(RUN_OUTCOME, [H, answer, values, told]) == numbers
            alone = script.evaluate(RUN_OUTCOME, [H, answer, values, None])
            if policy not in ("random", "chain"):
                assert alone == numbers
            elif forced:
                assert alone == [None] * 4, "how many are kept is not known before the answer"
            else:
                assert alone == [*numbers[:3], None]


@pytest.mark.parametrize("width", [300, 420, 640])
@pytest.mark.parametrize("power", [0.0, 0.1, 1.0, 8.0])
def test_the_words_of_the_level_do_not_cross_the_curve(script, power, width):
    """From a straight line (all H equal) to a steep curve, at every ε."""
    H = [float(i + 1) ** power for i in range(256)]
    for epsilon in (0.0, 0.03, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95):
        crossed, left, right, top, bottom = script.evaluate(DRAW_CURVE, [H, epsilon, 0.0, width])
        assert not crossed, epsilon
        assert 0 <= left and right <= width and 0 <= top and bottom <= 236 - 30
