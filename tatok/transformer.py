"""The blocks that encoder, decoder and predictor share, and the patch embedding's geometry."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from tatok.config import TokenizerConfig


def blocks(dim: int, depth: int, heads: int, mlp_ratio: float) -> nn.ModuleList:
    """Pre-norm ViT blocks; a fresh stack is the identity.

    The residual branches start at zero, and queries equal to keys: attention begins on the tokens
    that are alike, in content and in place.
    """
    stack = nn.ModuleList(
        Block(dim, heads, mlp_ratio=mlp_ratio, qkv_bias=True) for _ in range(depth)
    )
    for block in stack:
        for linear in (block.attn.qkv, block.mlp.fc1):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        with torch.no_grad():
            block.attn.qkv.weight[dim : 2 * dim] = block.attn.qkv.weight[:dim]
        for linear in (block.attn.proj, block.mlp.fc2):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
    return stack


def sinusoid(places: int, dim: int) -> Tensor:
    """Sine-cosine embedding of 0..places-1 with frequencies from 1 to 1/places, (places, dim)."""
    omega = places ** -torch.linspace(0, 1, dim // 2)
    angle = torch.arange(places)[:, None] * omega  # (places, dim / 2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def sinusoid_2d(grid: int, dim: int) -> Tensor:
    """Half of the channels for the row, half for the column, raster order, (grid * grid, dim)."""
    line = sinusoid(grid, dim // 2)
    rows = line[:, None].expand(grid, grid, dim // 2)
    columns = line[None].expand(grid, grid, dim // 2)
    return torch.cat([rows, columns], dim=2).reshape(grid * grid, dim)


def spread_places(count: int, grid: int) -> Tensor:
    """`count` places of a grid x grid raster of which every prefix covers the image evenly.

    The R2 sequence (Roberts, 2018), a two-dimensional golden ratio: (count,) indices.
    """
    golden = 1.32471795724474602596  # the root of x^3 = x + 1
    n = torch.arange(1, count + 1, dtype=torch.float64)
    row, column = (0.5 + n / golden) % 1, (0.5 + n / golden**2) % 1
    return (row * grid).long() * grid + (column * grid).long()


def patchify(x: Tensor, config: TokenizerConfig) -> Tensor:
    """Images (B, 3, S, S) -> patches (B, M, 3 s s) in raster order, overlapping by o."""
    s, stride = config.patch_size, config.stride
    pad = (config.grid - 1) * stride + s - config.image_size
    if pad:
        x = F.pad(x, (0, pad, 0, pad), mode="replicate")
    return F.unfold(x, s, stride=stride).transpose(1, 2)  # (B, M, 3 s s)


def unpatchify(patches: Tensor, config: TokenizerConfig) -> Tensor:
    """Patches (B, M, 3 s s) -> images (B, 3, S, S); where patches overlap, their mean."""
    s, stride, S = config.patch_size, config.stride, config.image_size
    side = (config.grid - 1) * stride + s
    fold = lambda p: F.fold(p.transpose(1, 2), side, s, stride=stride)  # noqa: E731
    image = fold(patches)
    if config.overlap:
        image = image / fold(torch.ones_like(patches[:1]))
    return image[:, :, :S, :S]
