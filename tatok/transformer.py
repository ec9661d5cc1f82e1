"""The blocks that encoder, decoder and predictor share, and the patch embedding's geometry."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from timm.layers import Attention, Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tatok.config import TokenizerConfig

SCORES = 2**20  # that are made at once: in bfloat16 they fill the cache of a core


def _attend(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
    """Some heads of some pictures, (n, L, d) each and back; seen (n, L or 1, L) bool."""
    scores = q @ k.mT  # (n, L, L)
    if seen is not None:
        scores = scores.masked_fill(~seen, -math.inf)
    return scores.softmax(dim=2) @ v


class SelfAttention(Attention):
    """timm's attention; in bfloat16 on a CPU it goes through pictures and heads a few at a time.

    Their scores then stay in the CPU's cache, where those of all do not, and the fused kernel
    gains nothing from bfloat16.
    """

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:
        """(B, L, D) -> (B, L, D); attn_mask bool, (B, 1, L or 1, L): what is seen."""
        if is_causal or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x, attn_mask, is_causal)
        return self.by_heads(x, attn_mask)

    def by_heads(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """What `forward` gives, in the other way."""
        split = "b l (three h d) -> three (b h) l d"
        q, k, v = rearrange(self.qkv(x), split, three=3, h=self.num_heads)
        n = max(1, SCORES // x.shape[1] ** 2)
        parts: list[Any] = [some.split(n) for some in (q * self.scale, k, v)]
        seen: Any = [None] * len(parts[0])
        if attn_mask is not None:
            seen = attn_mask.expand(len(x), self.num_heads, -1, -1).flatten(0, 1).split(n)
        with torch.autocast(x.device.type, enabled=False):  # it would take the scores to float32
            h = torch.cat([_attend(*some) for some in zip(*parts, seen, strict=True)])
        return self.proj(rearrange(h, "(b h) l d -> b l (h d)", h=self.num_heads))


class Blocks(nn.ModuleList):
    """ViT blocks, one after the other.

    recompute: in training only what enters a block is held, and the rest is made again in the
    backward pass (a third more work, and a small part of the memory).
    """

    recompute = False

    def forward(self, h: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D); attn_mask as in `SelfAttention`."""
        for block in self:
            if self.recompute and torch.is_grad_enabled():
                h = cast(Tensor, checkpoint(block, h, attn_mask, use_reentrant=False))
            else:
                h = block(h, attn_mask)
        return h


def blocks(dim: int, depth: int, heads: int, mlp_ratio: float) -> Blocks:
    """Pre-norm ViT blocks; a fresh stack is nearly the identity.

    Queries begin equal to keys, so that attention begins on tokens alike in content and place, and
    each token takes a little of what it looks at: at exactly zero the global tokens would be a
    saddle, since encoder and decoder both have to use them before either gains.
    """
    stack = Blocks(
        Block(dim, heads, mlp_ratio=mlp_ratio, qkv_bias=True, attn_layer=SelfAttention)
        for _ in range(depth)
    )
    each: list[Any] = list(stack)
    for block in each:
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


def places_at(table: Tensor, grid: int) -> Tensor:
    """A table of places (M0, D) on another grid, (grid * grid, D).

    A place is its share of the side: the table is drawn larger or smaller like a picture.
    """
    own = math.isqrt(len(table))
    if grid == own:
        return table
    raster = rearrange(table, "(h w) d -> 1 d h w", h=own)
    raster = F.interpolate(raster, (grid, grid), mode="bicubic", antialias=grid < own)
    return rearrange(raster, "1 d h w -> (h w) d")


def patchify(x: Tensor, config: TokenizerConfig) -> Tensor:
    """Images (B, C, S, S) -> patches (B, M, C s s) in raster order, overlapping by o."""
    s, stride, S = config.patch_size, config.stride, x.shape[-1]
    pad = (config.grid_of(S) - 1) * stride + s - S
    if pad:
        x = F.pad(x, (0, pad, 0, pad), mode="replicate")
    return F.unfold(x, s, stride=stride).transpose(1, 2)  # (B, M, 3 s s)


def unpatchify(patches: Tensor, config: TokenizerConfig) -> Tensor:
    """Patches (B, M, 3 s s) -> images (B, 3, S, S); where patches overlap, their mean."""
    s, stride, grid = config.patch_size, config.stride, config.grid_of_patches(patches.shape[1])
    S, side = config.side_of(grid), (grid - 1) * stride + s
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

    def forward(self, tokens: Tensor, grid: int | None = None) -> Tensor:
        """(B, T, D) -> features of the M = grid * grid places (default: as learned), (B, M, W)."""
        split = lambda t: rearrange(t, "b n (h w) -> b h n w", h=self.HEADS)  # noqa: E731
        seen = self.norm_g(self.enter(tokens))  # (B, T, W)
        places = self.places if grid is None else places_at(self.places, grid)
        h = places.expand(len(tokens), -1, -1)  # (B, M, W)
        key, value = self.key_value(seen).chunk(2, dim=-1)
        answer = F.scaled_dot_product_attention(
            split(self.query(self.norm_q(h))), split(key), split(value)
        )
        h = h + self.merge(rearrange(answer, "b h m w -> b m (h w)"))
        return self.norm(h + self.mlp(h))
