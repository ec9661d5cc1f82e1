"""What several test files share: small models with random weights, and pictures made by code."""

import dataclasses
import signal
from contextlib import contextmanager

import pytest
import torch

from tatok import MaskGIT, TaTok, TokenizerConfig
from tatok.config import GeneratorConfig

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


def random_generator(tokenizer: TaTok, seed: int = 0, **changes) -> MaskGIT:
    """A tiny MaskGIT of the classes a and b for this tokenizer, with random parameters."""
    c = tokenizer.config
    config = GeneratorConfig(
        classes=("a", "b"),
        tokenizer=tokenizer.fingerprint,
        num_patches=c.num_patches,
        k=c.k,
        codebook_size=c.codebook_size,
        layout=c.layout,
        estimator=c.estimator,
        dim=32,
        depth=2,
        place_dim=16,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        generator = MaskGIT(dataclasses.replace(config, **changes)).eval()
        for parameter in generator.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
        generator.to_profile.weight *= 0.1  # else one place has all the entropy
    return generator


def pictures(n: int, size: int = 32, seed: int = 0) -> torch.Tensor:
    """n smooth random colour pictures with a few hard edges, (n, 3, size, size) in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 5, 5, generator=generator) * 2 - 1
    x = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    for row in range(n):
        cut = int(torch.randint(4, size - 4, (1,), generator=generator))
        x[row, :, :, cut:] = -x[row, :, :, cut:]
    return x.clamp(-1, 1)


@contextmanager
def full_disk(room=0):
    """The system refuses every byte beyond `room` of a file, as a full disk does."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


# The two layouts.
KINDS = {
    "grid": {},
    "sequence": {"layout": "sequence"},
}


@pytest.fixture(params=KINDS)
def model(request) -> TaTok:
    """A tiny random model of each kind."""
    return random_model(**KINDS[request.param])


@pytest.fixture(autouse=True)
def no_gradients(request):
    """Tests run without gradients unless they are marked `gradients`."""
    with torch.set_grad_enabled("gradients" in request.keywords):
        yield


def pytest_addoption(parser):
    parser.addoption("--write-golden", action="store_true", help="write tests/tatok/golden.json")


@pytest.fixture
def no_accelerator(monkeypatch):
    """For what is timed: a device that another test pretends stays registered, and cannot be waited
    for."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda *_, **__: False)
