"""Conditional entropy H(p_i | G): six estimators behind one interface; R(D) and T.

An estimator is a function (model, encoding) -> (B, M), with its unit beside its name in ESTIMATORS;
H is it clamped at 0 (`TaTok.measure`): below 0, G suffices by more than enough. G is what the
decoder will have: the quantized, active global tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tatok.config import TokenizerConfig
from tatok.transformer import PlaceQueries, patchify

if TYPE_CHECKING:
    from tatok.tokenizer import Encoding, TaTok

LOG_2PI = math.log(2 * math.pi)


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


def gaussian_nll(value: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """-ln q(value), q a diagonal Gaussian; summed over the last dimension."""
    squared = (value - mean) ** 2 * (-log_variance).exp()
    return 0.5 * (squared + log_variance + LOG_2PI).sum(dim=-1)


# --- the six estimators ---------------------------------------------------------------------


def residual(model: TaTok, encoding: Encoding) -> Tensor:
    """(a) Alg. 1, line 4: ||p_i - Proj(p_i, G)||^2 * Complexity(p_i).

    Proj: orthogonal projection on the span of the active global tokens (none active: 0).
    Complexity: variance of the token over its D channels (the encoder ends without a LayerNorm,
    after which this would be constant). The arbitrary unit is turned into bits by a factor fitted
    once against `code`.
    """
    distance = projection_distance(model, encoding)
    return distance * complexity(encoding.patches) * model.residual_scale


def projection_distance(model: TaTok, encoding: Encoding) -> Tensor:
    """||p_i - Proj(p_i, G)||^2, (B, M)."""
    p, G = encoding.patches, model.quantize_globals(encoding).tokens  # (B, M, D), (B, k, D)
    if not G.shape[1]:
        return p.square().sum(dim=2)
    with torch.autocast(p.device.type, enabled=False):  # there is no SVD in half precision
        p, G = p.to(model.decoder.mask.dtype), G.to(model.decoder.mask.dtype)
        U, S, _ = torch.linalg.svd(G.transpose(1, 2), full_matrices=False)  # (B, D, k), (B, k)
        U = U * (1e-5 * S[:, :1] < S)[:, None]  # an orthonormal basis of the span
        return (p - p @ U @ U.transpose(1, 2)).square().sum(dim=2)


def complexity(patches: Tensor) -> Tensor:
    """Variance of each token over its D channels, (B, M, D) -> (B, M)."""
    return patches.var(dim=2, unbiased=False)


def gaussian(model: TaTok, encoding: Encoding) -> Tensor:
    """(b) -log2 q(p_i | G) - d_p log2 Delta: bits at the quantizer's resolution."""
    mean, log_variance = model.predictor.gaussian(model.predict(encoding))  # (B, M, d_p)
    z = model.patch_codebook.down(encoding.patches)
    nll = gaussian_nll(z, mean, log_variance) / math.log(2)
    return nll - z.shape[2] * model.patch_codebook.delta.log2()


def code(model: TaTok, encoding: Encoding) -> Tensor:
    """(c) -log2 p(q_i | G): surprisal in bits of the code that occurred."""
    log_p = model.predictor.log_p(model.predict(encoding))  # (B, M, K)
    q = model.quantize_patches(encoding).codes
    return -log_p.gather(2, q[:, :, None])[:, :, 0] / math.log(2)


def prior(model: TaTok, encoding: Encoding) -> Tensor:
    """(d) H(q_i | G) in bits: a function of G alone, so that places need not be sent."""
    grid = model.config.grid_of_patches(encoding.patches.shape[1])
    return model.place_entropy(model.quantize_globals(encoding).codes, grid)


def rate(model: TaTok, encoding: Encoding) -> Tensor:
    """(e) R_i = (s^2 C / 2) log2 D_i(G) / D0: bits patch i needs beyond G to reach D0.

    D_i(G): mean square error of the patch decoded from the global tokens alone. Assumes, like
    Eq. 18, independent pixels within the patch.
    """
    D_i = patch_errors(encoding.pixels, model.decode_globals(encoding), model.config)
    D0 = distortion(encoding.target_psnr)
    return 0.5 * model.config.patch_dim * (D_i / D0).clamp(min=1e-12).log2()


def gain(model: TaTok, encoding: Encoding) -> Tensor:
    """(f) D_i(G) - D_i(all): the mean square error that keeping patch i saves; beyond the paper.

    D_i(all) is of the image decoded from all patches. epsilon is then a share of the error that the
    patches save, and at epsilon = 0 every patch that saves any is kept.
    """
    x, config = encoding.pixels, model.config
    D_i = patch_errors(x, model.decode_globals(encoding), config)
    return D_i - patch_errors(x, model.decode_all(encoding), config)


def needed_bits(model: TaTok, encoding: Encoding) -> Tensor:
    """T of Eq. 5 for an estimator in bits, (B,): see `minimum_information`."""
    y = model.decode_globals(encoding)
    return minimum_information(encoding.pixels, y, encoding.target_psnr)


def needed_gain(model: TaTok, encoding: Encoding) -> Tensor:
    """T for `gain`, (B,): the error that patches must save to reach D0, sum_i D_i(G) - M D0."""
    D_i = patch_errors(encoding.pixels, model.decode_globals(encoding), model.config).double()
    return (D_i - distortion(encoding.target_psnr)).sum(dim=1).clamp(min=0)


@dataclass(frozen=True)
class Estimator:
    """One H(p_i | G): the function, its unit, and whether the decoder can compute it from G.

    minimum: T in the same unit, for the encoding's target PSNR.
    """

    function: Callable[[TaTok, Encoding], Tensor]
    unit: str
    from_globals: bool = False
    minimum: Callable[[TaTok, Encoding], Tensor] = needed_bits


ESTIMATORS: dict[str, Estimator] = {
    "residual": Estimator(residual, "bits, by a factor fitted to estimator code"),
    "gaussian": Estimator(gaussian, "bits at the quantizer's resolution"),
    "code": Estimator(code, "bits, surprisal of the code"),
    "prior": Estimator(prior, "bits, entropy of the code", from_globals=True),
    "rate": Estimator(rate, "bits beyond G to reach D0"),
    "gain": Estimator(gain, "MSE that keeping the patch saves", minimum=needed_gain),
}


# --- rate and distortion (App. B) ------------------------------------------------------------


def distortion(psnr: float) -> float:
    """D0 of a PSNR in dB, for x in [-1, 1] (peak to peak 2): 4 * 10^(-PSNR / 10).

    ValueError outside 0..100 dB: no such picture is worse, and none needs to be better.
    """
    if not 0 <= psnr <= 100:
        raise ValueError(f"A target PSNR must lie in 0..100 dB, not {psnr}.")
    return 4 * 10 ** (-psnr / 10)


def patch_errors(x: Tensor, y: Tensor, config: TokenizerConfig) -> Tensor:
    """Mean square error of each patch, images (B, 3, S, S) twice -> (B, M)."""
    return patchify((x - y).square(), config).mean(dim=2)


def predicted_loss(H: Tensor, keep: Tensor, error: Tensor) -> Tensor:
    """PSNR in dB that dropping patches costs, by `gain`: 10 log10(1 + sum_dropped H_i / error).

    H (B, M) by `gain`, keep (B, M); error (B,): sum_i D_i(all), of the image decoded from all
    patches. As if what a patch saves did not depend on the others. (B,)
    """
    return 10 * (1 + H.masked_fill(keep, 0).sum(dim=1) / error).log10()


def rate_distortion(x: Tensor, D: Tensor | float) -> Tensor:
    """R(D) = (HWC / 2) log2(sigma^2 / D) bits, 0 for D > sigma^2 (Eq. 18): (B, 3, H, W) -> (B,)

    sigma^2 is the pixel variance of the image over its three channels together.
    """
    variance = x.double().flatten(1).var(dim=1, unbiased=False)
    D = torch.as_tensor(D, dtype=torch.float64, device=x.device).clamp(min=1e-300)
    return 0.5 * x[0].numel() * (variance / D).clamp(min=1).log2()


def minimum_information(x: Tensor, y_globals: Tensor, target_psnr: float) -> Tensor:
    """T = (1 - alpha) R(D0) = max(0, R(D0) - R(D_G)) in bits, (B,) (Eq. 25-27).

    alpha = I(x; G) / R(D0) with I(x; G) taken as R(D_G), D_G the mean square error of `y_globals`,
    the image decoded from the global tokens alone.
    """
    D_G = (x - y_globals).double().square().flatten(1).mean(dim=1)
    return (rate_distortion(x, distortion(target_psnr)) - rate_distortion(x, D_G)).clamp(min=0)
