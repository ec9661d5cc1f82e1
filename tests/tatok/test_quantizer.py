"""The codebook: nearest codes, straight-through gradients, moving averages, dead codes."""

import pytest
import torch
from conftest import random_model

from tatok.quantizer import Codebook, kmeans


def codebook(size=32, d=3, **kw):
    torch.manual_seed(0)
    return Codebook(6, size, d, **kw)


def test_nearest_is_nearest():
    book = codebook()
    z = torch.randn(4, 10, 3)
    distance = (z[:, :, None] - book.codes).square().sum(3)
    assert torch.equal(book.nearest(z), distance.argmin(2))


@pytest.mark.gradients
def test_gradient_passes_straight_through():
    book = codebook()
    tokens = torch.randn(2, 5, 6, requires_grad=True)
    out = book(tokens)
    torch.testing.assert_close(out.tokens, book.embed(out.codes), atol=1e-5, rtol=0)
    g = torch.randn_like(out.tokens)
    out.tokens.backward(g)
    torch.testing.assert_close(tokens.grad, g @ book.up.weight @ book.down.weight)


def test_update_is_a_moving_average_of_the_latents_won():
    book = codebook(size=2, d=1, decay=0.9)
    book.codes.copy_(torch.tensor([[0.0], [10.0]]))
    book.mass.fill_(1.0)
    book.sums.copy_(book.codes)
    book.error.fill_(1.0)
    book.update(torch.tensor([[1.0], [2.0], [9.0]]), torch.tensor([0, 0, 1]), torch.Generator())
    assert book.mass.tolist() == pytest.approx([1.1, 1.0])
    assert book.codes[:, 0].tolist() == pytest.approx([0.3 / 1.1, 9.9])
    assert book.error.item() == pytest.approx(0.9 + 0.1 * (1 + 4 + 1) / 3)


def test_dead_codes_are_restarted_from_the_batch():
    book = codebook(size=128, d=2, decay=0.5)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(500, 2, generator=generator) + 50  # no code is near
    for _ in range(200):
        book.update(latents, book.nearest(latents), generator)
    assert len(book.nearest(latents).unique()) > 100
    still = codebook(size=128, d=2, decay=0.5)
    only = still.nearest(latents).unique()
    assert len(only) < 20  # what restarting mended


def test_fit_uses_every_code_and_sets_the_resolution():
    book = codebook(size=64, d=3)
    z = torch.randn(2000, 3, generator=torch.Generator().manual_seed(1))
    book.fit(z, torch.Generator().manual_seed(0))
    codes = book.nearest(z)
    assert len(codes.unique()) == 64
    mse = (z - book.codes[codes]).square().mean().item()
    assert mse < 0.15 and book.delta.item() == pytest.approx(mse**0.5, rel=1e-4)


def test_kmeans_finds_separate_clusters_and_needs_points():
    centres = torch.tensor([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    noise = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    points = centres.repeat_interleave(100, 0) + noise
    found = kmeans(points, 3, torch.Generator().manual_seed(2), rounds=30)
    assert (torch.cdist(centres, found).min(1).values < 1).all()
    with pytest.raises(ValueError, match="at least 3"):
        kmeans(points[:2], 3, torch.Generator())


def test_codes_do_not_depend_on_autocast():
    """Half precision mistakes codes: the projection to the latents is outside of it, too."""
    model = random_model()
    tokens = torch.randn(4, 50, model.config.dim)
    plain = model.patch_codebook(tokens)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.patch_codebook(tokens)
    assert torch.equal(plain.codes, mixed.codes) and torch.equal(plain.latents, mixed.latents)


def test_the_tokens_of_training_are_those_of_the_codes():
    model = random_model()
    q = model.patch_codebook(torch.randn(4, 50, model.config.dim))
    assert torch.equal(q.tokens, model.patch_codebook.embed(q.codes))
