"""Conditional entropy H(p_i | G): estimators behind one interface; R(D) and T.

An estimator is a function of what was `Observed` of a batch, (B, M), with its unit beside its name
in ESTIMATORS; H is it clamped at 0 (`TaTok.measure`): below 0, G suffices by more than enough. G is
what the decoder will have: the quantized, active global tokens; `residual` alone takes them as
the encoder gives them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tatok.config import TokenizerConfig
from tatok.precision import exact
from tatok.transformer import patchify

LOG_2PI = math.log(2 * math.pi)


class Observed(Protocol):
    """What an estimator may look at of a batch; nothing is computed before it is asked for.

    x (B, 3, S, S), its patch tokens p (B, M, D), the encoder's global tokens G_hat (B, k, D); z, q:
    the patches' latents (B, M, d_p) and codes (B, M). latent_given_G: mean and log-variance of z,
    (B, M, d_p) each; log_p_given_G: natural log-probabilities of q, (B, M, K); place_entropy: the
    entropy of q in bits, (B, M) float64, from the global codes alone. y_G: the image from G alone;
    D_G, D_all: mean square error (B, M) of each patch from G alone, and from G and all patches.
    delta: the quantizer's resolution; residual_scale: bits by unit of `residual`; target_psnr: of
    D0, in dB.
    """

    config: TokenizerConfig
    x: Tensor
    p: Tensor
    G_hat: Tensor
    z: Tensor
    q: Tensor
    latent_given_G: tuple[Tensor, Tensor]
    log_p_given_G: Tensor
    place_entropy: Tensor
    y_G: Tensor
    D_G: Tensor
    D_all: Tensor
    delta: Tensor
    residual_scale: Tensor
    target_psnr: float


def gaussian_nll(value: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """-ln q(value), q a diagonal Gaussian; summed over the last dimension."""
    squared = (value - mean) ** 2 * (-log_variance).exp()
    return 0.5 * (squared + log_variance + LOG_2PI).sum(dim=-1)


# --- the estimators --------------------------------------------------------------------------


def residual(seen: Observed) -> Tensor:
    """(a) Alg. 1, line 4: ||p_i - Proj(p_i, G)||^2 * Complexity(p_i), read as variance of pixels.

    Proj: orthogonal projection on the span of the active global tokens as the encoder gives them,
    before quantization (none active: 0): the quantized ones all lie in one space of some d_g
    dimensions, the same for every picture. The paper leaves Complexity open; this reading ranks
    best. The arbitrary unit is turned into bits by a factor fitted once against `code`.
    """
    pixels = patchify(seen.x, seen.config)
    return outside_span(seen) * complexity(pixels) * seen.residual_scale


def residual_token(seen: Observed) -> Tensor:
    """(a) with Complexity as the variance of the token over its D channels; unit arbitrary.

    Not 0 on a flat picture, as `residual` is. (The encoder ends without a LayerNorm, after which
    this would be constant.)
    """
    return outside_span(seen) * complexity(seen.p)


def outside_span(seen: Observed) -> Tensor:
    """||p_i - Proj(p_i, G)||^2 alone, (a) without Complexity; (B, M), unit arbitrary."""
    return projection_distance(seen.p, seen.G_hat)


def projection_distance(p: Tensor, G: Tensor) -> Tensor:
    """||p_i - Proj(p_i, G)||^2, tokens (B, M, D) and (B, k, D) -> (B, M)."""
    if not G.shape[1]:
        return p.square().sum(dim=2)
    with torch.autocast(p.device.type, enabled=False):  # there is no SVD in half precision
        exact = torch.promote_types(torch.promote_types(p.dtype, G.dtype), torch.float32)
        p, G = p.to(exact), G.to(exact)
        U, S, _ = torch.linalg.svd(G.transpose(1, 2), full_matrices=False)  # (B, D, k), (B, k)
        U = U * (1e-5 * S[:, :1] < S)[:, None]  # an orthonormal basis of the span
        return (p - p @ U @ U.transpose(1, 2)).square().sum(dim=2)


def complexity(patches: Tensor) -> Tensor:
    """Variance of each token over its D channels, or of its pixels, (B, M, D) -> (B, M)."""
    # Tensor.var takes seven times as long on a CPU.
    return (patches - patches.mean(dim=2, keepdim=True)).square().mean(dim=2)


def gaussian(seen: Observed) -> Tensor:
    """(b) -log2 q(p_i | G) - d_p log2 Delta: bits at the quantizer's resolution."""
    nll = gaussian_nll(seen.z, *seen.latent_given_G) / math.log(2)
    return nll - seen.z.shape[2] * seen.delta.log2()


def code(seen: Observed) -> Tensor:
    """(c) -log2 p(q_i | G): surprisal in bits of the code that occurred."""
    return -seen.log_p_given_G.gather(2, seen.q[:, :, None])[:, :, 0] / math.log(2)


def prior(seen: Observed) -> Tensor:
    """(d) H(q_i | G) in bits: a function of G alone, so that places need not be sent."""
    return seen.place_entropy


def rate(seen: Observed) -> Tensor:
    """(e) R_i = (s^2 C / 2) log2 D_i(G) / D0: bits patch i needs beyond G to reach D0.

    D_i(G): mean square error of the patch decoded from the global tokens alone. Assumes, like
    Eq. 18, independent pixels within the patch.
    """
    D0 = distortion(seen.target_psnr)
    return 0.5 * seen.config.patch_dim * (seen.D_G / D0).clamp(min=1e-12).log2()


def gain(seen: Observed) -> Tensor:
    """(f) D_i(G) - D_i(all): the mean square error that keeping patch i saves; beyond the paper.

    D_i(all) is of the image decoded from all patches. epsilon is then a share of the error that the
    patches save, and at epsilon = 0 every patch that saves any is kept.
    """
    return seen.D_G - seen.D_all


def needed_bits(seen: Observed) -> Tensor:
    """T of Eq. 5 for an estimator in bits, (B,): see `minimum_information`."""
    return minimum_information(seen.x, seen.y_G, seen.target_psnr)


def needs_nothing(seen: Observed) -> Tensor:
    """T for an estimator whose unit is arbitrary, (B,): no target can be told in it."""
    return seen.x.new_zeros(len(seen.x))


def needed_gain(seen: Observed) -> Tensor:
    """T for `gain`, (B,): the error that patches must save to reach D0, sum_i D_i(G) - M D0."""
    return (exact(seen.D_G) - distortion(seen.target_psnr)).sum(dim=1).clamp(min=0)


@dataclass(frozen=True)
class Estimator:
    """One H(p_i | G): the function, its unit, and whether the decoder can compute it from G.

    minimum: T in the same unit, for the encoding's target PSNR.
    """

    function: Callable[[Observed], Tensor]
    unit: str
    from_globals: bool = False
    minimum: Callable[[Observed], Tensor] = needed_bits


ESTIMATORS: dict[str, Estimator] = {
    "residual": Estimator(residual, "bits, by a factor fitted to estimator code"),
    "residual-token": Estimator(residual_token, "arbitrary unit", minimum=needs_nothing),
    "residual-plain": Estimator(outside_span, "arbitrary unit", minimum=needs_nothing),
    "gaussian": Estimator(gaussian, "bits at the quantizer's resolution"),
    "code": Estimator(code, "bits, surprisal of the code"),
    "prior": Estimator(prior, "bits, entropy of the code", from_globals=True),
    "rate": Estimator(rate, "bits beyond G to reach D0"),
    "gain": Estimator(gain, "MSE that keeping the patch saves", minimum=needed_gain),
}


def find_estimator(name: str) -> Estimator:
    """The estimator of that name; ValueError if there is none."""
    if name not in ESTIMATORS:
        raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}, not {name!r}.")
    return ESTIMATORS[name]


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
    variance = exact(x).flatten(1).var(dim=1, unbiased=False)
    D = torch.as_tensor(D, dtype=torch.float64, device=variance.device).clamp(min=1e-300)
    return 0.5 * x[0].numel() * (variance / D).clamp(min=1).log2()


def minimum_information(x: Tensor, y_globals: Tensor, target_psnr: float) -> Tensor:
    """T = (1 - alpha) R(D0) = max(0, R(D0) - R(D_G)) in bits, (B,) (Eq. 25-27).

    alpha = I(x; G) / R(D0) with I(x; G) taken as R(D_G), D_G the mean square error of `y_globals`,
    the image decoded from the global tokens alone.
    """
    D_G = exact(x - y_globals).square().flatten(1).mean(dim=1)
    return (rate_distortion(x, distortion(target_psnr)) - rate_distortion(x, D_G)).clamp(min=0)


def correlation_on(correlation: Tensor, grid: int) -> Tensor:
    """The correlation (M, M) of places of a square grid, on another, (grid^2, grid^2).

    There it is a function of the displacement alone: the mean over all places of the measured one,
    with 0 for pairs that leave the grid, which keeps it positive semidefinite.
    """
    own = math.isqrt(len(correlation))
    if grid == own:
        return correlation
    pairs = exact(correlation).view(own, own, own, own)  # row, column, row', column'
    step = lambda g: torch.arange(g, device=pairs.device)  # noqa: E731
    lag = lambda g: step(g)[:, None] - step(g)[None] + own - 1  # noqa: E731, (g, g)
    spot = lag(own)[:, None, :, None] * (2 * own - 1) + lag(own)[None, :, None, :]
    lags = pairs.new_zeros((2 * own - 1) ** 2)
    lags.index_add_(0, spot.expand_as(pairs).flatten(), pairs.flatten())
    lags = (lags / own**2).view(2 * own - 1, 2 * own - 1)
    inside = lambda i: ((i >= 0) & (i < 2 * own - 1), i.clamp(0, 2 * own - 2))  # noqa: E731
    known, i = inside(lag(grid))
    made = lags[i[:, None, :, None], i[None, :, None, :]]  # (g, g, g, g)
    made = made * (known[:, None, :, None] & known[None, :, None, :])
    return made.reshape(grid**2, grid**2)
