"""What several test files share: small models with random weights, and pictures made by code."""

import dataclasses

import pytest
import torch

from tatok import TaTok, TokenizerConfig

TINY = TokenizerConfig(
    image_size=32,
    patch_size=8,
    dim=48,
    depth=2,
    heads=4,
    k=4,
    k_max=6,
    codebook_size=64,
    patch_code_dim=4,
    global_code_dim=5,
    predictor_dim=32,
    target_psnr=10.0,
)


def random_model(seed: int = 0, **changes) -> TaTok:
    """A tiny TaTok with random parameters, so that no path is dead at its zero start."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = TaTok(dataclasses.replace(TINY, **changes)).eval()
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape)
        for book in (model.patch_codebook, model.global_codebook):
            book.error.fill_(0.05)
    return model


def pictures(n: int, size: int = 32, seed: int = 0) -> torch.Tensor:
    """n smooth random colour pictures with a few hard edges, (n, 3, size, size) in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 5, 5, generator=generator) * 2 - 1
    x = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    for row in range(n):
        cut = int(torch.randint(4, size - 4, (1,), generator=generator))
        x[row, :, :, cut:] = -x[row, :, :, cut:]
    return x.clamp(-1, 1)


@pytest.fixture(params=["grid", "sequence"])
def model(request) -> TaTok:
    """A tiny random model of each layout."""
    return random_model(layout=request.param)


@pytest.fixture(autouse=True)
def no_gradients(request):
    """Tests run without gradients unless they are marked `gradients`."""
    with torch.set_grad_enabled("gradients" in request.keywords):
        yield
