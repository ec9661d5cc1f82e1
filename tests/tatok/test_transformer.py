"""Attention that goes through pictures and heads a few at a time."""

import pytest
import torch

from tatok import transformer
from tatok.transformer import PlaceQueries, SelfAttention

MASKS = {
    "none": None,
    "of keys": torch.rand(3, 1, 1, 10, generator=torch.Generator().manual_seed(1)) < 0.7,
    "of pairs": torch.rand(3, 1, 10, 10, generator=torch.Generator().manual_seed(2)) < 0.7,
}


@torch.enable_grad()
@pytest.mark.parametrize("together", [1, 5, 12])  # of the twelve heads of three pictures
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_few_heads_at_a_time_are_the_same_attention(mask, together, monkeypatch):
    """Values and gradients; of queries that see something."""
    monkeypatch.setattr(transformer, "SCORES", together * 10**2)
    torch.manual_seed(0)
    attention = SelfAttention(16, num_heads=4, qkv_bias=True)
    if mask is not None:
        mask[..., 0] = True
    x = torch.randn(3, 10, 16)
    found = []
    for attend in (attention, attention.by_heads):
        attention.zero_grad()
        y = attend(x, attn_mask=mask)
        y.square().sum().backward()
        found.append([y.detach(), *(p.grad.clone() for p in attention.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_in_half_precision_it_goes_by_heads(monkeypatch):
    attention, calls = SelfAttention(16, num_heads=4), []
    by_heads = SelfAttention.by_heads
    monkeypatch.setattr(
        SelfAttention, "by_heads", lambda *given: calls.append(given) or by_heads(*given)
    )
    x = torch.randn(2, 10, 16)
    expected = attention(x)
    assert not calls
    with torch.autocast("cpu", torch.bfloat16):
        y = attention(x)
    assert len(calls) == 1
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), expected, atol=0.02, rtol=0.05)


def test_every_place_asks_by_its_own_row_of_the_table():
    torch.manual_seed(0)
    queries, tokens = PlaceQueries(8, 16, grid=4), torch.randn(2, 5, 8)
    every = queries(tokens)  # (2, 16, 16)
    table = queries.places.detach().clone()
    for place in range(16):
        queries.places.data = table[place].expand(16, -1).clone()
        alone = queries(tokens)  # all places ask as this one
        torch.testing.assert_close(alone[:, 0], every[:, place])
        assert not torch.allclose(alone[:, 0], every[:, (place + 1) % 16], atol=1e-4)
