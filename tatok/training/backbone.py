"""The holistic descriptor G(x) of L_glob by a pretrained network that timm has by name."""

from __future__ import annotations

from typing import Any

import timm
import torch
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
from torch import Tensor, nn


class Backbone(nn.Module):
    """A frozen network; its pooled features are G(x).

    They go through a LayerNorm without parameters, so that the floor of L_glob's variance, which is
    made for pixels in [-1, 1], suits them. ValueError for a name that timm lacks, or if there are
    no weights to be had. `pretrained` False leaves them random (tests).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, pretrained: bool = True) -> None:
        super().__init__()
        if not timm.is_model(name):  # also keeps out hub ids and folders
            raise ValueError(f"timm has no model {name!r}.")
        overlay = {"file": _weights(name)} if pretrained else None
        try:
            self.net: Any = timm.create_model(
                name, pretrained=pretrained, pretrained_cfg_overlay=overlay, num_classes=0
            )
        except RuntimeError as error:
            raise ValueError(f"The weights of {name} do not fit it.") from error
        about: Any = self.net.pretrained_cfg
        self.side: int = about["input_size"][-1]  # pixels, of its training
        self.register_buffer("mean", torch.tensor(about["mean"])[:, None, None])
        self.register_buffer("std", torch.tensor(about["std"])[:, None, None])
        self.requires_grad_(False)
        self.eval()

    @property
    def width(self) -> int:
        """Numbers in G(x)."""
        return getattr(self.net, "head_hidden_size", self.net.num_features)

    def train(self, mode: bool = True) -> Backbone:
        """Stays in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, S, S) in [-1, 1] -> G(x), (B, width)."""
        size = (self.side, self.side)
        x = F.interpolate(x, size, mode="bicubic", antialias=True).clamp(-1, 1)
        features = self.net(((x + 1) / 2 - self.mean) / self.std)
        return F.layer_norm(features.float(), features.shape[1:])


def _weights(name: str) -> str:
    """The safetensors file that timm's configuration names, from the Hub or its cache."""
    about = timm.get_pretrained_cfg(name)
    if about is None or not about.hf_hub_id:
        raise ValueError(f"timm has no weights for {name!r} on the Hugging Face Hub.")
    try:
        return hf_hub_download(about.hf_hub_id, "model.safetensors")
    except Exception as error:  # the hub client has no common base for 'not found' and 'offline'
        raise ValueError(f"The weights of {name} cannot be downloaded.") from error
