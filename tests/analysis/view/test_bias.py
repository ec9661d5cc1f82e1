"""The tab Bias: what it answers is what the lab computes, and what it is asked is judged."""

import base64
import io
import json
import re
from dataclasses import replace

import pytest
import torch
from conftest import pictures, random_model
from PIL import Image

from analysis.base.provenance import Data, Provenance
from analysis.base.results import Estimate, save
from analysis.bias import controls, counterfactuals, cure, decomposition, placement, probe
from analysis.bias.places import entropies, kept, order
from analysis.view.bias import bench as lab_bench
from analysis.view.bias import results as lab_results
from analysis.view.bias import tab as bias_tab
from analysis.view.bias.bench import NAMES, SET_SIZE, Bench
from analysis.view.shared.crop import Accepted
from analysis.view.shared.engine import Engine
from tatok.entropy import ESTIMATORS
from tatok.filtering import Correction, dtf
from tatok.images import to_pil
from tatok.streams import seeded

M, K, EPSILON = 16, 4, 0.3
ORIGIN = Provenance("c", "w", 7, None, Data("l.txt", "s", 3), 0, "e", "d", "t", "python")
OTHER = replace(ORIGIN, weights="v")
NOISE = {"ask": "look", "k": K, "serial": 5, "subject": {"kind": "noise", "seed": 3}}


@pytest.fixture
def bench():
    return Bench(Engine(random_model()))


@pytest.fixture
def examples(tmp_path):
    to_pil(pictures(1)).save(tmp_path / "one.png")
    return {"one": tmp_path / "one.png"}


def ask(bench, examples=None, accepted=None, **changes) -> dict:
    reply = bias_tab.answer(bench, examples or {}, accepted, NOISE | changes)
    json.dumps(reply, allow_nan=False)
    return reply


def maps_of(bench, x):
    return entropies(bench.engine.model, x, NAMES, K)


def check_map(told, H, epsilon=EPSILON):
    """The browser's rule on what it is told keeps what `kept` keeps."""
    mine = torch.tensor([told["entropy"]], dtype=torch.float64)
    torch.testing.assert_close(mine, H, rtol=1e-5, atol=1e-9)
    N = int(dtf(mine, epsilon).count)
    keep = torch.zeros(M, dtype=torch.bool)
    keep[told["order"][:N]] = True
    assert sorted(told["order"]) == list(range(M))
    return keep


# --- live ------------------------------------------------------------------------------------


def test_a_look_selects_as_placement_does(bench):
    reply = ask(bench)
    assert reply["serial"] == 5 and list(reply["maps"]) == list(ESTIMATORS)
    for name, H in maps_of(bench, controls.noises(1, 32, 3)).items():
        keep = check_map(reply["maps"][name], H)
        mine = torch.tensor([reply["maps"][name]["entropy"]], dtype=torch.float64)
        found = placement.placement("noise", name, mine, EPSILON)
        torch.testing.assert_close(torch.tensor(found.kept), M * keep.float() / keep.sum())


def test_order_breaks_ties_at_random_and_makes_kept():
    H = torch.tensor([[1.0, 2.0, 1.0, 1.0 + 1e-9, 3.0, 1.0]], dtype=torch.float64)
    orders = torch.cat([order(H, seeded(i)) for i in range(40)])
    assert (orders[:, :2] == torch.tensor([4, 1])).all()
    assert {tuple(sorted(row)) for row in orders[:, 2:].tolist()} == {(0, 2, 3, 5)}
    assert set(orders[:, 2].tolist()) == {0, 2, 3, 5}
    for epsilon in (0.0, 0.3, 0.6):
        keep, N = kept(H, epsilon, seeded(7)), int(dtf(H, epsilon).count)
        assert keep[0].nonzero().ravel().tolist() == sorted(order(H, seeded(7))[0, :N].tolist())


@pytest.mark.parametrize(
    "subject, expected",
    [
        ({"kind": "white"}, lambda: torch.ones(1, 3, 32, 32)),
        ({"kind": "colour", "colour": [255, 0, 51]}, None),
        ({"kind": "clouds", "seed": 2}, lambda: controls.clouds(1, 32, 2)),
        ({"kind": "example", "name": "one"}, None),
    ],
)
def test_subjects(bench, examples, subject, expected):
    reply = ask(bench, examples, subject=subject)
    if subject["kind"] == "colour":
        level = torch.tensor([1.0, -1.0, -0.6])
        x = level[None, :, None, None].expand(1, 3, 32, 32).contiguous()
    elif expected is None:
        x = bench.engine.square(str(examples["one"]), None).x
    else:
        x = expected()
    for name, H in maps_of(bench, x).items():
        check_map(reply["maps"][name], H)


def test_an_upload_is_only_the_sessions_own(bench, examples):
    accepted = Accepted(str(examples["one"]), "abc")
    subject = {"kind": "upload", "name": "abc"}
    example = ask(bench, examples, subject={"kind": "example", "name": "one"})
    assert ask(bench, accepted=accepted, subject=subject)["maps"] == example["maps"]
    assert "choose it again" in ask(bench, subject=subject)["error"]
    other = subject | {"name": "abd"}
    assert "choose it again" in ask(bench, accepted=accepted, subject=other)["error"]


CHANGES = {
    "roll": ({"dy": 1, "dx": 3}, lambda x, c: counterfactuals.roll(x, c, 1, 3)),
    "mirror": ({}, counterfactuals.mirror),
    "shuffle": ({"seed": 4}, lambda x, c: counterfactuals.shuffle(x, c, 4)),
    "swap": ({"first": 0, "second": 9}, lambda x, c: counterfactuals.swap(x, c, 0, 9)),
    "repeat": ({"first": 6}, lambda x, c: counterfactuals.repeat(x, c, 6)),
    "crop": ({"dy": -1, "dx": 2}, lambda x, c: counterfactuals.crop_and_pad(x, c, -1, 2)),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_changes_of_the_picture(bench, kind):
    values, function = CHANGES[kind]
    reply = ask(bench, ask="change", change={"kind": kind} | values)
    after = function(controls.noises(1, 32, 3), bench.engine.model.config)
    assert reply["source"] == after.source.tolist()
    for name, H in maps_of(bench, after.pixels).items():
        check_map(reply["maps"][name], H)


def test_changes_of_the_positions_leave_the_model_alone(bench):
    before = bench.engine.model.fingerprint
    values = {"kind": "positions", "how": "zero", "parts": ["encoder"]}
    reply = ask(bench, ask="change", change=values)
    other = counterfactuals.with_positions(bench.engine.model, "zero", ("encoder",))
    x = controls.noises(1, 32, 3)
    differs = []
    for name, H in entropies(other, x, NAMES, K).items():
        check_map(reply["maps"][name], H)
        differs.append(not torch.allclose(H, maps_of(bench, x)[name]))
    assert any(differs) and reply["source"] == list(range(M))
    assert bench.engine.model.fingerprint == before


def test_the_cure_takes_out_the_mean_over_content_free_pictures(bench):
    x = controls.noises(1, 32, 3)
    free = maps_of(bench, cure.content_free(32))
    for rule in ("subtract", "divide"):
        reply = ask(bench, ask="cure", rule=rule)
        for name, told in reply["maps"].items():
            check_map(told, Correction(free[name].mean(dim=0), rule)(maps_of(bench, x)[name]))
        allowed = [n for n in NAMES if rule == "subtract" or (free[n].mean(dim=0) > 0).all()]
        assert list(reply["maps"]) == allowed


def test_rolls_come_in_parts_and_end_in_the_decomposition(bench, monkeypatch):
    monkeypatch.setattr(lab_bench, "ROLL_PART", 5)
    assert bench.roll_parts == 4
    for seamless in (False, True):
        parts = bench.roll_parts
        for part in range(parts):
            values = {"part": part, "epsilon": EPSILON, "seamless": seamless}
            reply = ask(bench, ask="rolls", **values)
            assert (reply["part"], reply["parts"]) == (part, parts)
            assert ("bars" in reply) == (part == parts - 1)
        x = controls.noises(1, 32, 3)
        x = controls.mirrored(x) if seamless else x
        maps = decomposition.rolled_entropies(bench.engine.model, x, NAMES, K)
        for bar in reply["bars"]:
            H = maps[bar["estimator"]]
            if bar["response"] == "entropy":
                found = decomposition.decompose(H)
                torch.testing.assert_close(
                    torch.tensor(bar["shares"]), torch.tensor(found.shares), rtol=1e-3, atol=1e-5
                )
            assert sum(bar["variances"]) == pytest.approx(bar["total"])
        assert len(reply["bars"]) == 2 * len(NAMES)


def test_a_set_comes_in_parts_and_ends_in_the_test(bench):
    for part in range(bench.set_parts):
        reply = ask(bench, ask="set", set="noise", part=part, epsilon=EPSILON)
        assert ("placements" in reply) == (part == bench.set_parts - 1)
    maps = maps_of(bench, controls.noises(SET_SIZE, 32))
    for name, one in reply["placements"].items():
        found = placement.placement("noise", name, maps[name], EPSILON)
        assert one["n"] == found.n == SET_SIZE and one["left_out"] == 0
        assert one["count"] == pytest.approx(found.count)
        for told, share in zip(one["shares"], found.shares, strict=True):
            assert told["region"] == share.region
            assert told["value"] == pytest.approx(share.share.value, rel=0.02)
            assert told["low"] <= told["value"] <= told["high"] and 0 < told["p"] <= 1


HOSTILE = [
    None,
    7,
    [],
    {},
    NOISE | {"ask": "rm"},
    NOISE | {"ask": ["look"]},
    NOISE | {"k": True},
    NOISE | {"k": 10**400},
    NOISE | {"k": 4.0},
    NOISE | {"subject": "noise"},
    NOISE | {"subject": {"kind": "noise"}},
    NOISE | {"subject": {"kind": "noise", "seed": -1}},
    NOISE | {"subject": {"kind": "colour", "colour": [1, 2]}},
    NOISE | {"subject": {"kind": "colour", "colour": [1, 2, 999]}},
    NOISE | {"subject": {"kind": "example", "name": "../../etc/passwd"}},
    NOISE | {"subject": {"kind": "upload", "name": "/etc/passwd"}},
    NOISE | {"ask": "change"},
    NOISE | {"ask": "change", "change": {"kind": "roll", "dy": 99, "dx": 0}},
    NOISE | {"ask": "change", "change": {"kind": "swap", "first": 0, "second": M}},
    NOISE | {"ask": "change", "change": {"kind": "positions", "how": "zero", "parts": []}},
    NOISE | {"ask": "change", "change": {"kind": "positions", "how": "x", "parts": ["encoder"]}},
    NOISE | {"ask": "change", "change": {"kind": "positions", "how": "zero", "parts": [{}]}},
    NOISE | {"ask": "cure", "rule": "multiply"},
    NOISE | {"ask": "rolls", "part": 16},
    NOISE | {"ask": "rolls", "part": 0.5},
    NOISE | {"ask": "rolls", "part": 0, "epsilon": "x", "last": True},
    NOISE | {"ask": "set", "set": "photographs", "part": 0},
    NOISE | {"ask": "set", "set": "noise", "part": 5, "epsilon": 1.0},
    NOISE | {"ask": "set", "set": "noise", "part": 5, "epsilon": float("nan")},
]


@pytest.mark.parametrize("wanted", HOSTILE)
def test_what_is_not_allowed_is_one_sentence(bench, examples, wanted):
    reply = bias_tab.answer(bench, examples, None, wanted)
    assert set(reply) == {"serial", "error"}
    assert re.fullmatch(r"[A-Zkε][^\n]*\.", reply["error"])
    assert "/" not in reply["error"]


def test_patches_that_overlap_cannot_be_moved():
    bench = Bench(Engine(random_model(overlap=0.5)))
    values = {"kind": "mirror"}
    assert (
        "overlap"
        in bias_tab.answer(bench, {}, None, NOISE | {"ask": "change", "change": values})["error"]
    )
    assert "maps" in bias_tab.answer(bench, {}, None, NOISE)


# --- results ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results():
    """A result of each kind, measured on a tiny model and a few pictures."""
    model, x = random_model(), pictures(3)
    row = cure.Cured("rate", cure.Way(), 4, *[Estimate(1.0, 0.5, 1.5)] * 4, columns=0.25)
    other = replace(row, way=cure.Way("dtf", "rolled", "subtract"), gain=Estimate(-0.25, -0.5, 0.1))
    names, layouts = ("demo", "<b>"), ("grid", "sequence")
    probed = probe.measure([model, random_model(layout="sequence")], pictures(6, seed=1), x)
    models = [
        probe.ModelProbes(name, layout, found.probes, origin)
        for name, layout, found, origin in zip(
            names, layouts, probed, (ORIGIN, OTHER), strict=False
        )
    ]
    pairs = probe.differences(names, layouts, probed)
    bars = decomposition.measure(model, x[:2], epsilon=EPSILON)
    return {
        "bias": placement.Bias(placement.measure(model, x, 3), ORIGIN),
        "counterfactuals": counterfactuals.Counterfactuals(
            EPSILON, counterfactuals.measure(model, x), ORIGIN
        ),
        "decompose": decomposition.PlaceShares(
            EPSILON, (decomposition.ModelBars("<b>", "grid", bars, ORIGIN),)
        ),
        "probe": probe.Probes(6, 3, tuple(models), probed[-1].probes, pairs),
        "cure": cure.Cure(3, "rFD-64", (row, other), ORIGIN),
    }


@pytest.mark.parametrize("part", lab_results.PARTS, ids=lambda part: part.name)
def test_a_result_is_shown_or_its_command(part, results, tmp_path):
    missing = lab_results.read(part, tmp_path)
    assert missing == f"There is no {part.name}.json in {tmp_path.name}. This command makes it:"
    save(results[part.name], tmp_path / f"{part.name}.json")
    found = lab_results.read(part, tmp_path)
    origins = (ORIGIN, OTHER) if part.name == "probe" else (ORIGIN,)
    assert found.origins == origins and found.table.count("|") > 10
    assert found.figure.count("aria-label") + found.figure.count("<li>") > 1
    assert "<b>" not in found.figure and "nan" not in found.figure


def share(value, p):
    return placement.Share("columns", Estimate(value), 0.125, p)


@pytest.mark.parametrize(
    ("value", "count", "p", "told"),
    [
        (0.139, 207.4, 0.0125, "surely more than chance at the edges, 13.9 % (chance 12.5 %, "
            "at most 15.5 % with N = 207 in each; p = 0.013)"),
        (0.111, 240.0, 0.0001, "surely fewer than chance at the edges, 11.1 % (chance 12.5 %, "
            "at least 6.7 % and at most 13.3 % with N = 240 in each; p < 0.001)"),
        (0.5, 60.0, 0.05, "no difference shown, 50.0 % (chance 12.5 %; p = 0.050)"),
        (0.5, 60.0, None, "one picture: no test, 50.0 % (chance 12.5 %)"),
    ],
)  # fmt: skip
def test_the_verdict_follows_the_test_and_what_can_be_reached(value, count, p, told):
    assert lab_results.edges_verdict(share(value, p), count, 256) == told


def test_what_is_reachable_is_reached():
    """By the fullest and the emptiest edges that N kept patches allow."""
    edge = placement.regions(16)["columns"]
    for N in (100, 207, 240, 255):
        most = min(N, int(edge.sum())) / N
        least = max(0, N - int((~edge).sum())) / N
        told = lab_results.edges_verdict(share(0.2, 0.5), N, 256)
        assert f"at most {100 * most:.1f} % with N = {N} in each" in told
        assert (f"at least {100 * least:.1f} %" in told) == (least > 0)


def test_a_verdict_says_how_many_pictures_count():
    shares = tuple(replace(share(0.7, 0.01), region=name) for name in placement.regions(4))
    maps = (0.0,) * 16, (*(0.0,) * 15, 16.0)
    one = placement.Placement("colours", "rate", 0.15, 8, 16, 5.0, *maps, shares)
    figure = lab_results.of_bias(placement.Bias((one,), ORIGIN)).figure
    assert "<li>colours, rate, 8 of 24 pictures: surely more than chance" in figure
    assert "kept most at row 4, column 4" in figure
    assert figure.count("<span>colours, rate, 8 of 24</span>") == 2
    alone = replace(one, n=1, left_out=23, shares=tuple(replace(s, p=None) for s in shares))
    figure = lab_results.of_bias(placement.Bias((alone,), ORIGIN)).figure
    assert "1 of 24 pictures: one picture: no test" in figure
    at_share = (replace(one, epsilon=None, pictures="black"),)
    shown = lab_results.of_bias(placement.Bias((one,), ORIGIN, at_share))
    assert "<li>black, rate, 8 of 24 pictures: surely" in shown.figure.split("mean share of")[1]
    assert "| black | rate | 8 |" in shown.table


def test_other_weights_are_marked(results, tmp_path):
    for name in ("bias", "probe"):
        save(results[name], tmp_path / f"{name}.json")
    parts = {part.name: part for part in lab_results.PARTS}
    found = lab_results.read(parts["bias"], tmp_path)
    assert lab_results.notes(found, "w") == [ORIGIN.line()]
    (told,) = lab_results.notes(found, "v")
    assert told == f"Measured on other weights (w) than those on this page. {ORIGIN.line()}"
    found = lab_results.read(parts["probe"], tmp_path)
    assert lab_results.notes(found, "w") == [
        f"demo: {ORIGIN.line()}",
        f"&lt;b&gt;, not the weights of this page: {OTHER.line()}",
    ]


def test_models_stand_in_one_chart_with_raw_patches(results):
    figure = lab_results.of_probe(results["probe"]).figure
    for target in probe.TARGETS:
        chart = figure.split(f"<h3>Accuracy of the {target} on 3 test images")[1].split("<h3>")[0]
        labels = re.findall("<span>([^<]+)</span><span class", chart)
        of_feature = ["demo (grid)", "&lt;b&gt; (sequence)", "raw patches"]
        expected = [f"{feature}, {name}" for feature in probe.FEATURES for name in of_feature]
        assert labels == expected
        pairs = figure.split(f"the tick is 0 ({target})")[1].split("<h3>")[0]
        for name in ("demo − raw patches", "&lt;b&gt; − raw patches", "&lt;b&gt; − demo"):
            assert pairs.count(f", {name}</span>") == len(probe.FEATURES)
    assert figure.count(": edge</span>") == figure.count(": centre</span>") == 24


def test_a_chart_stands_on_its_numbers():
    rows = [
        lab_results.Dot("a", Estimate(0.5, 0.0, 1.0), 0.25),
        lab_results.Dot("b", Estimate(0.75), 0.25),
    ]
    html = lab_results.dots("t", rows, 2)
    assert 'aria-label="a: 0.50 (0.00 to 1.00), chance 0.25"' in html
    assert "left:0.00%;width:100.00%" in html and "left:75.00%" in html
    assert html.count("interval") == 1


def test_a_map_has_the_pages_colours():
    html = lab_results.heat([0.0, 1.0, 2.0, 9.0], "m")
    data = re.search('base64,([^"]+)', html).group(1)
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        colours = [image.convert("RGB").getpixel(at) for at in ((0, 0), (1, 0), (1, 1))]
    assert colours[0] == (68, 1, 84) and colours[2] == (253, 231, 37)
    assert colours[1] == (72, 40, 120)  # a ninth: the second of ten anchors


def test_what_the_cure_cost_is_told_with_the_weights_it_was_measured_on(results, tmp_path):
    assert lab_results.costs(tmp_path, "w") is None
    row = results["cure"].rows[0]
    free = replace(row, way=cure.Way("dtf", "content-free", "divide"), fd_change=Estimate(2.0))
    save(replace(results["cure"], rows=(*results["cure"].rows, free)), tmp_path / "cure.json")
    told = lab_results.costs(tmp_path, "w")
    assert told == {
        "n": 3,
        "fd_label": "rFD-64",
        "own": True,
        "rows": [
            {
                "estimator": "rate",
                "rule": "divide",
                "count": 4,
                "gain": "1.00 (0.50 to 1.50)",
                "fd_change": "2.0",
            }
        ],
    }
    assert not lab_results.costs(tmp_path, "other")["own"]
