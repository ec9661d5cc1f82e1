"""The counted work against multiply-adds worked out by hand."""

import sys

import pytest
import torch
from conftest import pictures, random_model

from tatok import __main__ as cli
from tatok import config, load_image
from tatok.bench import generator as bench
from tatok.images import to_pil
from tatok.sampling import SamplingOptions, still_masked

DEMO = config.GENERATOR_SIZES["demo"]
D, DEPTH = DEMO["dim"], DEMO["depth"]


def by_hand(total):
    """Multiply-adds of the blocks: `demo` size, 8 steps, 3 of them for the globals, and the pair.

    Linear maps 12 D² a token, attention's two products D a pair of tokens each.
    """
    k, N = bench.split(total)
    blocks = lambda T: DEPTH * (12 * D * D * T + 2 * D * T * T)  # noqa: E731
    return 2 * (3 * blocks(1 + k) + 5 * blocks(1 + k + N))


def logits_by_hand(total):
    """K D for every token that is still masked at a step, of the pair."""
    k, N = bench.split(total)
    masked = lambda L, T: sum(L if t == 1 else left(L, t - 1, T) for t in range(1, T + 1))  # noqa: E731
    return 2 * 4096 * D * (masked(k, 3) + masked(N, 5))


def left(L, t, T):
    return int(still_masked(torch.tensor([L]), t, T, SamplingOptions().schedule))


def places_by_hand(total):
    """The head that chooses the places, of width W, once: M places ask 1 + k tokens."""
    (k, _), M, W = bench.split(total), 441, 128
    place = 10 * W * W + 2 * W * (1 + k) + W  # its query, merge and MLP; two products; its share
    return M * place + (1 + k) * (D * W + 2 * W * W) + W * M


@pytest.mark.parametrize("total", [57, 569])
def test_counted_work_is_exactly_what_is_worked_out_by_hand(total):
    counted = bench.measure("demo", "", total, batch=1, steps=8, device="cpu").multiply_adds
    assert counted == by_hand(total) + logits_by_hand(total) + places_by_hand(total)


def test_command_prints_every_length_of_every_size(monkeypatch, capsys, tmp_path):
    for size in list(config.GENERATOR_SIZES):
        tiny = {"dim": 32, "depth": 1, "heads": 4, "place_dim": 16}
        monkeypatch.setitem(config.GENERATOR_SIZES, size, tiny)
    model = random_model()
    model.save_pretrained(tmp_path)
    to_pil(pictures(1)[0]).save(tmp_path / "one.png")
    monkeypatch.setattr(sys, "argv", [
        "tatok", "bench", "generator", "--batch", "1", "--steps", "2",
        "--tokenizer", str(tmp_path), "--pictures", str(tmp_path),
    ])  # fmt: skip
    cli.main()
    head, own, *lines = capsys.readouterr().out.splitlines()
    assert own == f"DTF's mean: k + N of 1 pictures at epsilon = 0.05 by {tmp_path}, M = 16"
    threads = torch.get_num_threads()
    assert head.startswith(f"2 steps, guidance pair, batch 1, fp32, cpu, {threads} threads")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    N = int(model.select(model.encode(load_image(tmp_path / "one.png", 32))).count)
    lengths = [f"{4 + N} tokens, DTF's mean"] + [f"{n} tokens" for n in (57, 64, 256, 457, 569)]
    assert [row[:2] for row in cells] == [[s, n] for s in ("paper", "demo") for n in lengths]
    for row in cells:
        work, speed, counted, timed = (float(value.rstrip(" G")) for value in row[2:])
        assert work > 0 and speed > 0 and timed > 0
        assert counted > 1 or row[1].startswith("569")
    assert [row[4:] for row in cells if row[1].startswith("569")] == [["1.00", "1.00"]] * 2


def test_split():
    assert bench.split(57) == (16, 41) and bench.split(457) == (16, 441)
    assert bench.split(569) == (128, 441)
