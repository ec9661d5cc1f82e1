"""The counted curves against formulas in L and D, where they cross, and the command."""

import itertools
import json
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from conftest import TINY, pictures, random_model
from torch.utils._python_dispatch import TorchDispatchMode

from tatok import __main__ as cli
from tatok.bench import growth, stages
from tatok.config import SIZES

STAGES = ["encode", "select, rate", "select, residual", "quantize", "decode"]
BASE = growth.Setting("demo", side=32, k=TINY.k, batch=1, processes=1, threads=1)
TWO = replace(BASE, processes=2, threads=torch.get_num_threads())


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    for size in SIZES:
        monkeypatch.setitem(SIZES, size, TINY)


@pytest.fixture
def untimed(monkeypatch):
    """Nothing is timed: a quarter of a second and 7 GiB, whatever runs."""
    monkeypatch.setattr(growth, "seconds", lambda run, patience: 0.25)
    monkeypatch.setattr(stages, "peak_memory", lambda run, device: 7 << 30)


def points(**changes):
    """By stage, the points of one setting."""
    setting = replace(BASE, **changes)
    made = growth.measure(setting, setting.config, "cpu", 1e-3, lambda: None)
    return {point.stage: point for point in made}


def square(L):
    """Attention's two products in all blocks."""
    return TINY.depth * 2 * L * L * TINY.dim


@pytest.mark.parametrize("side, k, batch", [(32, 4, 2), (64, 0, 1), (24, 9, 3)])
def test_the_counted_split_is_the_formula_in_L_and_D(untimed, side, k, batch):
    made, D, M = points(side=side, k=k, batch=batch), TINY.dim, (side // 8) ** 2
    blocks = lambda L: TINY.depth * 8 * D * D * L  # noqa: E731 - qkv, proj and an MLP of 2 D
    k_max = max(k, TINY.k_max)
    whole = blocks(M + k_max) + M * D * 192
    assert list(made) == STAGES and {p.patches for p in made.values()} == {M}
    assert made["encode"].attention == square(M + k)
    assert made["encode"].others == M * 192 * D + blocks(M + k)
    assert made["decode"].attention == made["select, rate"].attention == square(M + k_max)
    assert made["decode"].others == whole + k * 5 * D + M * 4 * D  # both up-projections
    assert made["select, rate"].others == whole + k * D * 5 + k * 64 * 5 + k * 5 * D
    assert made["select, residual"].attention == made["quantize"].attention == 0
    assert made["quantize"].pictures_per_second == batch / 0.25


def test_from_the_crossing_on_attention_is_more(untimed):
    near = [p for side in (32, 40) for p in points(side=side).values()]
    found = {c.stage: c for c in growth.crossings(near)}
    for stage in ("encode", "select, rate", "decode"):
        c = found[stage]
        below, there = (points(side=side)[stage] for side in (c.side - 8, c.side))
        assert below.patches < c.patches <= there.patches
        assert below.attention < below.others and there.attention > there.others
        assert c.formula == 4 * TINY.dim < c.patches  # the embedding is linear, too
    assert found["quantize"].patches is found["quantize"].side is None


def test_the_crossing_of_curves_that_are_known():
    at = lambda M: growth.Point(  # noqa: E731
        **vars(BASE), patches=M, stage="encode", seconds=1.0, pictures_per_second=1.0,
        attention=3.0 * (M + 5) ** 2, others=60.0 * M + 3 * 25**2 - 60 * 20, peak_bytes=None,
    )  # fmt: skip
    assert growth.meeting(at(4), at(9)) == pytest.approx(20)
    assert growth.meeting(at(4), at(4)) is None
    assert growth.meeting(at(4), replace(at(9), attention=0.0)) is None


def test_the_exponent_is_that_of_the_last_sides(untimed):
    one = points()["quantize"]
    times = {4: 9.0, 16: 1.0, 64: 8.0, 256: 64.0}  # M^1.5 but for the first
    line = [replace(one, patches=M, side=8 * M, seconds=t) for M, t in times.items()]
    other = replace(one, batch=2, patches=1024, seconds=1.0)  # of another curve
    (made,) = growth.crossings([*line, other])
    assert made.exponent == pytest.approx(1.5)
    assert next(growth.crossings(line[:1])).exponent is None


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor has that is made."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numbers = max(self.numbers, made.numel())
        return made


def test_no_tensor_grows_as_the_square_of_the_patches():
    model = random_model(max_side=256)
    largest = []
    for side in (128, 256):  # M = 256, 1,024
        with Largest() as seen:
            encoding = model.encode(pictures(1, side))
            for estimator in ("gain", "residual"):
                model.decode(model.quantize(encoding, model.select(encoding, estimator=estimator)))
        largest.append(seen.numbers)
    assert 3 < largest[1] / largest[0] < 5


def run(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["tatok", "bench", "growth", "--device", "cpu", *options])
    cli.main()


def test_the_command_prints_and_writes_every_point(untimed, tmp_path, monkeypatch, capsys):
    path, threads = tmp_path / "growth.json", torch.get_num_threads()
    many = lambda setting, *_: points(processes=setting.processes).values()  # noqa: E731
    monkeypatch.setattr(growth, "side_by_side", many)
    run(
        monkeypatch, "--size", "demo", "base", "--side", "64", "32", "--k", "0", "4", "8",
        "--batch", "1", "2", "--processes", "3", "--seconds", "0.1", "--json", str(path),
    )  # fmt: skip
    head, _, *lines = capsys.readouterr().out.splitlines()
    made = json.loads(path.read_text())
    assert head.startswith(f"CPU, {threads} threads") and made["patience"] == 0.1
    settings = [(32, 4, 1, 1), (64, 4, 1, 1), (32, 0, 1, 1), (32, 8, 1, 1), (32, 4, 2, 1)]
    wanted = [(*one, stage) for one in [*settings, (32, 4, 1, 3)] for stage in STAGES]
    names = "side", "k", "batch", "processes", "stage"
    assert [tuple(row[name] for name in names) for row in made["rows"]] == 2 * wanted
    rows = [growth.Point(**row) for row in made["rows"]]
    cross = [growth.Crossing(**row) for row in made["crossings"]]
    assert cross == list(growth.crossings(rows)) and len(cross) == 2 * len(STAGES)
    printed = [*growth.HEAD.splitlines(), *map(growth.line, rows), ""]
    assert lines == [*printed, *growth.table(cross).splitlines()]
    assert growth.line(rows[0]).endswith("| 7,168 MiB | yes |")
    assert growth.line(replace(rows[0], peak_bytes=8 << 30)).endswith("| 8,192 MiB | no |")


class Pool(ThreadPoolExecutor):
    """Threads, since a process imports torch for seconds; what it is given has to travel."""

    def __init__(self, n, context, initializer, initargs):
        super().__init__(n, initializer=initializer, initargs=initargs)

    def submit(self, *what):
        return super().submit(*pickle.loads(pickle.dumps(what)))


def test_processes_side_by_side_add_up(untimed, monkeypatch):
    times = itertools.cycle([0.25, 0.5])  # one each, if both are at the same stage
    monkeypatch.setattr(growth, "seconds", lambda run, patience: next(times))
    monkeypatch.setattr(growth, "ProcessPoolExecutor", Pool)
    made = list(growth.side_by_side(replace(TWO, batch=3), "cpu", 1.0))
    assert [point.stage for point in made] == STAGES
    for both, one in zip(made, points(batch=3).values(), strict=True):
        assert both == replace(
            one,
            processes=2,
            threads=TWO.threads,
            seconds=0.375,
            pictures_per_second=3 / 0.25 + 3 / 0.5,
            peak_bytes=14 << 30,
        )


def test_one_process_that_fails_does_not_leave_the_others_waiting(untimed, monkeypatch):
    first = iter([True])

    def products(run):
        if next(first, False):
            raise RuntimeError("does not fit")
        return {}

    monkeypatch.setattr(growth, "products", products)
    monkeypatch.setattr(growth, "ProcessPoolExecutor", Pool)
    with pytest.raises(RuntimeError):
        list(growth.side_by_side(TWO, "cpu", 1.0))


def test_what_stands_before_the_verb_counts(untimed, tmp_path, monkeypatch, capsys):
    path = tmp_path / "growth.json"
    axes = ["--side", "32", "--k", "4", "--batch", "1", "--processes", "1"]
    monkeypatch.setattr(growth, "side_by_side", lambda *_: ())
    argv = ["tatok", "bench", "--size", "base", "--json", str(path), "growth", *axes]
    monkeypatch.setattr(sys, "argv", argv)
    cli.main()
    assert {row["size"] for row in json.loads(path.read_text())["rows"]} == {"base"}


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--side", "32", "36"], "is 32 px or whole steps of 8 px from there, 8 or more, not 36."),
        (["--side", "0"], "8 or more, not 0."),
        (["--k", "-1"], r"k = -1 is not in 0\.\."),
        (["--batch", "0"], "1 picture or more"),
        (["--processes", "0"], "There is at least 1 process, not 0."),
        (["--seconds", "0"], "more than 0 seconds"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_before_measuring(monkeypatch, options, sentence):
    monkeypatch.setattr(growth, "measure", None)
    with pytest.raises(SystemExit, match=sentence):
        run(monkeypatch, *options)
