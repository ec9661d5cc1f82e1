"""Every stage of every size, counted by hand where that can be done, and the command's table."""

import dataclasses
import json
import sys

import pytest
import torch
from conftest import TINY

from tatok import __main__ as cli
from tatok.bench import stages
from tatok.config import GENERATOR_SIZES, SIZES
from tatok.entropy import ESTIMATORS

NAMES = ["encode", *(f"select, {name}" for name in ESTIMATORS), "quantize", "decode"]


@pytest.fixture
def tiny(monkeypatch):
    for size in SIZES:
        monkeypatch.setitem(SIZES, size, TINY)
    for size in GENERATOR_SIZES:
        small = {"dim": 32, "depth": 1, "heads": 4, "place_dim": 16}
        monkeypatch.setitem(GENERATOR_SIZES, size, small)


def test_the_work_of_encoder_and_decoder_is_what_is_worked_out_by_hand(tiny):
    rows = {row.stage: row for row in stages.measure("demo", None, 2, "cpu", 1e-3)}
    D, M, patch = TINY.dim, TINY.num_patches, 3 * 8 * 8
    block = lambda L: 8 * D * D * L + 2 * L * L * D  # noqa: E731 - qkv, proj and an MLP of 2 D
    depth, G = TINY.depth, TINY.global_code_dim
    assert rows["encode"].multiply_adds == M * patch * D + depth * block(M + TINY.k)
    codes = TINY.k * G * D + M * TINY.patch_code_dim * D  # both up-projections
    whole = depth * block(M + TINY.k_max) + M * D * patch
    assert rows["decode"].multiply_adds == codes + whole
    twice = rows["select, gain"].multiply_adds - rows["select, rate"].multiply_adds
    assert twice > whole  # `gain` decodes a second time, and neither is remembered
    for row in rows.values():
        assert row.pictures_per_second == pytest.approx(2 / row.seconds)
        assert row.of_encode == pytest.approx(row.seconds / rows["encode"].seconds)


def test_the_share_is_the_time_of_the_products_over_the_stages(tiny, monkeypatch):
    monkeypatch.setattr(stages, "seconds", lambda run, patience: 4.0)
    monkeypatch.setattr(stages, "seconds_alone", lambda counts, device, patience: 3.0)
    shares = {row.stage: row.share_of_mm for row in stages.measure("demo", None, 1, "cpu", 1.0)}
    assert shares["encode"] == shares["decode"] == 0.75
    monkeypatch.setattr(stages, "products", lambda run: {})
    assert next(stages.measure("demo", None, 1, "cpu", 1.0)).share_of_mm is None


def test_the_peak_is_of_what_runs():
    def run():
        return torch.ones(300 << 18).sum()  # 300 MiB, more than the allocator keeps at hand

    with_it = stages.peak_memory(run, "cpu")
    if with_it is None:
        pytest.skip("This system does not tell the peak of a process.")
    without = stages.peak_memory(lambda: None, "cpu")  # the mark begins anew
    assert 200 << 20 < with_it - without < 330 << 20


def test_the_command_prints_and_writes_every_stage(tiny, tmp_path, monkeypatch, capsys):
    path = tmp_path / "costs.json"
    monkeypatch.setattr(sys, "argv", [
        "tatok", "bench", "--size", "demo", "base", "--batch", "2", "1", "--device", "cpu",
        "--seconds", "0.001", "--json", str(path),
    ])  # fmt: skip
    cli.main()
    told, _, *table = capsys.readouterr().out.splitlines()
    made = json.loads(path.read_text())
    assert told.startswith(f"CPU, {torch.get_num_threads()} threads, float32")
    sampled = [*NAMES, "sample, 57 tokens, 8 steps"]
    wanted = [("demo", b, s) for b in (1, 2) for s in sampled]
    wanted += [("base", b, s) for b in (1, 2) for s in NAMES]  # there is no generator of this size
    assert [(r["size"], r["batch"], r["stage"]) for r in made["rows"]] == wanted
    rows = [stages.StageCost(**row) for row in made["rows"]]
    assert table == [*stages.HEAD.splitlines(), *map(stages.line, rows)]
    assert not list(tmp_path.glob(".*"))


def test_what_does_not_fit_a_gpu_is_left_out(monkeypatch):
    row = stages.StageCost("demo", 32, 1, "encode", 1.0, 1.0, 1.0, None, 1.0, None)

    def measure(size, side, batch, *_):
        if (size, batch) == ("demo", 4):
            raise torch.OutOfMemoryError
        yield dataclasses.replace(row, size=size, batch=batch)

    monkeypatch.setattr(stages, "measure", measure)
    said = []
    *_, last = stages.costs(["demo", "base"], None, [64, 4, 1], "cpu", 1.0, said.append)
    found = [(row.size, row.batch) for row in last.rows]
    assert found == [("demo", 1), ("base", 1), ("base", 4), ("base", 64)]
    assert said == ["demo at batch 4 does not fit the memory of CPU."]


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--batch", "0"], "1 picture or more"),
        (["--side", "60"], "S = "),
        (["--seconds", "0"], "more"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tiny, monkeypatch, options, sentence):
    monkeypatch.setattr(sys, "argv", ["tatok", "bench", "--device", "cpu", *options])
    with pytest.raises(SystemExit, match=sentence):
        cli.main()
