"""TaTok: encode -> select -> quantize -> decode, in the order of the paper's Fig. 2."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from tatok import checks, filtering
from tatok.config import TokenizerConfig
from tatok.entropy import ESTIMATORS, correlation_on, find_estimator, patch_errors
from tatok.filtering import Correction, Selection
from tatok.networks import Decoder, Encoder, Predictor
from tatok.precision import exact
from tatok.pretrained import Pretrained
from tatok.quantizer import Codebook, Quantized
from tatok.streams import own_stream
from tatok.tokens import Encoding, Evidence, Tokens
from tatok.transformer import places_at


@dataclass(frozen=True)
class Reconstruction:
    """A training forward: image (B, 3, S, S), and both quantizers' results."""

    image: Tensor
    globals: Quantized
    patches: Quantized


class TaTok(Pretrained):
    """The tokenizer: `encode`, `select`, `quantize`, `decode`, one call per arrow of Fig. 2."""

    stem = "tokenizer"
    config_type = TokenizerConfig
    config: TokenizerConfig
    residual_scale: Tensor
    correlation: Tensor

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        find_estimator(config.estimator)
        self.config = config
        self.encoder = Encoder(config)
        self.patch_codebook = Codebook(config.dim, config.codebook_size, config.patch_code_dim)
        # A batch holds far fewer global tokens than patches, so their averages run longer.
        self.global_codebook = Codebook(
            config.dim, config.codebook_size, config.global_code_dim, decay=0.998
        )
        self.decoder = Decoder(config)
        self.predictor = Predictor(config)
        # q(G(x) | g) of L_glob:
        self.describe = nn.Linear(config.k_max * config.dim, 2 * config.descriptor_dim)
        # Fitted once after training (see calibrate.py):
        self.register_buffer("residual_scale", torch.ones(()))
        places = config.grid_of(config.middle) ** 2
        self.register_buffer("correlation", torch.eye(places))  # of latents given G

    @torch.no_grad()
    def reshaped(self, **fields: Any) -> TaTok:
        """The same weights with other `open_fields` of the configuration, as a new model.

        With another image_size the tables of places are drawn at its grid; see `places_at`. What
        decoder_depth adds comes last and begins as the identity, so that the images stay.
        ValueError for a decoder of fewer blocks.
        """
        model = TaTok(replace(self.config, **fields))
        own, asked = self.config.decoder_blocks, model.config.decoder_blocks
        if asked < own:
            raise ValueError(f"A decoder of {own} blocks cannot go on with {asked}.")
        added: list[Any] = list(model.decoder.blocks)[own:]
        for block in added:
            nn.init.zeros_(block.attn.proj.weight)  # biases and the MLP's last layer begin at 0
        state = model.state_dict() | self.state_dict()
        for name in ("encoder.position", "decoder.position", "predictor.places"):
            state[name] = places_at(state[name], model.config.grid)
        grid = model.config.grid_of(model.config.middle)
        state["correlation"] = self.correlation_at(grid).to(self.correlation.dtype)
        model.load_state_dict(state)
        return model.to(self.correlation.device).train(self.training)

    # -- the paper's four steps ------------------------------------------------------------

    def encode(self, x: Tensor, k: int | None = None, visible: Tensor | None = None) -> Encoding:
        """Images (B, 3, S, S) in [-1, 1] -> Encoding with k global tokens (default config.k).

        S is one of config.sides.

        visible (M,) bool: encode only these patches, see Encoder.forward; `edit.encode_visible` is
        the way to hide pixels.
        """
        x = checks.pixels(x)
        self.check_shape(x)
        k = self.config.k if k is None else checks.whole(k, "k", 0, self.config.k_max)
        patches, globals_ = self.encoder(x.to(self.encoder.position.dtype), k, visible)
        return Encoding(patches, globals_, x, self.config.target_psnr)

    def select(
        self,
        encoding: Encoding,
        epsilon: float | None = None,
        estimator: str | None = None,
        policy: str = "dtf",
        count: int | Tensor | None = None,
        target_psnr: float | None = None,
        generator: torch.Generator | None = None,
        correction: Correction | None = None,
    ) -> Selection:
        """Which patches to keep: N by Eq. 6 (or `count`, 0..M), which ones by `policy`.

        epsilon and estimator: where None, those of the configuration.

        Every policy uses the N that DTF gives unless `count` (a number, or (B,)) fixes it.
        `target_psnr` in dB sets D0, and with it T. `generator` draws policy "random" (default: a
        stream of each image's own, which its pixels seed). `correction` takes the place's share out
        of H first. Raises ValueError for an unknown name or a value out of range.
        """
        return self.filter(
            encoding,
            self.measure(encoding, estimator, target_psnr),
            epsilon,
            policy,
            count,
            generator,
            correction,
        )

    def measure(
        self,
        encoding: Encoding,
        estimator: str | None = None,
        target_psnr: float | None = None,
    ) -> Evidence:
        """H(p_i | G) and T: the part of `select` that depends neither on epsilon nor on policy.

        In float64; on the CPU where the device has none, and so is the selection made from it.
        """
        name = self.config.estimator if estimator is None else estimator
        estimate = find_estimator(name)
        if target_psnr is not None:
            encoding = replace(encoding, target_psnr=target_psnr)
        seen = self.observe(encoding)
        rank = exact(estimate.function(seen))
        T = rank.new_zeros(len(rank))
        if target_psnr is not None:
            T = exact(estimate.minimum(seen))
        return Evidence(rank.clamp(min=0), T, name, rank)

    def filter(
        self,
        encoding: Encoding,
        evidence: Evidence,
        epsilon: float | None = None,
        policy: str = "dtf",
        count: int | Tensor | None = None,
        generator: torch.Generator | None = None,
        correction: Correction | None = None,
    ) -> Selection:
        """The rest of `select`: Alg. 1 on what was measured, and the policy's choice of places."""
        epsilon = self.config.epsilon if epsilon is None else epsilon
        H, T, rank = evidence.entropy, evidence.minimum, evidence.rank
        if correction is not None:
            H = rank = correction(H)
        length = filtering.dtf(H, epsilon, T)
        N, tau = length.count, length.threshold
        binding = filtering.binding(T, length.total, epsilon)
        if count is not None:
            N = filtering.counts(count, len(H), H.shape[1], H.device)
            tau = torch.full_like(tau, torch.nan)
            binding = ("count",) * len(H)
        choice = filtering.Choice(
            H if count is None else rank,
            N,
            lambda: [generator or own_stream(x) for x in encoding.pixels],
            lambda: self.chain_given(self.quantize_globals(encoding).codes, H.shape[1]),
        )
        keep = filtering.find(policy).choose(choice)
        return Selection(
            H,
            keep,
            N,
            tau,
            length.total,
            T,
            binding,
            policy,
            evidence.estimator,
            ESTIMATORS[evidence.estimator].unit,
            corrected=correction is not None,
        )

    def quantize(self, encoding: Encoding, selection: Selection | None = None) -> Tokens:
        """Nearest codes of the global tokens and of the kept patches (None: of all)."""
        q = self.quantize_patches(encoding).codes
        return Tokens(
            global_codes=self.quantize_globals(encoding).codes,
            patch_codes=q if selection is None else q.masked_fill(~selection.keep.to(q.device), -1),
            layout=self.config.layout,
            codebook_size=self.config.codebook_size,
            places="sent" if selection is None else self.places_rule(selection),
        )

    def decode(self, tokens: Tokens, keep: Tensor | None = None) -> Tensor:
        """Tokens -> images (B, 3, S, S) in [-1, 1]. ValueError for another model's tokens.

        keep (B, M) bool: of tokens that are still being drawn, the places that will have one (in
        layout `sequence` they decide where a token stands); what has no code is the mask token.
        """
        self.check_tokens(tokens)
        drawn = tokens.keep
        globals_ = self.embed_globals(tokens.global_codes)
        patches = self.patch_codebook.embed(tokens.patch_codes.clamp(min=0))
        patches = torch.where(drawn[:, :, None], patches, self.decoder.mask)
        return self.decoder(globals_, patches, drawn if keep is None else keep).clamp(-1, 1)

    def check_shape(self, x: Tensor) -> None:
        """ValueError unless x is (B, 3, S, S), S one of config.sides."""
        c = self.config
        if x.ndim != 4 or x.shape[1:3] != (3, x.shape[3]) or x.shape[3] not in c.sides:
            S = f"{c.smallest} to {c.largest} in steps of {c.stride}"
            S = S if len(c.sides) > 1 else str(c.image_size)
            raise ValueError(f"images must be (B, 3, S, S) with S = {S}, not {tuple(x.shape)}.")

    def check_tokens(self, tokens: Tokens) -> None:
        """ValueError unless k <= k_max, M, K and the layout are this model's."""
        c, (k, M) = self.config, (tokens.global_codes.shape[1], tokens.patch_codes.shape[1])
        same = (tokens.codebook_size, tokens.layout) == (c.codebook_size, c.layout)
        if k > c.k_max or not c.has_patches(M) or not same:
            raise ValueError(
                f"These tokens are another model's: k = {k}, M = {M}, K = {tokens.codebook_size}, "
                f"layout {tokens.layout}."
            )
        checks.codes(tokens.global_codes, "global codes", c.codebook_size)
        checks.codes(tokens.patch_codes, "patch codes", c.codebook_size)

    # -- what training and the estimators use ----------------------------------------------

    def forward(self, encoding: Encoding, keep: Tensor) -> Reconstruction:
        """The differentiable path: quantize straight through, decode `keep` (B, M); unclipped."""
        g = self.quantize_globals(encoding)
        p = self.patch_codebook(encoding.patches)
        return Reconstruction(self.decoder(g.tokens, p.tokens, keep), g, p)

    def embed_globals(self, codes: Tensor, book: Codebook | None = None) -> Tensor:
        """Global codes (B, k) -> decoder tokens (B, k, D); the mask token where one is -1."""
        tokens = (book or self.global_codebook).embed(codes.clamp(min=0))
        return torch.where((codes < 0)[:, :, None], self.decoder.mask.to(tokens.device), tokens)

    def quantize_globals(self, encoding: Encoding) -> Quantized:
        """The quantized, active global tokens: what the decoder will have."""
        return self.global_codebook(encoding.globals)

    def decode_globals(self, encoding: Encoding) -> Tensor:
        """The image decoded from the global tokens alone, (B, 3, S, S) in [-1, 1]."""
        if 0 not in encoding.decoded:
            nothing = torch.zeros(
                encoding.patches.shape[:2], dtype=torch.bool, device=encoding.patches.device
            )
            g = self.quantize_globals(encoding).tokens
            y = self.decoder(g, torch.zeros_like(encoding.patches), nothing)
            encoding.decoded[0] = y.clamp(-1, 1)
        return encoding.decoded[0]

    def decode_all(self, encoding: Encoding) -> Tensor:
        """The image decoded from the global tokens and all patches, (B, 3, S, S) in [-1, 1]."""
        M = encoding.patches.shape[1]
        if M not in encoding.decoded:
            everything = torch.ones(
                encoding.patches.shape[:2], dtype=torch.bool, device=encoding.patches.device
            )
            encoding.decoded[M] = self(encoding, everything).image.clamp(-1, 1)
        return encoding.decoded[M]

    def quantize_patches(self, encoding: Encoding) -> Quantized:
        """All patches quantized, kept or not."""
        return self.patch_codebook(encoding.patches)

    def predict(self, encoding: Encoding) -> Tensor:
        """The predictor's features of each patch from G, (B, M, W)."""
        g = self.decoder.global_places(self.quantize_globals(encoding).tokens)
        return self.predictor(g, self.config.grid_of_patches(encoding.patches.shape[1]))

    def place_entropy(self, global_codes: Tensor, grid: int | None = None) -> Tensor:
        """H(q_i | G) of `prior` in bits from global codes (B, k) alone, (B, M) float64.

        M = grid * grid (default: of a picture of config.image_size).
        """
        predictor, features = self._given_codes(global_codes, grid)
        log_p = predictor.log_p(features)
        return -(log_p.exp() * log_p).sum(dim=2) / math.log(2)

    def place_deviation(self, global_codes: Tensor, grid: int | None = None) -> Tensor:
        """sigma(G) of `chain` from global codes (B, k) alone, (B, M) float64: geometric mean."""
        predictor, features = self._given_codes(global_codes, grid)
        return (0.5 * predictor.gaussian(features)[1].mean(dim=2)).exp()

    def correlation_at(self, grid: int) -> Tensor:
        """The correlation (M, M) of `chain` on a grid; measured on the grid of config.middle."""
        return correlation_on(self.correlation, grid)

    def _given_codes(
        self, global_codes: Tensor, grid: int | None = None
    ) -> tuple[Predictor, Tensor]:
        """The predictor and its features of each patch, as encoder and decoder both have them.

        In float64: they rank places by them, and the rounding of float32 depends on the batch.
        """
        book = exact(copy.deepcopy(self.global_codebook))
        predictor = exact(copy.deepcopy(self.predictor))
        codes = global_codes.to(book.codes.device)
        g = self.decoder.global_places(self.embed_globals(codes, book))
        return predictor, predictor(g, grid)

    # -- selection ---------------------------------------------------------------------------

    def observe(self, encoding: Encoding) -> Any:
        """What the estimators look at, an `entropy.Observed` that computes what is asked for."""
        return _Observed(self, encoding)

    def chain_given(self, global_codes: Tensor, M: int) -> tuple[Tensor, Tensor]:
        """What `chain` chooses by: sigma(G) (B, M), and the correlation (M, M)."""
        grid = self.config.grid_of_patches(M)
        return self.place_deviation(global_codes, grid), self.correlation_at(grid)

    def places_rule(self, selection: Selection) -> str:
        """How the decoder learns the places: they are sent unless a rule gives them."""
        if filtering.find(selection.policy).ruled:
            return selection.policy
        from_globals = ESTIMATORS[selection.estimator].from_globals and not selection.corrected
        return "prior" if selection.policy == "dtf" and from_globals else "sent"


class _Observed:
    """`entropy.Observed` of one encoding."""

    def __init__(self, model: TaTok, encoding: Encoding) -> None:
        self.model, self.encoding, self.config = model, encoding, model.config
        self.x, self.p, self.target_psnr = encoding.pixels, encoding.patches, encoding.target_psnr
        self.delta, self.residual_scale = model.patch_codebook.delta, model.residual_scale
        self.G_hat = encoding.globals

    @cached_property
    def z(self) -> Tensor:
        return self.model.patch_codebook.down(self.p)

    @cached_property
    def q(self) -> Tensor:
        return self.model.quantize_patches(self.encoding).codes

    @cached_property
    def features(self) -> Tensor:
        """The predictor's, (B, M, W)."""
        return self.model.predict(self.encoding)

    @cached_property
    def latent_given_G(self) -> tuple[Tensor, Tensor]:
        return self.model.predictor.gaussian(self.features)

    @cached_property
    def log_p_given_G(self) -> Tensor:
        return self.model.predictor.log_p(self.features)

    @cached_property
    def place_entropy(self) -> Tensor:
        grid = self.config.grid_of_patches(self.p.shape[1])
        return self.model.place_entropy(self.model.quantize_globals(self.encoding).codes, grid)

    @property
    def y_G(self) -> Tensor:
        return self.model.decode_globals(self.encoding)

    @cached_property
    def D_G(self) -> Tensor:
        return patch_errors(self.x, self.y_G, self.config)

    @cached_property
    def D_all(self) -> Tensor:
        return patch_errors(self.x, self.model.decode_all(self.encoding), self.config)
