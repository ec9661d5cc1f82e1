"""The work of a step, counted by us and by torch."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tatok import speed
from tatok.transformer import blocks


@pytest.mark.parametrize("length", [3, 40])
def test_the_work_of_a_stack_is_what_torch_counts(length):
    stack = blocks(32, 3, 4, 2.0)
    h = torch.randn(2, length, 32)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        for block in stack:
            h = block(h)
    assert 2 * 2 * speed.stack_work(stack, length) == counter.get_total_flops()


def test_bf16_pays_where_its_products_are_faster(monkeypatch):
    for rate in (1.0, 3.0):
        rates = {torch.bfloat16: rate, torch.float32: 2.0}
        monkeypatch.setattr(speed, "product_rate", lambda kind, _, rates=rates: rates[kind])
        assert speed.bf16_pays() is (rate > 2.0)


def test_the_rate_of_a_product_is_that_of_its_work(monkeypatch):
    """With a clock of its own: a second goes by at every look."""
    clock = iter(range(100))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed.product_rate(torch.float32, torch.device("cpu")) == 768**3
