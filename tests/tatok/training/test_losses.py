"""Each term of the loss equals a value computed by hand."""

import math

import pytest
import torch
from conftest import pictures, random_model

from tatok.entropy import gaussian_nll
from tatok.lite import maps_distance
from tatok.quantizer import Quantized
from tatok.training import losses
from tatok.training.losses import LossWeights


def test_reconstruction():
    x = torch.zeros(2, 3, 2, 2)
    y = torch.stack([torch.full((3, 2, 2), 0.5), torch.full((3, 2, 2), 1.0)])
    assert losses.reconstruction(x, y, log=False).item() == pytest.approx((0.25 + 1) / 2)
    expected = (math.log(0.25 + 1e-5) + math.log(1 + 1e-5)) / 2
    assert losses.reconstruction(x, y, log=True).item() == pytest.approx(expected)


def quantized(latents, codes):
    return Quantized(latents, torch.zeros(latents.shape[:2], dtype=torch.long), latents, codes)


def test_commitment_counts_kept_tokens_only():
    latents = torch.tensor([[[1.0, 3.0], [9.0, 9.0]], [[2.0, 0.0], [0.0, 2.0]]])
    q = quantized(latents, torch.zeros_like(latents))
    keep = torch.tensor([[True, False], [True, True]])
    # image 0: (1 + 9) / 2 = 5; image 1: (4 + 0 + 0 + 4) / 4 = 2
    assert losses.commitment(q, keep).item() == pytest.approx(3.5)
    assert losses.commitment(q).item() == pytest.approx((1 + 9 + 81 + 81 + 4 + 4) / 8)
    assert losses.commitment(q, torch.zeros_like(keep)).item() == 0
    assert losses.commitment(quantized(latents[:, :0], latents[:, :0])).item() == 0


@pytest.mark.gradients
def test_commitment_moves_the_latents_and_not_the_codes():
    latents, codes = (
        torch.ones(1, 2, 3, requires_grad=True),
        torch.zeros(1, 2, 3, requires_grad=True),
    )
    losses.commitment(quantized(latents, codes)).backward()
    assert latents.grad.abs().sum() > 0 and codes.grad is None


def test_descriptor_is_a_thumbnail():
    x = pictures(1)
    small = losses.descriptor(x, 2).reshape(3, 2, 2)
    assert small[1, 0, 1].item() == pytest.approx(x[0, 1, :16, 16:].mean().item(), abs=1e-6)


def test_global_alignment_is_a_gaussian_code_length():
    model, x = random_model(), pictures(2)
    g = model.quantize_globals(model.encode(x, 4)).tokens
    all_places = torch.cat([g, model.decoder.mask.expand(2, 2, -1)], 1)
    alike = (all_places - all_places.mean(2, keepdim=True)) / all_places.std(
        2, keepdim=True, unbiased=False
    )
    mean, log_variance = model.describe(alike.flatten(1)).chunk(2, 1)
    deviation = (0.5 * log_variance).exp().clamp(min=1 / 50)
    density = torch.distributions.Normal(mean, deviation).log_prob(losses.descriptor(x, 4))
    assert losses.global_alignment(model, losses.descriptor(x, 4), g).item() == pytest.approx(
        -density.mean().item(), rel=1e-3
    )


def test_global_alignment_has_a_bottom():
    model, x = random_model(), torch.zeros(1, 3, 32, 32)
    model.describe.weight.zero_()
    model.describe.bias.copy_(torch.cat([torch.zeros(48), torch.full((48,), -100.0)]))
    bottom = 0.5 * math.log(2 * math.pi) - math.log(50)
    g = model.quantize_globals(model.encode(x, 4)).tokens
    assert losses.global_alignment(model, losses.descriptor(x, 4), g).item() == pytest.approx(
        bottom, rel=1e-5
    )


def test_predictor_losses_are_what_the_estimators_report():
    model, x = random_model(), pictures(2)
    encoding = model.encode(x, 4)
    made = model(encoding, torch.ones(2, 16, dtype=torch.bool))
    nll, code = losses.predictor_nll(model, made, torch.arange(16))
    mean, log_variance = model.predictor.gaussian(model.predict(encoding))
    z = model.patch_codebook.down(encoding.patches)
    assert nll.item() == pytest.approx(gaussian_nll(z, mean, log_variance).mean().item() / 4, 1e-4)
    surprisal = model.select(encoding, estimator="code").entropy
    assert code.item() == pytest.approx(surprisal.mean().item() * math.log(2), rel=1e-4)


@pytest.mark.gradients
def test_the_heads_measure_and_do_not_shape():
    model = random_model()
    made = model(model.encode(pictures(2), 4), torch.ones(2, 16, dtype=torch.bool))
    sum(losses.predictor_nll(model, made, torch.arange(16))).backward()
    assert model.predictor.to_code.weight.grad.abs().sum() > 0
    assert model.encoder.embed.weight.grad is None and model.decoder.mask.grad is None


@pytest.mark.gradients
def test_rate_term_is_bits_per_pixel_with_gradients_to_tokens():
    model = random_model()
    model.patch_codebook.error.fill_(1e-4)  # a sharp assignment is the hard one
    made = model(model.encode(pictures(2), 4), keep := torch.arange(16).expand(2, 16) < 8)
    bpp = losses.code_rate(model, made, keep, torch.arange(16))
    hard = model.select(model.encode(pictures(2), 4), estimator="code").entropy
    assert bpp.item() == pytest.approx((hard * keep).sum(1).mean().item() / 32**2, rel=0.02)
    model.zero_grad()
    model.patch_codebook.error.fill_(0.5)
    losses.code_rate(
        model, model(model.encode(pictures(2), 4), keep), keep, torch.arange(16)
    ).backward()
    assert model.encoder.embed.weight.grad.abs().sum() > 0
    assert model.encoder.queries.grad.abs().sum() > 0


def test_total_is_the_weighted_sum():
    model, x = random_model(), pictures(2)
    keep = torch.ones(2, 16, dtype=torch.bool)
    w = LossWeights(commit=0.5, glob=0.1, rate=2.0)
    loss, _, t = losses.total_loss(model, model.encode(x, 4), keep, torch.arange(16), w)
    expected = (
        t["rec"] + 0.5 * t["commit"] + 0.1 * t["glob"] + t["gaussian"] + t["code"] + 2 * t["rate"]
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_sums_are_the_papers_terms_by_the_number_of_pixels():
    model, x = random_model(), pictures(2)
    model.patch_codebook.live = True
    encoding, places = model.encode(x, 4), torch.arange(16)
    keep = torch.arange(16).expand(2, 16) < torch.tensor([[5], [16]])
    weights = LossWeights(commit=1.0, glob=1.0, log_rec=False, sums=True)
    loss, made, terms = losses.total_loss(model, encoding, keep, places, weights)
    HWC = 3 * 32 * 32
    rec = (x - made.image).square().sum() / 2
    commit = sum(
        ((q.latents - q.quantized).square().sum(dim=2) * mask).sum() / 2
        for q, mask in ((made.globals, torch.ones(2, 4)), (made.patches, keep))
    )
    glob = losses.global_alignment(model, losses.descriptor(x, 4), made.globals.tokens) * 3 * 4**2
    heads = terms["gaussian"] + terms["code"]
    assert loss.item() == pytest.approx((rec + commit + glob).item() / HWC + heads.item(), rel=1e-4)


class Halves:
    """In the place of the network: a picture's maps are its two halves."""

    def maps(self, x):
        return x[..., :16], x[..., 16:]


def test_the_perceptual_term_counts_by_the_share_of_patches_kept():
    model, x = random_model(), pictures(3)
    M = model.config.num_patches
    keep = torch.arange(M) < torch.tensor([0, M // 4, M])[:, None]
    weights = LossWeights(perceptual=0.7)
    encoding, places = model.encode(x), torch.arange(4)
    asked = (model, encoding, keep, places, weights)
    loss, made, terms = losses.total_loss(*asked, Halves())
    distance = maps_distance(Halves().maps(x), Halves().maps(made.image))
    expected = (distance[1] / 4 + distance[2]) / 3
    assert terms["perceptual"].item() == pytest.approx(expected.item(), rel=1e-5)
    without = losses.total_loss(*asked)[0]
    assert (loss - without).item() == pytest.approx(0.7 * expected.item(), rel=1e-4)
