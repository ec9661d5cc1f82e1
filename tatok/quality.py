"""Quality of one image against another: PSNR, SSIM.

Images are float tensors (B, 3, H, W) in [-1, 1], so the peak-to-peak range L is 2; clamp the output
of a decoder first.
"""

from __future__ import annotations

import torch
from torch import Tensor

RANGE = 2.0  # L, of images in [-1, 1]
WINDOW, SIGMA = 11, 1.5  # of SSIM's Gaussian, in pixels
C1, C2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per image, (B,), in dB: 10 log10(L² / MSE); equal images: inf."""
    x, y = check_pair(x, y)
    return 10 * torch.log10(RANGE**2 / (x - y).square().mean((1, 2, 3)))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity per image, (B,), at most 1 (Wang et al., 2004).

    Gaussian window of 11 px, σ = 1.5, population covariance, K1 = 0.01, K2 = 0.03; mean over the
    channels. No padding: only windows that lie wholly in the image count, so the outer 5 pixels
    are no window's centre. ValueError below 11 px.
    """
    x, y = check_pair(x, y, WINDOW)
    # Black must be 0: the luminance term is a ratio of intensities, not invariant to a shift.
    return _similarity(x + 1, y + 1).mean(1)


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """SSIM, a mean over positions, (B, C); x and y in [0, L]."""
    rows, columns = _gaussian_band(x.shape[2], x), _gaussian_band(x.shape[3], x)

    def blur(z: Tensor) -> Tensor:
        return rows @ z @ columns.T  # the separable Gaussian, faster so than as a convolution

    mean_x, mean_y, xx, yy, xy = blur(torch.cat([x, y, x * x, y * y, x * y])).chunk(5)
    var_x, var_y, cov = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    contrast = (2 * cov + C2) / (var_x + var_y + C2)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return (luminance * contrast).mean((2, 3))


def _gaussian_band(n: int, like: Tensor) -> Tensor:
    """The Gaussian window at each place where it fits n pixels, (n - WINDOW + 1, n); row sums 1."""
    places = torch.arange(n - WINDOW + 1, dtype=like.dtype, device=like.device) + WINDOW // 2
    offset = torch.arange(n, dtype=like.dtype, device=like.device) - places[:, None]
    window = torch.exp(-(offset**2) / (2 * SIGMA**2)) * (offset.abs() <= WINDOW // 2)
    return window / window.sum(1, keepdim=True)


def check_pair(x: Tensor, y: Tensor, min_side: int = 1) -> tuple[Tensor, Tensor]:
    """x and y in at least single precision; ValueError unless both are (B, C, H, W) floats."""
    if x.shape != y.shape or x.ndim != 4 or not (x.is_floating_point() and y.is_floating_point()):
        raise ValueError(
            "Two batches of float images of one shape (B, C, H, W) are needed, not "
            f"{x.dtype} {tuple(x.shape)} and {y.dtype} {tuple(y.shape)}."
        )
    if min(x.shape[2:]) < min_side:
        raise ValueError(f"Images of at least {min_side} px are needed, not {tuple(x.shape[2:])}.")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return x.to(dtype), y.to(dtype)
