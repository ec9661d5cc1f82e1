"""MaskGIT-ViT over the k + N tokens of TaTok: [class], global codes, codes of the kept patches.

The sequence holds the kept patches only, so a step costs as k + N and not as M. Which places are
kept follows from the global codes: exactly where the tokenizer ranks by `prior`, else by a head
that predicts each place's share of the entropy, to which DTF is applied as to a measured map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral

import torch
from torch import Tensor, nn

from tatok import filtering
from tatok.canvas import MASKED, Canvas, Logits, unpack
from tatok.config import GeneratorConfig
from tatok.entropy import ESTIMATORS
from tatok.precision import exact
from tatok.pretrained import Pretrained
from tatok.tokenizer import TaTok
from tatok.tokens import Tokens
from tatok.transformer import PlaceQueries, blocks, patchify, sinusoid, sinusoid_2d


class MaskGIT(Pretrained):
    """The generator's network; `sampling.sample` draws tokens with it, `fill` completes some."""

    stem = "generator"
    largest_file = 24_000_000
    config_type = GeneratorConfig
    config: GeneratorConfig

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        D, K, grid = config.dim, config.codebook_size, config.grid
        self.label = nn.Embedding(len(config.classes) + 1, D)  # the last row: no class
        self.global_code = nn.Embedding(K + 1, D)  # the last row: masked
        self.patch_code = nn.Embedding(K + 1, D)
        self.global_position = nn.Parameter(0.02 * torch.randn(config.k, D))
        places = sinusoid_2d(grid, D) if config.layout == "grid" else sinusoid(grid**2, D)
        self.place = nn.Parameter(0.5 * places)  # (M, D)
        self.blocks = blocks(D, config.depth, config.heads, config.mlp_ratio)
        self.norm = nn.LayerNorm(D)
        # Logits are inner products with the codes' own embeddings, plus a bias.
        self.global_bias = nn.Parameter(torch.zeros(K))
        self.patch_bias = nn.Parameter(torch.zeros(K))
        self.see = nn.Linear(config.picture_dim, D) if config.picture_dim else None
        self.place_queries = PlaceQueries(D, config.place_dim, grid)
        self.to_share = nn.Linear(config.place_dim, 1)  # where: a place's share of H_total
        self.to_profile = nn.Linear(config.place_dim, config.num_patches)  # how much: by rank
        for embedding in (self.label, self.global_code, self.patch_code):
            nn.init.normal_(embedding.weight, std=0.02)

    @torch.no_grad()
    def start_from_codes(self, tokenizer: TaTok) -> None:
        """Begin with embeddings e_c that lie as the tokenizer's codes do.

        What is learned of a code then holds for its neighbours: with the bias -|e_c|^2 / 2 the
        logit h e_c + b_c is that of a Gaussian about what h says, up to a constant.
        """
        for book, embedding, bias in (
            (tokenizer.global_codebook, self.global_code, self.global_bias),
            (tokenizer.patch_codebook, self.patch_code, self.patch_bias),
        ):
            z = (book.codes - book.codes.mean(dim=0)) / book.codes.std()  # (K, d)
            e = z @ nn.init.orthogonal_(z.new_empty(z.shape[1], self.config.dim))  # (K, D)
            embedding.weight[:-1] = e
            bias.copy_(-0.5 * e.square().sum(dim=1))
        self.norm.weight.fill_(0.2)  # so that at first the bias alone speaks

    @property
    def ranks_by_globals(self) -> bool:
        """Whether the tokenizer's estimator is a function of G (`prior`)."""
        return ESTIMATORS[self.config.estimator].from_globals

    # -- the network -------------------------------------------------------------------------

    def forward(self, canvas: Canvas) -> Tensor:
        """Canvas -> hidden states (B, 1 + k + L, D); padding is seen by no other token."""
        return self.attend(self.embed(canvas), canvas.real)

    def embed(self, canvas: Canvas) -> Tensor:
        """Canvas -> what enters the blocks, (B, 1 + k + L, D)."""
        K = self.config.codebook_size
        named = lambda codes: torch.where(codes == MASKED, K, codes)  # noqa: E731
        known = self.context(canvas.labels, canvas.global_codes)  # (B, 1 + k, D)
        patches = self.patch_code(named(canvas.patch_codes)) + self.positions(canvas)
        if self.see is not None and canvas.picture is not None:
            patches = patches + self.see(canvas.picture)
        return torch.cat([known, patches], dim=1)

    def attend(self, h: Tensor, real: Tensor) -> Tensor:
        """The blocks on embedded rows (B, 1 + k + L, D), real (B, L) -> hidden states."""
        visible = None
        if not real.all():
            known = h.shape[1] - real.shape[1]
            visible = torch.cat([real.new_ones(len(h), known), real], dim=1)
            visible = visible[:, None, None]  # (B, heads, query, key)
        return self.norm(self.blocks(h, visible))

    @torch.no_grad()
    def look(self, tokenizer: TaTok | None, canvas: Canvas) -> Canvas:
        """The canvas with what the picture decoded from the known tokens shows at its places.

        A departure from MaskGIT, for weights with a config.picture_dim; else the canvas as it is.
        ValueError where these weights look and there is no tokenizer.
        """
        c, rows = self.config, canvas.real.any(dim=1)
        if self.see is None or not rows.any():
            return canvas
        if tokenizer is None:
            raise ValueError("To draw with these weights the tokenizer is needed too.")
        places = canvas.places[rows]
        keep = unpack(places, torch.ones_like(places), c.num_patches, 0) > 0
        codes = unpack(places, canvas.patch_codes[rows], c.num_patches)
        known = Tokens(canvas.global_codes[rows], codes, c.layout, c.codebook_size)
        pixels = patchify(tokenizer.decode(known, keep), tokenizer.config)  # (n, M, 3 s s)
        index = places.clamp(min=0)[:, :, None].expand(-1, -1, pixels.shape[2])
        picture = pixels.new_zeros(*canvas.places.shape, pixels.shape[2])
        picture[rows] = pixels.gather(1, index)
        return replace(canvas, picture=picture)

    def positions(self, canvas: Canvas) -> Tensor:
        """(B, L, D), or (L, D) in layout `sequence`, where a token has lost its place."""
        if self.config.layout == "sequence":
            return self.place[: canvas.places.shape[1]]
        return self.place[canvas.places.clamp(min=0)]

    def context(self, labels: Tensor, global_codes: Tensor) -> Tensor:
        """Embeddings of the class and the global codes, (B, 1 + k, D)."""
        masked = torch.where(global_codes == MASKED, self.config.codebook_size, global_codes)
        globals_ = self.global_code(masked) + self.global_position
        return torch.cat([self.label(labels)[:, None], globals_], dim=1)

    def logits(self, canvas: Canvas) -> Logits:
        """Logits of the masked tokens: the K-wide product is never made for a known one."""
        h, k, masked = self(canvas)[:, 1:], self.config.k, canvas.masked
        return self.predict(h[:, :k][masked[:, :k]], h[:, k:][masked[:, k:]])

    def predict(self, g: Tensor, p: Tensor) -> Logits:
        """Logits of global tokens and of patches from their hidden states, (n_g, D), (n_p, D)."""
        return Logits(
            g @ self.global_code.weight[:-1].T + self.global_bias,
            p @ self.patch_code.weight[:-1].T + self.patch_bias,
        )

    def place_logits(self, labels: Tensor, global_codes: Tensor) -> tuple[Tensor, Tensor]:
        """Log-shares of H_total by place and by rank, (B, M) each, from what is known of G."""
        features = self.place_queries(self.context(labels, global_codes))  # (B, M, W)
        share = self.to_share(features)[:, :, 0].log_softmax(dim=1)
        profile = self.to_profile(features.mean(dim=1)).log_softmax(dim=1)
        return share, profile

    # -- length and places -------------------------------------------------------------------

    @torch.no_grad()
    def choose_places(
        self,
        labels: Tensor,
        global_codes: Tensor,
        epsilon: float,
        count: Tensor | None = None,
        entropy: Tensor | None = None,
    ) -> Tensor:
        """The kept places (B, M) bool: DTF at epsilon, or the `count` (B,) with most entropy.

        entropy (B, M): the map itself where it is a function of G (`prior`), else the head's.
        """
        if entropy is None:
            entropy = self.predicted_entropy(labels, global_codes)
        if count is None:
            count = filtering.dtf(entropy, epsilon).count
        return filtering.top(entropy, count.to(entropy.device)).to(labels.device)

    @torch.no_grad()
    def predicted_entropy(self, labels: Tensor, global_codes: Tensor) -> Tensor:
        """The head's map of H_i / H_total, (B, M) float64, each row of sum 1.

        The sizes are the predicted profile by rank (a mean of unsorted maps would be too flat and
        make N too large), laid out in the order of the predicted shares.
        """
        share, profile = self.place_logits(labels, global_codes)
        order = share.argsort(dim=1, descending=True, stable=True)
        sizes = exact(profile.exp()).sort(dim=1, descending=True).values
        return torch.zeros_like(sizes).scatter(1, order.to(sizes.device), sizes)

    @property
    def needs_tokenizer(self) -> bool:
        """Whether `sample` has to have the tokenizer: for the places, or to see the picture."""
        return self.ranks_by_globals or self.see is not None

    def side(self, tokenizer: TaTok) -> int:
        """S of the pictures that it draws with this tokenizer, pixels."""
        return tokenizer.config.side_of(self.config.grid)

    def check_tokenizer(self, tokenizer: TaTok) -> None:
        """ValueError unless these weights were trained on this tokenizer's tokens."""
        if self.config.tokenizer != tokenizer.fingerprint:
            raise ValueError("These generator weights belong to another tokenizer.")

    # -- drawing -----------------------------------------------------------------------------

    def labels(self, names: Sequence[str | int | None]) -> Tensor:
        """Class names or numbers (None: no class) -> labels (B,); ValueError for an unknown one,
        and where there is none at all."""
        classes, numbers = self.config.classes, []
        if not len(names):
            raise ValueError("At least one label is needed; None stands for no class.")
        for name in names.tolist() if hasattr(names, "tolist") else names:
            if name is None:
                numbers.append(len(classes))
            elif name in classes:
                numbers.append(classes.index(name))
            elif isinstance(name, Integral) and 0 <= int(name) < len(classes):
                numbers.append(int(name))
            else:
                raise ValueError(f"There is no class {name!r}; there are {', '.join(classes)}.")
        return torch.tensor(numbers, device=self.device)

    def counts(self, count: int | Sequence[int] | None, B: int) -> Tensor | None:
        """N for each of B pictures, or None; ValueError outside 0..M."""
        if count is None:
            return None
        return filtering.counts(count, B, self.config.num_patches, self.device)
