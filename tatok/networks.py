"""Encoder, decoder (ViT blocks between pixels and tokens, Fig. 2, Eq. 7-9) and predictor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tatok.config import TokenizerConfig
from tatok.transformer import (
    PlaceQueries,
    blocks,
    patchify,
    places_at,
    sinusoid,
    sinusoid_2d,
    spread_places,
    unpatchify,
)


class Encoder(nn.Module):
    """Patches and k learnable queries through ViT blocks; no LayerNorm at the end."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.patch_dim, config.dim)
        places = 0.5 * sinusoid_2d(config.grid, config.dim)
        self.position = nn.Parameter(places)  # (M, D) where S is image_size; see places_at
        # A query begins as a place, so that it looks at the patches around it.
        self.queries = nn.Parameter(places[spread_places(config.k_max, config.grid)])  # (k_max, D)
        self.blocks = blocks(config.dim, config.depth, config.heads, config.mlp_ratio)
        nn.init.orthogonal_(self.embed.weight)
        nn.init.zeros_(self.embed.bias)

    def forward(self, x: Tensor, k: int, visible: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> patches (B, M, D), globals (B, k, D); queries beyond k take no part.

        visible (M,) bool, the same for all rows: the other patches are taken out of the sequence,
        as if there were none, and come back as zeros.
        """
        position = places_at(self.position, self.config.grid_of(x.shape[-1]))  # (M, D)
        p = self.embed(patchify(x, self.config)) + position  # (B, M, D)
        if visible is not None:
            p = p[:, visible]
        h = torch.cat([self.queries[:k].expand(len(x), -1, -1), p], dim=1)  # (B, k + M, D)
        h = self.blocks(h)
        patches = h[:, k:]
        if self.config.layout == "grid":
            # The place was there for attention; a code should not have to carry it. In `sequence` a
            # packed token has lost its place: its code must carry it, as the paper has it.
            patches = patches - (position if visible is None else position[visible])
        if visible is not None:
            seen, patches = patches, patches.new_zeros(len(x), len(visible), patches.shape[2])
            patches[:, visible] = seen
        return patches, h[:, :k] - self.queries[:k]


class Decoder(nn.Module):
    """k_max global places and M patch places through ViT blocks to pixels (Eq. 8-9)."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        M, D, k_max = config.num_patches, config.dim, config.k_max
        places = sinusoid_2d(config.grid, D) if config.layout == "grid" else sinusoid(M, D)
        self.position = nn.Parameter(0.5 * places)  # by place on the grid, or in the sequence
        self.global_position = nn.Parameter(0.5 * places[spread_places(k_max, config.grid)])
        self.mask = nn.Parameter(0.02 * torch.randn(D))  # the ONE mask token, of both kinds
        self.blocks = blocks(D, config.decoder_blocks, config.heads, config.mlp_ratio)
        self.head = nn.Linear(D, config.patch_dim)
        nn.init.orthogonal_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def global_places(self, globals_: Tensor) -> Tensor:
        """(B, k, D) -> (B, k_max, D): an inactive place holds the mask token."""
        rest = self.mask.to(globals_.device).expand(
            len(globals_), self.config.k_max - globals_.shape[1], -1
        )
        return torch.cat([globals_, rest], dim=1)

    def patch_places(self, patches: Tensor, keep: Tensor) -> Tensor:
        """Lay the kept of (B, M, D) out over the M places, `keep` (B, M); the rest are mask tokens.

        `grid`: a kept token stands at its own place. `sequence` (Eq. 8): the kept are packed to the
        front in raster order.
        """
        if self.config.layout == "sequence":
            order = (~keep).sort(dim=1, stable=True).indices  # kept first, raster order
            patches = patches.gather(1, order[:, :, None].expand_as(patches))
            keep = keep.gather(1, order)
        return torch.where(keep[:, :, None], patches, self.mask)

    def forward(self, globals_: Tensor, patches: Tensor, keep: Tensor) -> Tensor:
        """Decoder tokens (B, k, D), (B, M, D), keep (B, M) -> images (B, 3, S, S), unclipped."""
        g = self.global_places(globals_) + self.global_position  # (B, k_max, D)
        position = places_at(self.position, self.config.grid_of_patches(keep.shape[1]))
        p = self.patch_places(patches, keep) + position  # (B, M, D)
        h = torch.cat([g, p], dim=1)  # (B, k_max + M, D), S of Eq. 8
        h = self.blocks(h)
        pixels = self.head(h[:, self.config.k_max :] - position)
        return unpatchify(pixels, self.config)  # Eq. 9


class Predictor(PlaceQueries):
    """Predicts every patch's latent and code from G and the patch's place, before a patch is seen.

    Two heads on the features (B, M, W) of the places: a diagonal Gaussian over the latent (d_p)
    and a categorical distribution over the K codes. The tokens asked are the k_max global places
    of the decoder, (B, k_max, D), of which an inactive one holds the mask token.
    """

    MIN_LOG_VARIANCE = -12.0

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__(config.dim, config.predictor_dim, config.grid)
        self.to_gaussian = nn.Linear(config.predictor_dim, 2 * config.patch_code_dim)
        self.to_code = nn.Linear(config.predictor_dim, config.codebook_size)

    def gaussian(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (..., W) -> mean and log-variance of the latent, (..., d_p) each."""
        mean, log_variance = self.to_gaussian(features).chunk(2, dim=-1)
        return mean, log_variance.clamp(min=self.MIN_LOG_VARIANCE)

    def log_p(self, features: Tensor) -> Tensor:
        """Features (..., W) -> natural log-probabilities of the K codes, (..., K)."""
        return self.to_code(features).log_softmax(dim=-1)
