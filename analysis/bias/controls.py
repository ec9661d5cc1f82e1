"""Pictures made by code, and photographs made seamless: the controls of the positional-bias lab.

All are (n, 3, S, S) in [-1, 1], as `tatok.load_image` returns them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analysis.base.examples import PATTERNS, noise
from tatok.images import to_tensor
from tatok.streams import seeded

SINGLE = ("white", "black", "gradient", "checkerboard")
CONTRAST = 0.35  # standard deviation of clouds, near that of photographs
# Channels of clouds from three independent fields: most of the variance is brightness.
COLOURS = torch.tensor([[0.9, 0.35, -0.2], [0.9, 0.0, 0.35], [0.9, -0.35, -0.2]])


def patterns(size: int) -> dict[str, Tensor]:
    """White, black, gradient and checkerboard by name, (1, 3, S, S) each."""
    return {name: to_tensor(PATTERNS[name](size)) for name in SINGLE}


def noises(n: int, size: int, seed: int = 0) -> Tensor:
    """Every channel of every pixel uniform from 0..255; picture i has the seed `seed` + i."""
    return torch.cat([to_tensor(noise(size, seed + i)) for i in range(n)])


def colours(n: int, size: int, seed: int = 0) -> Tensor:
    """Flat pictures, each of one colour drawn uniformly."""
    levels = torch.randint(256, (n, 3, 1, 1), generator=seeded(seed, 0))
    return (levels / 127.5 - 1).expand(n, 3, size, size).contiguous()


def clouds(n: int, size: int, seed: int = 0, tileable: bool = True) -> Tensor:
    """Random fields whose amplitude falls as 1 / frequency, as that of photographs does.

    They are stationary: no place is special. `tileable`: the field has the period S, so that a roll
    makes no seam; otherwise a window is cut from a field of period 2 S, and a roll makes one.
    """
    side = size if tileable else 2 * size
    white = torch.randn(n, 3, side, side, generator=seeded(seed, 1))
    fy, fx = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)
    frequency = (fy**2 + fx**2).sqrt()
    frequency[0, 0] = torch.inf  # no mean
    field = torch.fft.irfft2(torch.fft.rfft2(white) / frequency, s=(side, side))
    field = torch.einsum("cf,nfyx->ncyx", COLOURS, field[:, :, :size, :size])
    deviation = field.flatten(1).std(dim=1)[:, None, None, None]
    return (CONTRAST * field / deviation).clamp(-1, 1)


def mirrored(x: Tensor) -> Tensor:
    """The centre quarter of each picture and its three mirror images: a torus without a seam."""
    side = x.shape[2] // 2
    quarter = x[:, :, side // 2 : side // 2 + side, side // 2 : side // 2 + side]
    half = torch.cat([quarter, quarter.flip(3)], dim=3)
    return torch.cat([half, half.flip(2)], dim=2)


def random_rolls(x: Tensor, stride: int, seed: int = 0) -> Tensor:
    """Each picture rolled by a random number of patches of its own, `stride` px each."""
    shifts = stride * torch.randint(x.shape[2] // stride, (len(x), 2), generator=seeded(seed, 2))
    return torch.stack(
        [image.roll(tuple(s), dims=(1, 2)) for image, s in zip(x, shifts.tolist(), strict=True)]
    )
