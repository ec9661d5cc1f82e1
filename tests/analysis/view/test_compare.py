"""What the section Compare shows and what is saved is what the model gives."""

import base64
import dataclasses
import json

import pytest
import torch
from conftest import pictures, random_model

from analysis.view.sections.compare import (
    EPSILONS,
    POLICIES,
    by_epsilon,
    by_policy,
    compare_reply,
)
from analysis.view.sections.compare import features as feature_maps
from analysis.view.sections.export import tokens_reply
from analysis.view.shared.asking import answer
from analysis.view.shared.crop import accept
from analysis.view.shared.engine import Engine
from analysis.view.shared.settings import Settings
from tatok import tokenfile
from tatok.images import to_pil

SETTINGS = Settings(0.4, 4, "gaussian", "uniform", None, (0,), (5,))


@pytest.fixture
def path(tmp_path):
    to_pil(pictures(1, size=48)).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


@pytest.fixture
def engine():
    return Engine(random_model())


@pytest.fixture
def square(engine, path):
    return engine.square(path, None)


def test_every_policy_keeps_the_n_of_eq_6(engine, square):
    rows = by_policy(engine, square, SETTINGS)
    assert [row.settings.policy for row in rows] == list(POLICIES)
    encoding = engine.model.encode(square.x, 4)
    for row in rows:
        selection = engine.model.select(encoding, 0.4, "gaussian", row.settings.policy)
        tokens = engine.model.quantize(encoding, selection)
        assert row.result.selection.keep.tolist() == selection.keep.tolist()
        assert torch.equal(row.result.image, engine.model.decode(tokens))
        assert row.result.statistics.bits == int(tokens.bits()[0])
    assert len({row.result.statistics.kept for row in rows}) == 1
    assert len({tuple(row.result.selection.keep[0].tolist()) for row in rows}) == len(POLICIES)


def test_every_epsilon_has_its_own_n(engine, square):
    rows = by_epsilon(engine, square, dataclasses.replace(SETTINGS, policy="dtf"))
    assert [row.settings.epsilon for row in rows] == list(EPSILONS)
    for row in rows:
        H = row.result.selection.entropy[0]
        kept, N = row.result.selection.keep[0], row.result.statistics.kept
        tau = (1 - row.settings.epsilon) * float(H.sum())
        assert float(H[kept].sum()) >= tau - 1e-9 > float(H.topk(N - 1).values.sum()) - 2e-9
    uniform = by_epsilon(engine, square, SETTINGS)
    assert {row.settings.policy for row in uniform} == {"uniform"}


@pytest.mark.parametrize("k", [4, 0])
def test_feature_maps_are_those_of_the_encoder(engine, square, k):
    maps = {
        m.name: m.values for m in feature_maps(engine, square, dataclasses.replace(SETTINGS, k=k))
    }
    encoding = engine.model.encode(square.x, k)
    p, G = encoding.patches[0].double(), encoding.globals[0].double()
    assert maps["norm"].tolist() == pytest.approx(p.square().sum(dim=1).sqrt().tolist(), rel=1e-5)
    rest = p
    if k:  # what least squares in G leaves
        rest = p - (G.T @ torch.linalg.lstsq(G.T, p.T).solution).T
    assert maps["orthogonal"].tolist() == pytest.approx(rest.norm(dim=1).tolist(), rel=1e-3)
    variance = (p - p.mean(dim=1, keepdim=True)).square().mean(dim=1)
    assert maps["variance"].tolist() == pytest.approx(variance.tolist(), rel=1e-4)


@pytest.mark.parametrize("view", [None, 3, "pin", "__class__", ["policies"], {"policies": 1}])
def test_another_comparison_is_refused_in_one_sentence(engine, path, view):
    accepted, _ = accept(engine, path)
    known = {"picture": accepted.id, "serial": 5}
    question = json.loads(json.dumps(dataclasses.asdict(SETTINGS) | known))

    def serve(square, settings, wanted):
        return compare_reply(engine, square, settings, wanted.get("compare"))

    found = answer(engine, accepted, question | {"compare": view}, serve)
    assert found["serial"] == 5 and found["error"].startswith("The comparison must be one of ")
    assert answer(engine, accepted, question | {"compare": "policies"}, serve)["rows"]


def test_the_reply_is_json_with_one_row_per_policy(engine, square):
    rows = json.loads(json.dumps(compare_reply(engine, square, SETTINGS, "policies")))["rows"]
    for row, found in zip(rows, by_policy(engine, square, SETTINGS), strict=True):
        assert row["policy"] == found.settings.policy
        assert row["keep"].count("1") == row["kept"] == found.result.statistics.kept
        assert row["bits"] == found.result.statistics.bits
        assert base64.b64decode(row["image"]) == to_pil(found.result.image).tobytes()


@pytest.mark.parametrize("estimator, policy", [("rate", "dtf"), ("prior", "dtf"), ("rate", "last")])
@pytest.mark.parametrize("forced", [((), ()), ((0, 3), (7,)), ((), tuple(range(16)))])
def test_the_saved_tokens_are_those_shown(model, path, estimator, policy, forced):
    engine = Engine(model)
    square = engine.square(path, None)
    settings = Settings(0.4, 4, estimator, policy, None, *forced)
    data = base64.b64decode(tokens_reply(engine, square, settings)["tatok"])
    tokens = tokenfile.unpack(data, model)
    shown = engine.tokenize(square, settings)
    assert tokens.global_codes.tolist() == shown.tokens.global_codes.tolist()
    assert int(tokens.bits()[0]) == shown.statistics.bits
    assert torch.allclose(model.decode(tokens), shown.image, atol=1e-5)
    if model.config.layout == "grid":
        assert tokens.patch_codes.tolist() == shown.tokens.patch_codes.tolist()
