"""Feature extractors for the Fréchet and kernel distances, behind one small interface."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatok.lite import LiteOutput, load_lite

IMAGENETTE = {  # folder, a WordNet id → place among the 1000 logits of Lite0
    "n01440764": 0,  # tench
    "n02102040": 217,  # English springer
    "n02979186": 482,  # cassette player
    "n03000684": 491,  # chain saw
    "n03028079": 497,  # church
    "n03394916": 566,  # French horn
    "n03417042": 569,  # garbage truck
    "n03425413": 571,  # gas pump
    "n03445777": 574,  # golf ball
    "n03888257": 701,  # parachute
}


class ExtractorUnavailable(RuntimeError):
    """An extractor cannot be used on this machine; the message is one sentence for the user."""


class FeatureExtractor(Protocol):
    """Images to features. `name` goes into the label of whatever is computed from them."""

    name: str

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] → (B, d), float32, on the device of x."""
        ...


class Lite0(nn.Module):
    """EfficientNet-Lite0 at 224 px (d = 1280); always available, its weights come with pip."""

    name = "EfficientNet-Lite0"
    size = 224  # pixels, the resolution of its training
    variant = 0

    def __init__(self) -> None:
        super().__init__()
        try:
            self.net = load_lite(self.variant)
        except ValueError as error:  # the package with the weights is missing
            raise ExtractorUnavailable(str(error)) from error

    @torch.no_grad()
    def forward(self, x: Tensor) -> LiteOutput:
        """Maps, pooled features (B, 1280) and logits (B, 1000) of x (B, 3, H, W) in [-1, 1]."""
        return self.net(_resize(x.to(next(self.parameters()).device), self.size))

    def features(self, x: Tensor) -> Tensor:
        """Pooled features (B, 1280) of x (B, 3, H, W) in [-1, 1]."""
        return self(x).features


class Lite1(Lite0):
    """EfficientNet-Lite1 at 240 px (d = 1280): a second opinion of a verdict by Lite0."""

    name = "EfficientNet-Lite1"
    size = 240
    variant = 1


class Inception(nn.Module):
    """The InceptionV3 of the FID (d = 2048): what the published rFID and gFID are computed with.

    As in the paper and in Hita, images and reconstructions are compared at 256 px whatever S is:
    both are resized (bicubic, antialiased), clipped and rounded to 8 bits; the network then resizes
    to 299 px as TensorFlow 1 did. An original is the S × S picture that the tokenizer saw, so for
    S < 256 the detail that it never saw does not count. Not told by the paper, hence ours: the
    resizing filter and the rounding.

    Needs the package torch-fidelity, and on first use downloads its weights (95 MB) into the
    torch.hub cache. Raises ExtractorUnavailable if either cannot be had.
    """

    name = "Inception-v3"
    size = 256  # pixels, where the paper compares; torch-fidelity then resizes to its own 299

    def __init__(self) -> None:
        super().__init__()
        try:
            from torch_fidelity import feature_extractor_inceptionv3 as fidelity
        except ImportError as error:
            raise ExtractorUnavailable(
                "rFID needs the Python package torch-fidelity, which is not installed."
            ) from error
        try:
            weights = torch.hub.load_state_dict_from_url(
                fidelity.URL_INCEPTION_V3,
                map_location="cpu",
                progress=False,
                check_hash=True,
                weights_only=True,
            )
        except Exception as error:  # no network, no disk, a wrong hash, a damaged cache file ...
            raise ExtractorUnavailable(
                "rFID needs the FID Inception weights, which could not be downloaded or read."
            ) from error
        # torch-fidelity unpickles the file that it is given. It gets a copy of the tensors that
        # weights_only has let through, so nothing from outside is ever unpickled.
        checked = io.BytesIO()
        torch.save(weights, checked)
        checked.seek(0)
        self.net = fidelity.FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=checked
        )

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Pooled features (B, 2048) of x (B, 3, H, W) in [-1, 1], as 8-bit images."""
        pixels = ((_resize(x, self.size) + 1) * 127.5).round().to(torch.uint8)
        (features,) = self.net(pixels)
        return features


EXTRACTORS: dict[str, type] = {"lite0": Lite0, "lite1": Lite1, "inception": Inception}


def extractor_or_lite0(name: str, say: Callable[[str], object]) -> FeatureExtractor:
    """The extractor of that name; where it cannot be had, Lite0, and one sentence to `say`."""
    try:
        return EXTRACTORS[name]()
    except ExtractorUnavailable as error:
        say(f"{str(error).rstrip('.')}; {Lite0.name} is used instead.")
        return Lite0()


def _resize(x: Tensor, size: int) -> Tensor:
    """Bicubic, antialiased (Pillow's filter, not the aliasing default of torch), in [-1, 1]."""
    if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point():
        raise ValueError(
            f"Images must be floats of shape (B, 3, H, W), not {x.dtype} {tuple(x.shape)}."
        )
    x = F.interpolate(x.float(), (size, size), mode="bicubic", antialias=True)
    return x.clamp(-1, 1)  # bicubic overshoots at edges, and a decoder's output may too
