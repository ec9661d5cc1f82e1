"""The products that are recorded are those that were taken."""

import time

import torch
from conftest import pictures, random_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tatok.bench import products as module
from tatok.bench.products import Product, multiply_adds, products, seconds_alone
from tatok.entropy import ESTIMATORS

f32 = torch.float32


def test_shapes_and_how_often():
    a, b, c = torch.ones(2, 3), torch.ones(3, 5), torch.ones(4, 2, 3)

    def run():
        a @ b
        torch.addmm(torch.ones(5), a, b)
        c @ c.transpose(1, 2)

    assert products(run) == {Product(1, 2, 3, 5, f32): 2, Product(4, 2, 3, 2, f32): 1}
    assert multiply_adds(products(run)) == 2 * 2 * 3 * 5 + 4 * 2 * 3 * 2


def test_what_a_tokenizer_multiplies_is_what_torch_counts():
    model, x = random_model().requires_grad_(False), pictures(3)
    encoding = model.encode(x)
    tokens = model.quantize(encoding)
    runs = [lambda: model.encode(x), lambda: model.decode(tokens)]
    runs += [lambda e=e: model.measure(encoding.rows(torch.arange(3)), e) for e in ESTIMATORS]
    for run in runs:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            run()
        assert 2 * multiply_adds(products(run)) == counter.get_total_flops() > 0


def test_their_time_is_that_of_each_as_often_as_it_is_taken(monkeypatch):
    asked = []

    def seconds(run, patience):
        asked.append((*run().shape, patience))
        return 10.0 ** len(asked)

    monkeypatch.setattr(module, "seconds", seconds)
    counts = {Product(1, 2, 3, 5, f32): 2, Product(4, 2, 3, 7, torch.float64): 3}
    module._seconds.cache_clear()
    for _ in range(2):  # measured once
        assert seconds_alone(counts, "cpu", 0.25) == 2 * 10 + 3 * 100
    assert asked == [(2, 5, 0.25), (4, 2, 7, 0.25)]
    module._seconds.cache_clear()


def test_a_run_that_waits_takes_its_time():
    assert 0.02 < module.seconds(lambda: time.sleep(0.02), 0.05) < 0.5
