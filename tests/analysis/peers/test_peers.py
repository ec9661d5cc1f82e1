"""Peers from training to the claim, on tiny sizes; and what is compared at equal bits."""

import dataclasses
import signal
from shutil import rmtree

import pytest
from conftest import pictures

from analysis.__main__ import main
from analysis.base import results
from analysis.base.evaluate import BadData
from analysis.base.results import Estimate
from analysis.base.runner import Setting
from analysis.base.stats import jackknife
from analysis.draw.figures import axes, draw, measures
from analysis.draw.tables import to_csv
from analysis.peers import arms, commands, frontier
from analysis.peers.arms import ARMS, FULL, OPEN, Run, finished
from analysis.peers.frontier import Coded, Peers, at_bits, lead
from analysis.view.curves.lead import lead as sentence
from tatok import TaTok
from tatok import __main__ as cli
from tatok.images import to_pil

TINY = (
    "--image-size 32 --min-side 32 --max-side 32 --dim 32 --depth 1 --decoder-depth 1 --heads 4 "
    "--codebook-size 16 --predictor-dim 16 --batch 4 --unquantized 4 --workers 0 --warmup 8 "
    "--save-every 10"
)


class Done:
    """In the place of a process: it trains where it is, and has ended."""

    returncode = 0

    def __init__(self, run, options):
        args = cli.parser().parse_args(["train", "tokenizer", *options])
        args.run(args)

    def poll(self):
        return self.returncode

    def terminate(self):
        raise AssertionError("it has ended")


class Means:
    """In the place of Lite0."""

    name = "means"

    def features(self, x):
        return x.mean((2, 3))

    def to(self, **_):
        return self


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Small arms, the command's folders, and the command."""
    for module in (arms, frontier):
        monkeypatch.setattr(module, "COMMON", TINY)
    for arm, flags in ARMS.items():
        small = flags.replace("64", "5").replace("96", "7").replace("16", "4")
        monkeypatch.setitem(ARMS, arm, small or "--k 4 --k-max 6")
    monkeypatch.setattr(arms, "start", Done)
    monkeypatch.setattr(arms, "POLL", 0.0)
    monkeypatch.setattr(commands, "Lite0", Means)
    data = tmp_path / "data"
    data.mkdir()
    for n, x in enumerate(pictures(40)):
        to_pil(x).save(data / f"{n}.png")
    (tmp_path / "list.txt").write_text("\n".join(f"{n}.png" for n in range(40)))

    def call(*more, minutes=0.001):
        main([
            "peers", "--data", str(data), "--train", str(data), "--list",
            str(tmp_path / "list.txt"), "--minutes", str(minutes), "--work",
            str(tmp_path / "work"), "--out", str(tmp_path / "out"), *more,
        ])  # fmt: skip
        return results.load(Peers, tmp_path / "out" / "peers.json")

    return call


@pytest.mark.gradients
def test_every_arm_is_trained_measured_drawn_and_judged(tiny, tmp_path, monkeypatch, capsys):
    made = tiny("--arms", "titok-64", "vq", "tatok")
    assert [peer.arm for peer in made.peers] == ["titok-64", "vq", "tatok"]
    titok, vq, ours = made.peers
    (point,) = titok.points
    assert (point.setting.k, point.count, point.bits) == (5, 0, 4 * 5 + 5)  # and N, of M = 16
    (point,) = vq.points
    assert (point.setting.k, point.count, point.bits) == (0, 16, 4 * 16 + 5)
    assert len(ours.points) == 2 + len(frontier.EPSILONS)
    assert [p.x for p in ours.points] == [p.bits / 32**2 for p in ours.points]
    assert (ours.points[0].count, ours.points[-1].count) == (0, 16)
    for peer in made.peers:
        folder = tmp_path / "work" / "0.001min" / peer.name.replace(", seed ", "-seed")
        record = TaTok.training_record(folder)
        assert peer.weights == TaTok.from_pretrained(folder).fingerprint
        assert record["images"] == peer.images and record["live"]
        length = record["options"]["images"]  # the schedule was closed, and is at its end
        assert length < OPEN and peer.images + 4 > length
    kept = [
        TaTok.training_record(tmp_path / "work" / "0.001min" / f"{arm}-seed0")["draws"]
        for arm in ("titok-64", "vq", "tatok")
    ]
    assert [draws["kept"] for draws in kept] == ["none", "all", "mixed"]
    assert "## Peers at equal training" in capsys.readouterr().out

    def forbidden(*_):
        raise AssertionError("it is trained already")

    monkeypatch.setattr(arms, "start", forbidden)
    known = lambda peers: [dataclasses.replace(p, commit="", date="") for p in peers]  # noqa: E731
    again = tiny("--arms", "vq")
    assert known(again.peers) == known(made.peers)  # from what is in the folder

    rmtree(tmp_path / "work" / "0.001min" / "titok-64-seed0")  # as on another machine
    rest = tiny("--arms", "vq")
    assert known(rest.peers) == known(made.peers)
    assert rest.peers[0] == again.peers[0]  # from the file, with its own date
    assert rest.provenance.weights == made.provenance.weights
    (tmp_path / "list.txt").write_text("\n".join(f"{n}.png" for n in range(39)))
    with pytest.raises(SystemExit, match=r"^The file of peers that is there was .* otherwise"):
        tiny("--arms", "vq")

    for measure in measures(made):
        drawing = draw(made, measure.key, axes(made)[0].key)
        names = [trace.name for trace in drawing.figure.data if trace.name]
        assert names == [peer.name for peer in made.peers]
    assert len(to_csv(made).splitlines()) == 2 + sum(len(peer.points) for peer in made.peers)
    assert "(vq, 69 bits)" in sentence(made) and "tatok" not in sentence(made)


@pytest.mark.gradients
def test_without_codebooks_nothing_is_measured(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(arms, "COMMON", TINY.replace("--unquantized 4", "--unquantized 99"))
    with pytest.raises(SystemExit, match=r"^vq-seed0 ended before it had codebooks"):
        tiny("--arms", "vq")
    assert not (tmp_path / "out" / "peers.json").exists()


def test_the_steps_of_a_run(tmp_path, monkeypatch):
    record = {}
    monkeypatch.setattr(Run, "record", property(lambda _: record))
    run = Run("tatok", 3, 60.0, tmp_path)
    assert run.flags.endswith("--seed 3") and run.folder == tmp_path / "60min" / "tatok-seed3"
    assert run.next_step() == ["--images", str(OPEN), "--minutes", "48.0000"]
    record |= {"images": 1000, "hours": 0.5, "options": {"images": OPEN, "batch": 4}}
    assert run.next_step() == ["--resume", "--images", str(OPEN), "--minutes", "18.0000"]
    record |= {"images": 8000, "hours": 0.79}
    assert run.next_step() == ["--resume", "--images", "10000"]
    record["options"] = {"images": 10000, "batch": 4}
    record["images"] = 9000
    assert run.next_step() == ["--resume", "--images", "10000"] and not run.done
    record["images"] = 9998  # no whole batch is left
    assert run.next_step() is None and run.done
    monkeypatch.undo()
    assert finished(tmp_path, 60.0) == []


def test_the_rate_falls_from_where_the_schedule_is_closed():
    from tatok.training.loop import RunOptions, learning_rate

    seen, length = 8000, round(8000 / FULL)
    closed = RunOptions(out=None, images=length, lr=1.0, warmup=1)
    assert learning_rate(seen, seen, closed) == pytest.approx(1.0)
    assert learning_rate(seen + length // 10, seen, closed) == pytest.approx(0.5)


class Process:
    """One that ends with `returncode` after a look or two, or never."""

    def __init__(self, returncode=None):
        self.returncode, self.ended = returncode, []

    def poll(self):
        return self.returncode

    def terminate(self):
        self.ended.append("terminated")

    def wait(self):
        self.ended.append("waited for")


def test_a_failure_ends_the_others_and_says_where_to_look(tmp_path, monkeypatch):
    processes = {"vq": Process(1), "hita": Process()}
    monkeypatch.setattr(arms, "start", lambda run, _: processes[run.arm])
    monkeypatch.setattr(arms, "POLL", 0.0)
    runs = [Run(arm, 0, 1.0, tmp_path) for arm in processes]
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(BadData, match=r"training of vq-seed0 failed; .*train\.log says why"):
        arms.train(runs, [tmp_path], jobs=2)
    assert processes["hita"].ended == ["terminated", "waited for"]
    assert processes["vq"].ended == [] and signal.getsignal(signal.SIGTERM) is before


def test_sigterm_ends_what_is_under_way(tmp_path, monkeypatch):
    process = Process()
    monkeypatch.setattr(arms, "start", lambda *_: process)
    monkeypatch.setattr(arms.time, "sleep", lambda _: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        arms.train([Run("vq", 0, 1.0, tmp_path)], [tmp_path], jobs=1)
    assert process.ended == ["terminated", "waited for"]


# --- equal bits ------------------------------------------------------------------------------


def coded(bits, psnr, spread=0.0):
    """A point whose groups of images differ by `spread` in bits and by a hundredth of it in dB."""
    step = [(g % 2 - 0.5) * spread for g in range(20)]
    decibels = jackknife(psnr, [psnr + one / 100 for one in step])
    fd, sizes = Estimate(1.0), tuple(bits + one for one in step)
    setting = Setting(4, 0)
    return Coded(0.0, setting, 9.0, 0.0, bits, 0.1, decibels, fd, fd, bits_replicates=sizes)


def test_a_curve_is_read_between_its_points():
    curve = [coded(300, 23), coded(100, 20), coded(200, 22)]
    for bits, value in ((100, 20), (150, 21), (250, 22.5), (50, 20), (900, 23)):
        assert at_bits(curve, bits, lambda p: p.psnr).value == pytest.approx(value)
    assert lead(curve, coded(150, 20.5), lambda p: p.psnr).value == pytest.approx(0.5)


def test_groups_that_move_along_the_curve_do_not_widen_its_interval():
    """Along a line of 0.01 dB a bit, more bits with as many more dB are no uncertainty."""
    curve = [coded(100, 21, spread=40), coded(200, 22, spread=40)]
    moved = at_bits(curve, 150, lambda p: p.psnr)
    assert moved.high - moved.low == pytest.approx(0, abs=1e-6)
    still = [dataclasses.replace(p, bits_replicates=(p.bits,) * 20) for p in curve]
    alone = at_bits(still, 150, lambda p: p.psnr)
    assert alone.high - alone.low > 0.1
