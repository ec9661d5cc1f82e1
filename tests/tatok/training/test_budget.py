"""What a run says that it needs, and the descriptor of a pretrained network."""

import dataclasses
import logging

import pytest
import torch
from conftest import TINY, pictures
from small_runs import picture_folder, trainer

from tatok import TaTok
from tatok.training import budget
from tatok.training.backbone import Backbone
from tatok.training.budget import Budget, Held
from tatok.training.losses import LossWeights, total_loss

pytestmark = pytest.mark.gradients
GB = 10**9


def test_what_is_held_is_counted():
    layer = torch.nn.Linear(10, 10)
    with Held(layer) as held:
        x = torch.zeros(1000, 10)  # 40,000 bytes
        y = layer(x)
        z = y.view(10, -1)  # nothing new
        assert held.now == 80_000
        del y, z
        assert (held.now, held.most) == (40_000, 80_000)


def test_the_budget_tells_a_larger_batch(tmp_path):
    one = trainer(picture_folder(tmp_path), tmp_path / "out", 160)
    before = {n: p.clone() for n, p in one.task.model.named_parameters()}
    made = budget.measure(one.task, half=False)
    again = budget.recomputing(one.task, half=False)
    parameters = sum(p.nbytes for p in one.task.model.parameters())
    assert made.optimizer == 3 * parameters <= 1.5 * made.weights
    at_16 = made.weights + made.optimizer + budget._most_held(one.task, 16, half=False)
    assert made.need(16) == pytest.approx(at_16, rel=0.15)
    assert again.activations < 0.5 * made.activations
    for name, parameter in one.task.model.named_parameters():  # nothing was changed
        assert torch.equal(parameter, before[name]) and parameter.grad is None
    assert not any(getattr(m, "recompute", False) for m in one.task.model.modules())


def test_the_sentence_and_the_way_out():
    made = Budget(GB, 2 * GB, GB // 4, GB)
    assert budget.sentence(made, 64, 16 * GB, on_gpu=True) == (
        "Weights 1.0 GB, gradients and optimizer 2.0 GB, activations 17.0 GB: needs 20.0 GB a GPU "
        "at batch 64; this one has 16.0"
    )
    small = dataclasses.replace(made, activations=GB // 10)
    assert budget.way_out(made, small, 64, 16 * GB) == ": try --batch 48 or --checkpoint"
    some = ": try --batch 48 or --checkpoint --batch 120"
    assert budget.way_out(made, small, 200, 16 * GB) == some
    assert budget.way_out(made, small, 64, GB) == ": it does not fit"


def test_a_run_says_what_it_needs(tmp_path, monkeypatch, caplog):
    one = trainer(picture_folder(tmp_path), tmp_path / "out", 160)
    with caplog.at_level(logging.INFO):
        budget.announce(one)
        assert "hours of one device" in caplog.text and "try" not in caplog.text
        monkeypatch.setattr(budget, "memory", lambda device: made.need(2))
        made = budget.measure(one.task, half=False)
        budget.announce(one)
    assert caplog.records[-1].levelname == "WARNING" and ": try --batch 2 or" in caplog.text


def test_the_descriptor_of_a_network_of_timm():
    backbone = Backbone("test_vit.r160_in1k", pretrained=False).train()
    x = pictures(3)
    G = backbone(x)
    assert G.shape == (3, backbone.width) and not backbone.training
    torch.testing.assert_close(G.var(dim=1, unbiased=False), torch.ones(3), atol=1e-2, rtol=0)
    assert torch.equal(G, backbone(x.requires_grad_())) and not G.requires_grad
    model = TaTok(dataclasses.replace(TINY, backbone_dim=backbone.width))
    encoding = model.encode(pictures(3))
    keep = torch.ones(3, 16, dtype=torch.bool)
    rest = (keep, torch.arange(16), LossWeights(), None)
    loss, _, terms = total_loss(model, encoding, *rest, backbone)
    loss.backward()
    assert model.describe.weight.grad.abs().sum() > 0 and terms["glob"].isfinite()
    with pytest.raises(RuntimeError):  # a thumbnail has other numbers
        total_loss(model, encoding, *rest)


@pytest.mark.parametrize("name", ["no_such_model", "hf-hub:someone/weights", "../weights"])
def test_a_name_that_timm_lacks_is_said(name):
    with pytest.raises(ValueError, match="timm has no model"):
        Backbone(name)


def test_weights_that_cannot_be_had_are_said(monkeypatch):
    def offline(*_):
        raise OSError

    monkeypatch.setattr("tatok.training.backbone.hf_hub_download", offline)
    with pytest.raises(ValueError, match="cannot be downloaded"):
        Backbone("test_vit.r160_in1k")
