"""The counted work against multiply-adds worked out by hand."""

import sys

import pytest
import torch
from conftest import pictures, random_model

from tatok import __main__ as cli
from tatok import bench, config, load_image
from tatok.images import to_pil


def by_hand(total):
    """Multiply-adds of the blocks' linear maps: `demo` size, 8 steps, 3 of them for the globals."""
    k, N = bench.split(total)
    per_token = 8 * 12 * 256 * 256
    return 2 * per_token * (3 * (1 + k) + 5 * (1 + k + N))


@pytest.mark.parametrize("total", [57, 569])
def test_counted_work_is_the_linear_maps_and_what_else_there_is(total):
    counted = bench.measure("demo", "", total, batch=1, steps=8, device="cpu").multiply_adds
    # logits, attention's own products and the places
    assert 1.05 < counted / by_hand(total) < 1.9


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
    head, *lines = capsys.readouterr().out.splitlines()
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
