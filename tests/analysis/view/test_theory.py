"""The tab Theory: its numbers are App. B's, its files are told as they are, its input is judged."""

import json
import math
from html import escape

import pytest
import torch
from conftest import pictures, random_model

from analysis.base.evaluate import CodebookUse, SetPSNR
from analysis.base.evaluate import Row as EvaluateRow
from analysis.base.metrics import FrechetDistance
from analysis.base.provenance import Data, Provenance
from analysis.base.results import Estimate, save
from analysis.base.runner import Setting
from analysis.generator import speed
from analysis.rate import redundancy, theory
from analysis.view.bias.results import read
from analysis.view.shared.asking import answer
from analysis.view.shared.crop import Accepted
from analysis.view.shared.engine import Engine
from analysis.view.theory import results, tab, table
from tatok.bench.generator import Cost
from tatok.images import to_pil

ORIGIN = Provenance("c", "w", 7, None, Data("l.txt", "s", 3), 0, "e", "d", "t", "python")
ASKED = {"epsilon": 0.05, "k": 4, "estimator": "rate", "policy": "dtf", "box": None, "serial": 3}


@pytest.fixture
def rates():
    return tab.Rates(Engine(random_model()))


@pytest.fixture
def files(tmp_path):
    to_pil(pictures(1, size=48)).save(tmp_path / "one.png")
    to_pil(torch.ones(1, 3, 32, 32)).save(tmp_path / "white.png")
    return {name: tmp_path / f"{name}.png" for name in ("one", "white")}


def ask(rates, path, **changes):
    """As the page asks about the picture of its session."""
    asked = ASKED | {"picture": "id"} | changes
    reply = answer(rates.engine, Accepted(str(path), "id"), asked, rates.serve)
    json.dumps(reply, allow_nan=False)
    return reply


# --- live ------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [None, [3, 0, 40]])
def test_the_reply_is_demand_at_every_target(rates, files, box):
    x = rates.engine.square(str(files["one"]), box and tuple(box)).x
    for k in (0, 6):
        reply = ask(rates, files["one"], k=k, box=box)
        found = theory.demand(rates.engine.model, x, (tab.TARGETS[0], 20.0, tab.TARGETS[-1]), k)
        for d, i in zip(found, (0, tab.TARGETS.index(20.0), -1), strict=True):
            assert reply["rate"][i] == pytest.approx(d.rate)
            assert reply["water"][i] == pytest.approx(d.water)
            assert max(0, reply["rate"][i] - reply["rate_G"]) == pytest.approx(d.minimum)
            assert max(0, reply["water"][i] - reply["water_G"]) == pytest.approx(d.minimum_water)
        assert reply["capacity"] == 16 * 6 and reply["serial"] == 3 and reply["k"] == k
        assert reply["psnr_G"] == pytest.approx(10 * math.log10(4 / found[0].D_G))
    assert ask(rates, files["one"], k=0)["D_G"] != ask(rates, files["one"], k=6)["D_G"]


def test_targets_are_even_tenths():
    assert (tab.TARGETS[0], tab.TARGETS[-1], len(set(tab.TARGETS))) == (5.0, 40.0, 176)


def test_a_flat_picture_needs_nothing(rates, files):
    reply = ask(rates, files["white"])
    assert set(reply["rate"]) == set(reply["water"]) == {0.0}


@pytest.mark.parametrize("change", [{"k": 7}, {"k": None}, {"box": [0, 0]}, {"box": [0, 0, 10**9]}])
def test_hostile_questions_get_one_sentence(rates, files, change):
    reply = ask(rates, files["one"], **change)
    assert set(reply) == {"serial", "error"} and reply["serial"] == 3
    assert reply["error"].endswith(".") and "/" not in reply["error"]


# --- the paper's table -----------------------------------------------------------------------


def test_the_papers_rows_are_read_as_printed():
    points = {point.name: point for point in table.paper_points()}
    ours = points["TaTok + MaskGIT-ViT"]
    assert ours.kind == "tatok" and "2.17 in Fig. 5" in ours.source
    expected = {"gfid": 1.89, "rfid": 1.51, "tokens": 56.4, "parameters": 177, "throughput": 94.3}
    assert {key: ours.values[key] for key in expected} == expected
    assert ours.values["speedup"] == pytest.approx(8.73, abs=0.01)  # "8.7x" of the abstract
    taming = points["Taming-VQGAN + LDM-8"]
    assert taming.kind == "diffusion" and taming.values["throughput"] is None
    assert taming.values["speedup"] is None
    assert (
        points["VAE + LDM-4"].values["tokens"] == 4096
        and "4096 × 3" in points["VAE + LDM-4"].source
    )
    assert len(points) == 15 and all(set(p.values) == set(table.AXES) for p in points.values())


def test_our_speed_stands_on_comparable_axes_only():
    rows = (
        Cost("demo", "57 tokens", 57, 1e9, 3.0, 9.0, 8.0),
        Cost("demo", "569 tokens", 569, 9e9, 0.4),
    )
    result = speed.Speed(rows, 4, 8, "CPU, 2 threads", "t", "c", "d", "python")
    points = table.own_points(result)
    drawn = {key for point in points for key, value in point.values.items() if value is not None}
    assert drawn == {"tokens", "speedup"} and {point.kind for point in points} == {"ours"}
    assert [point.values["speedup"] for point in points] == [8.0, 1.0]
    assert "3 samples per second on CPU" in points[0].source


def test_our_tokenizers_rows_carry_their_label(tmp_path):
    setting = Setting(4, 16)
    rfd = FrechetDistance(12.3, 3, "rFD (<Lite0>, N=3)")
    rows = (
        EvaluateRow(
            "Tokens", "all <patches>", setting, 16.0, 0.0, 9.0, (SetPSNR("all", 3, 9.0),), rfd
        ),
        EvaluateRow("Tokens", "no features", setting, 16.0, 0.0, 9.0, (), None),
    )
    use = CodebookUse("patch", 64, 48, 0.5, 20.0)
    save(table.Evaluated(rows, (use,), ORIGIN), tmp_path / "evaluate.json")
    html = table.OWN["evaluate"](tmp_path, "w")
    assert "other weights" not in html and escape(ORIGIN.line()) in html
    assert "other weights (w) than" in table.OWN["evaluate"](tmp_path, "page")
    assert "rFD (&lt;Lite0&gt;, N=3)" in html and "12.30" in html and "4 + 16.0" in html
    assert "all &lt;patches&gt;" in html and "no features" not in html


# --- files -----------------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path):
    """Files made from a tiny model, and code lengths made up."""
    model, x = random_model(), pictures(4)
    result = theory.Theory(
        4, 96.0, theory.demands(model, x, (8.0, 20.0)), theory.floors(model, x), ORIGIN
    )
    save(result, tmp_path / "theory.json")
    codes = torch.full((3,), 16.0).double()
    lengths = [codes * torch.tensor([5.0, 5.1, 4.9]).double(), codes * 4.0]
    rows = tuple(
        redundancy.redundancy(name, given, codes, *lengths, None if given else lengths[0])
        for name in ("all", "kept")
        for given in (False, True)
    )
    save(redundancy.Redundancies(0.05, 3, 9, 8, 6.0, rows, ORIGIN), tmp_path / "redundancy.json")
    return tmp_path, result


def test_both_files_are_shown(measured):
    folder, result = measured
    for part in results.PARTS:
        found = read(part, folder)
        assert not isinstance(found, str), found
        assert found.origins == (ORIGIN,) and found.table
    html = results.of_theory(result).figure
    gain = next(f for f in result.floors if f.k == 4).gain
    assert f"{gain.value:.2f}" in html and "chance" not in html
    assert all(f"{floor.bits:,.0f} bits" in html for floor in result.floors)
    assert f"{100 * result.demands[1].share_beyond:.0f} %" in html


def test_measurements_say_what_they_measured(measured):
    folder, result = measured
    told = [
        results.measurement(name, kind, tell, folder, fingerprint)
        for fingerprint in ("w", "other")
        for _, _, name, kind, tell in results.CLAIMS
    ]
    assert not any("other weights" in text for text in told[:3])
    assert all("other weights (w) than those on this page" in text for text in told[3:])
    assert all(escape(ORIGIN.line()) in text for text in told)
    none = result.floors[0]
    assert f"{none.mse.value:.4f}" in told[0] and "above the infimum" in told[0]
    for floor in result.floors:
        assert f"{floor.bits:,.0f} bits" in told[1]
    assert "kept patches, given G 0.200" in told[2]


@pytest.mark.parametrize(
    "gain, words",
    [
        (Estimate(0.2, 0.1, 0.3), "as the theorem says"),
        (Estimate(-0.2, -0.3, -0.1), "the other way round"),
        (Estimate(0.1, -0.1, 0.3), "undecided"),
        (Estimate(0.1), "undecided"),
    ],
)
def test_a_gain_goes_where_its_interval_goes(gain, words):
    assert results._direction(gain) == words


def test_missing_and_damaged_files_show_a_sentence_with_the_command(tmp_path):
    (tmp_path / "redundancy.json").write_text('{"rows": "<script>"}')
    texts = [
        results.measurement(name, kind, tell, tmp_path, "w")
        for _, _, name, kind, tell in results.CLAIMS
    ]
    assert "There is no theory.json" in texts[0] and "python -m analysis theory" in texts[0]
    assert "damaged" in texts[2] and "--train" in texts[2] and "<script>" not in texts[2]
    with pytest.raises(Exception, match="There is no evaluate.json") as error:
        table.OWN["evaluate"](tmp_path, "w")
    sentence = table.missing(error.value, "evaluate")
    assert "python -m analysis evaluate" in sentence
