"""What is fitted once, after training: the unit of `residual` and the correlations of `chain`."""

from __future__ import annotations

import torch
from torch import Tensor

from tatok import entropy
from tatok.tokenizer import TaTok


@torch.no_grad()
def calibrate(model: TaTok, images: Tensor, batch: int = 8) -> None:
    """Fit on images (n, 3, S, S), S = config.middle: the unit of `residual`, and the correlation.

    residual_scale = mean `code` / mean `residual`, which turns it into bits. correlation (M, M): of
    the patches' latents standardised by the predicted mean and deviation given G, averaged over
    images and dimensions.
    """
    model.residual_scale.fill_(1)
    outer = torch.zeros_like(model.correlation)
    code, residual = outer.new_zeros(()), outer.new_zeros(())
    for x in images.split(batch):
        seen = model.observe(model.encode(x))
        code += entropy.code(seen).sum()
        residual += entropy.residual(seen).sum()
        mean, log_variance = seen.latent_given_G
        r = (seen.z - mean) / (0.5 * log_variance).exp()  # (B, M, d_p)
        outer += torch.einsum("bid,bjd->ij", r, r)
    deviation = outer.diagonal().clamp(min=1e-12).sqrt()
    model.residual_scale.fill_(code / residual)
    model.correlation.copy_(outer / deviation[:, None] / deviation[None])
