"""L = L_rec + lambda_1 L_commit + lambda_2 L_glob, and the optional terms.

Every term is a mean per dimension within an image and then a mean over images (so that two
processes with half a batch each average to the joint batch). The paper's terms are sums, over HWC
and over the dimensions of the tokens, so its lambda = 1 is another balance; ours are tuned. `sums`
is the paper's, with the common factor 1 / HWC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tatok.config import EPSILONS
from tatok.entropy import gaussian_nll
from tatok.lite import Lite, maps_distance
from tatok.quantizer import Quantized
from tatok.tokenizer import Reconstruction, TaTok
from tatok.tokens import Encoding
from tatok.training.backbone import Backbone


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; 0 turns a term off. Defaults are what measured best on `demo`."""

    commit: float = 0.25  # lambda_1
    glob: float = 0.002  # lambda_2
    rate: float = 0.0  # beta, bits per pixel of the patch codes given G
    perceptual: float = 0.0  # distance of EfficientNet-Lite1's maps, times the share N / M
    backbone: str = ""  # timm's name of the network whose features are G(x); "": a thumbnail
    log_rec: bool = True  # L_rec as log mean square error: the mean PSNR over images itself
    sums: bool = False  # as the paper's: sums over pixels and dimensions, all by HWC


@dataclass(frozen=True)
class GeneratorLoss:
    """The options of the generator's loss."""

    label_smoothing: float = 0.1
    soft: float = 0.0  # width of the targets among near codes, see `near_codes`; 0: one code
    class_dropout: float = 0.1
    globals_alone: float = 1 / 3  # share of the rows that have no patches; see `draw_mask`
    epsilon_low: float = EPSILONS[0]  # epsilon is drawn log-uniformly from here
    epsilon_high: float = EPSILONS[1]


def near_codes(codes: Tensor, soft: float) -> Tensor:
    """Targets in place of single codes: softmax(-||e - e'||^2 / (soft d)) of (K, dim), (K, K).

    d: mean squared distance of a code to the one nearest to it.
    """
    squared = torch.cdist(codes, codes).square()
    others = squared + torch.diag(torch.full_like(squared[0], torch.inf))
    return (-squared / (soft * others.min(dim=1).values.mean())).softmax(dim=1)


def reconstruction(x: Tensor, y: Tensor, log: bool) -> Tensor:
    """L_rec: mean ||x - y||^2; or, a departure, the mean over images of log10 of it, scaled.

    The logarithm weighs every image, and every N, by its relative error: -10 log10 is the PSNR.
    """
    mse = (x - y).square().flatten(1).mean(dim=1)  # (B,)
    return (mse + 1e-5).log().mean() if log else mse.mean()


def commitment(q: Quantized, keep: Tensor | None = None, sums: bool = False) -> Tensor:
    """L_commit: ||z_aug - sg(q_aug)||^2 over the tokens in `keep` (B, L), a mean per dimension.

    sums: over tokens and dimensions, then a mean over images.
    """
    squared = (q.latents - q.quantized.detach()).square()  # (B, L, d)
    if sums:
        each = squared.sum(dim=2)
        return (each if keep is None else each * keep).sum(dim=1).mean()
    squared = squared.mean(dim=2)  # (B, L)
    if keep is None:
        return squared.mean() if squared.numel() else squared.sum()
    return ((squared * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1)).mean()


def descriptor(x: Tensor, side: int) -> Tensor:
    """The holistic descriptor G(x): a thumbnail, (B, 3, S, S) -> (B, 3 side^2)."""
    return F.adaptive_avg_pool2d(x, side).flatten(1)


def global_alignment(model: TaTok, target: Tensor, globals_: Tensor) -> Tensor:
    """L_glob: E[-ln q(G(x) | g)] >= h(G(x) | g), per dimension; q a diagonal Gaussian.

    target: G(x), (B, descriptor_dim); globals_: the decoder-side tokens (B, k, D). The log-variance
    has a floor (standard deviation 1/50), or the loss has no bottom.
    """
    g = model.decoder.global_places(globals_)  # (B, k_max, D)
    g = F.layer_norm(g, g.shape[2:]).flatten(1)  # the head must not chase the tokens' growing scale
    mean, log_variance = model.describe(g).chunk(2, dim=1)
    floor = -2 * math.log(50)
    return gaussian_nll(target, mean, log_variance.clamp(min=floor)).mean() / target.shape[1]


def predictor_nll(model: TaTok, made: Reconstruction, places: Tensor) -> tuple[Tensor, Tensor]:
    """What trains the entropy heads: -ln q(z_i | G) per dimension and -ln p(q_i | G), on `places`.

    places: (n,) indices of the patches looked at this time. p and G are detached: the heads
    measure the tokens and do not shape them.
    """
    g = model.decoder.global_places(made.globals.tokens.detach()).detach()
    grid = model.config.grid_of_patches(made.patches.codes.shape[1])
    features = model.predictor(g, grid)[:, places]  # (B, n, W)
    mean, log_variance = model.predictor.gaussian(features)
    z = made.patches.latents.detach()[:, places]
    log_p = model.predictor.log_p(features)
    nll = gaussian_nll(z, mean, log_variance).mean() / z.shape[2]
    return nll, F.nll_loss(log_p.flatten(0, 1), made.patches.codes[:, places].flatten())


def code_rate(model: TaTok, made: Reconstruction, keep: Tensor, places: Tensor) -> Tensor:
    """The rate term: expected -log2 p(q_i | G) under a soft assignment, bits per pixel.

    The hard index has no gradient; softmax(-||z - e||^2 / (2 Delta^2 d)) over the codes has one, to
    z, and the predicted distribution has one to G. Scaled from the places looked at to all kept.
    """
    z = made.patches.latents[:, places]  # (B, n, d_p)
    codes = model.patch_codebook.codes
    squared = torch.cdist(z.flatten(0, 1), codes).square().unflatten(0, z.shape[:2])
    soft = (-squared / (2 * model.patch_codebook.error * z.shape[2])).softmax(dim=2)  # (B, n, K)
    M = keep.shape[1]
    grid = model.config.grid_of_patches(M)
    features = model.predictor(model.decoder.global_places(made.globals.tokens), grid)[:, places]
    bits = -(soft * model.predictor.log_p(features)).sum(dim=2) / math.log(2)  # (B, n)
    kept = (bits * keep[:, places]).mean(dim=1) * M
    return kept.mean() / model.config.side_of(grid) ** 2


def total_loss(
    model: TaTok,
    encoding: Encoding,
    keep: Tensor,
    places: Tensor,
    weights: LossWeights,
    perceptual: Lite | None = None,
    backbone: Backbone | None = None,
) -> tuple[Tensor, Reconstruction, dict[str, Tensor]]:
    """The loss to minimise, the forward it came from, and each term unweighted for the log."""
    x = encoding.pixels
    made = model(encoding, keep)
    G = descriptor(x, model.config.thumbnail) if backbone is None else backbone(x)
    commit = [commitment(made.globals, None, weights.sums)]
    commit.append(commitment(made.patches, keep, weights.sums))
    terms = {
        "rec": reconstruction(x, made.image, weights.log_rec),
        "commit": commit[0] + commit[1],  # z_aug = [g; z]
        "glob": global_alignment(model, G, made.globals.tokens),
    }
    if weights.sums:
        HWC, described = x[0].numel(), G.shape[1]
        terms |= {"commit": terms["commit"] / HWC, "glob": terms["glob"] * described / HWC}
    terms["gaussian"], terms["code"] = predictor_nll(model, made, places)
    loss = terms["rec"] + weights.glob * terms["glob"] + terms["gaussian"]
    if model.patch_codebook.live:  # before that the codes mean nothing
        loss = loss + weights.commit * terms["commit"] + terms["code"]
    if weights.rate:
        terms["rate"] = code_rate(model, made, keep, places)
        loss = loss + weights.rate * terms["rate"]
    if weights.perceptual and perceptual is not None:
        with torch.no_grad():
            target = perceptual.maps(x)
        distance = maps_distance(target, perceptual.maps(made.image))  # (B,)
        terms["perceptual"] = (distance * keep.float().mean(dim=1)).mean()
        loss = loss + weights.perceptual * terms["perceptual"]
    return loss, made, terms
