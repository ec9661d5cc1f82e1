"""The blocks that encoder, decoder and predictor share, and the patch embedding's geometry."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from timm.layers import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from tatok.config import TokenizerConfig


def blocks(dim: int, depth: int, heads: int, mlp_ratio: float) -> nn.ModuleList:
    """Pre-norm ViT blocks; a fresh stack is nearly the identity.

    Queries begin equal to keys, so that attention begins on tokens alike in content and place, and
    each token takes a little of what it looks at: at exactly zero the global tokens would be a
    saddle, since encoder and decoder both have to use them before either gains.
    """
    stack = nn.ModuleList(
        Block(dim, heads, mlp_ratio=mlp_ratio, qkv_bias=True) for _ in range(depth)
    )
    for block in stack:
        for linear in (block.attn.qkv, block.mlp.fc1):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        nn.init.orthogonal_(block.attn.proj.weight)
        with torch.no_grad():
            query, key, value = block.attn.qkv.weight.chunk(3)
            key.copy_(query)
            value.copy_(block.attn.proj.weight.T)
            block.attn.proj.weight *= 0.2
        nn.init.zeros_(block.attn.proj.bias)
        nn.init.zeros_(block.mlp.fc2.weight)
        nn.init.zeros_(block.mlp.fc2.bias)
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


class PlaceQueries(nn.Module):
    """Asks a set of tokens about every place: M learned queries, one cross-attention, an MLP."""

    HEADS = 4

    def __init__(self, dim: int, width: int, grid: int) -> None:
        super().__init__()
        self.places = nn.Parameter(sinusoid_2d(grid, width))  # (M, W)
        self.enter = nn.Linear(dim, width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.merge = nn.Linear(width, width)
        self.norm_g, self.norm_q = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), Mlp(width, 4 * width))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> features of the M places, (B, M, W)."""
        split = lambda t: rearrange(t, "b n (h w) -> b h n w", h=self.HEADS)  # noqa: E731
        seen = self.norm_g(self.enter(tokens))  # (B, T, W)
        h = self.places.expand(len(tokens), -1, -1)  # (B, M, W)
        key, value = self.key_value(seen).chunk(2, dim=-1)
        answer = F.scaled_dot_product_attention(
            split(self.query(self.norm_q(h))), split(key), split(value)
        )
        h = h + self.merge(rearrange(answer, "b h m w -> b m (h w)"))
        return self.norm(h + self.mlp(h))
