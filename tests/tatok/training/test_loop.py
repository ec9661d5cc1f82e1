"""The training loop: bit-exact resume, joint batches over processes, schedules, clean stops."""

import csv
import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import TINY, pictures, random_model
from PIL import Image
from small_runs import picture_folder, trainer

from tatok import BadCheckpoint, TaTok
from tatok.__main__ import main
from tatok.images import to_pil
from tatok.training import data, loop
from tatok.training.draws import Draws, draw_k, draw_keep
from tatok.training.loop import RunOptions, World, learning_rate
from tatok.training.tokenizer import TokenizerTask, start_from_pca

pytestmark = pytest.mark.gradients


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return picture_folder(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("change", [lambda d: d[:99], lambda d: d.replace(b"ema.", b"emu.")])
def test_a_damaged_state_is_one_sentence(folder, tmp_path, change):
    trainer(folder, tmp_path, 8).fit()
    path = tmp_path / "state.safetensors"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BadCheckpoint, match="state.safetensors is damaged, or of another run"):
        trainer(folder, tmp_path, 16, resume=True)


def test_resume_is_bit_exact(folder, tmp_path):
    straight = trainer(folder, tmp_path / "a", 48)
    straight.fit()
    first = trainer(folder, tmp_path / "b", 24)
    first.fit()
    second = trainer(folder, tmp_path / "b", 48, resume=True)
    assert second.seen == 24
    second.fit()
    for ours, theirs in ((straight.task.model, second.task.model), (straight.ema, second.ema)):
        for name, value in ours.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[name]), name
    assert not torch.equal(
        straight.task.model.encoder.embed.weight, first.task.model.encoder.embed.weight
    )
    rows = list(csv.DictReader((tmp_path / "b" / "log.csv").open()))
    assert [int(r["images"]) for r in rows] == [24, 48]
    for name in (
        "rec",
        "commit",
        "glob",
        "psnr_all",
        "psnr_none",
        "N_at_0.05",
        "patch_usage",
        "patch_perplexity",
        "global_usage",
        "global_perplexity",
    ):
        assert float(rows[1][name]) == float(rows[1][name])
    assert rows[0]["unreadable"] == "1"
    shipped = TaTok.from_pretrained(tmp_path / "b")
    assert TaTok.training_record(tmp_path / "b")["images"] == 48
    assert shipped.residual_scale != 1 and Image.open(tmp_path / "b" / "pictures.png").width > 100


def test_a_save_on_the_last_batch_keeps_its_losses(folder, tmp_path):
    one = trainer(folder, tmp_path, 8, save_every=0.0)  # a save falls due on every batch
    one.fit()
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [int(row["images"]) for row in rows] == [4, 8]
    assert all(float(row["loss"]) == float(row["loss"]) for row in rows)


def test_nothing_to_resume_is_said(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        trainer(folder, tmp_path / "none", 8, resume=True)


def test_learning_rate_rises_holds_and_falls():
    o = RunOptions(out=None, images=1000, lr=1.0, warmup=100, cooldown=0.2)
    assert learning_rate(0, 0, o) == pytest.approx(0.01)
    assert learning_rate(500, 500, o) == 1.0
    assert learning_rate(500, 9, o) == pytest.approx(0.1)  # a new start rises again
    assert learning_rate(900, 900, o) == pytest.approx(0.5)
    assert learning_rate(1000, 1000, o) == 0.0


def test_draws_serve_every_k_and_every_n():
    ks = torch.tensor([draw_k(16, 32, data.seeded(0, n)) for n in range(2000)])
    assert set(ks.tolist()) == set(range(33))
    assert 0.05 < (ks == 0).float().mean() < 0.15
    model = random_model()
    encoding = model.encode(pictures(8), 4)
    keeps = torch.cat(
        [draw_keep(model, encoding, 1, slice(0, 8), data.seeded(1, n)) for n in range(100)]
    )
    N = keeps.sum(1)
    assert 0.12 < (N == 0).float().mean() < 0.18 and (N == 16).float().mean() > 0.22
    assert set(N.tolist()) >= set(range(9))
    partial = keeps[(N > 1) & (N < 16)]
    raster = torch.arange(16) < partial.sum(1, keepdim=True)
    assert 0.05 < (partial == raster).all(1).float().mean() < 0.35  # `first` is among them
    assert 0.05 < (partial == raster.flip(1)).all(1).float().mean() < 0.35  # `last` too


@pytest.mark.gradients
def test_one_k_and_one_n_where_they_are_asked_for(folder):
    model, files = random_model(), data.list_images([folder])[:4]
    task = TokenizerTask(model, files, files, draws=Draws(vary_k=False, only_n=5), unquantized=0)
    for n in range(0, 40, 4):
        task.loss(pictures(4), n, World.join())
        _, patches, _, ours = task._step[-1]
        assert (len(patches), len(ours)) == (4 * 5, 4 * model.config.k)


def test_draws_of_two_processes_are_the_joint_draw():
    model = random_model()
    encoding = model.encode(pictures(8), 4)
    joint = draw_keep(model, encoding, 1, slice(0, 8), data.seeded(5))
    halves = [
        draw_keep(model, encoding.rows(torch.arange(8)[s]), 2, s, data.seeded(5))
        for s in (slice(0, 4), slice(4, 8))
    ]
    assert torch.equal(joint, torch.cat(halves))


def test_stream_cuts_joint_batches():
    one = list(data.Stream(0, 24, 8, 0, 1))
    two = [list(data.Stream(0, 24, 4, rank, 2)) for rank in (0, 1)]
    assert one == list(range(24))
    assert sorted(two[0] + two[1]) == one and two[1][:4] == [4, 5, 6, 7]
    assert list(data.Stream(16, 24, 8, 0, 1)) == list(range(16, 24))


def test_images_are_a_function_of_seed_and_place(folder):
    files = data.list_images([folder])
    one, two = data.TrainingImages(files, [32], 0), data.TrainingImages(files, [32], 0)
    order = [40, 3, 3, 77]
    for n in order:
        assert torch.equal(one[n], two[n])
    assert not torch.equal(one[0], one[len(files)])
    assert not torch.equal(one[0], data.TrainingImages(files, [32], 1)[0])


def test_empty_and_unreadable_folders_are_said(tmp_path):
    with pytest.raises(data.EmptyFolder, match="no images"):
        data.list_images([tmp_path])
    with pytest.raises(data.EmptyFolder, match="not a folder"):
        data.list_images([tmp_path / "nowhere"])
    (tmp_path / "x.png").write_bytes(b"x")
    with pytest.raises(data.EmptyFolder, match="None"):
        data.TrainingImages(data.list_images([tmp_path]), [32], 0)[0]
    with pytest.raises(data.EmptyFolder, match="No image is left"):
        data.TrainingImages([], [32], 0)


def test_codebooks_start_on_what_they_code(tmp_path):
    for n, x in enumerate(pictures(12)):
        to_pil(x).save(tmp_path / f"{n}.png")
    model = random_model()
    files = data.list_images([tmp_path])
    task = TokenizerTask(model, files, files)
    task.start_codebooks(0)
    encoding = model.encode(task.validation[32], model.config.k_max)
    for q in (model.quantize_patches(encoding), model.quantize_globals(encoding)):
        error = (q.latents - q.quantized).square().mean()
        assert error < 0.5 * q.latents.var(dim=(0, 1)).mean()  # k-means centres of these latents


def test_fixed_tokens_stay_and_what_comes_after_them_is_trained(folder, tmp_path, monkeypatch):
    trainer(folder, tmp_path / "one", 24).fit()
    asked = ["--data", str(folder), "--images", "40", "--batch", "4", "--workers", "0"]
    argv = ["tatok", "train", "tokenizer", *asked, "--fixed-tokens", "--out", str(tmp_path / "two")]
    monkeypatch.setattr(sys, "argv", [*argv, "--init", str(tmp_path / "one")])
    main()
    one, two = (TaTok.from_pretrained(tmp_path / name) for name in ("one", "two"))
    changed = {
        name
        for name, tensor in two.state_dict().items()
        if not torch.equal(tensor, one.state_dict()[name])
    }
    heads = ("predictor.", "describe.", "residual_scale", "correlation")
    after = ("decoder.", "patch_codebook.up.", "global_codebook.up.", *heads)
    assert [name for name in changed if not name.startswith(after)] == []
    assert {name.split(".")[0] for name in changed} >= {"decoder", "predictor", "patch_codebook"}
    x = pictures(4, seed=9)
    codes = [model.quantize_patches(model.encode(x)).codes for model in (one, two)]
    assert torch.equal(*codes)
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit, match="named by --init"):
        main()


def test_the_codes_in_use_are_those_of_a_whole_epoch(tmp_path):
    x = pictures(8)
    for n, picture in enumerate(x):
        to_pil(picture).save(tmp_path / f"{n}.png")
    files = data.list_images([tmp_path])
    task = TokenizerTask(random_model(), files, files)
    task.set_live(True)
    seen = {0: [], 1: [], 2: []}  # epoch -> use of both books at each step
    for n in range(0, 20, 4):  # two epochs and a half
        task.loss(x[n % 8 : n % 8 + 4], n, World())
        K = task.model.config.codebook_size
        used = task._step[0][1::2]
        seen[n // 8].append(torch.stack([torch.bincount(codes, minlength=K) for codes in used]))
        task.after_step(n, World())
        in_last = sum(seen[n // 8 - 1]) if n >= 8 else torch.zeros(2, K)
        assert torch.equal(task.last_usage, torch.as_tensor(in_last).float())
        assert torch.equal(task.usage, sum(seen[n // 8]).float())
    row = task.validate(task.model)
    assert row["patch_usage"] == (sum(seen[1])[0] > 0).float().mean()


def test_pca_start_is_the_best_linear_codec():
    x = pictures(16)
    model = TaTok(dataclasses.replace(TINY, dim=256))
    start_from_pca(model, x)
    model.patch_codebook.live = False
    with torch.no_grad():
        for block in [*model.encoder.blocks, *model.decoder.blocks]:
            block.attn.proj.weight.zero_()  # the little that a fresh block adds
        y = model(model.encode(x, 0), torch.ones(16, 16, dtype=torch.bool)).image
    patches = torch.nn.functional.unfold(x, 8, stride=8).transpose(1, 2).flatten(0, 1)
    S = torch.linalg.svdvals(patches)
    linear = (S[4:] ** 2).sum() / patches.numel()
    assert (x - y).square().mean().item() == pytest.approx(linear.item(), rel=0.05)


def run_cli(*arguments, **how):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "tatok", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **how,
    )


def test_sigterm_saves_and_stops(folder, tmp_path):
    out = tmp_path / "run"
    process = run_cli(
        "train",
        "tokenizer",
        "--data",
        folder,
        "--out",
        out,
        "--images",
        10**6,
        "--unquantized",
        10**6,
        "--save-every",
        0.05,
        "--predictor-dim",
        32,
        "--codebook-size",
        64,
        "--dim",
        64,
        "--batch",
        2,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (out / "log.csv").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGTERM)  # as a terminal does: to the workers too
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    first, *_, last = csv.DictReader((out / "log.csv").open())
    assert first["psnr_all"] and not last["psnr_all"]  # saved, not validated
    assert TaTok.training_record(out)["images"] > 0 and (out / "state.safetensors").exists()


def test_an_empty_folder_is_one_sentence(tmp_path, monkeypatch):
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["tatok", "train", "tokenizer", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == f"There are no images in {tmp_path}."


def test_signal_handlers_are_put_back_after_an_error(folder, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    one = trainer(folder, tmp_path, 8)
    one.task.loss = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        one.fit()
    assert signal.getsignal(signal.SIGTERM) is before


def test_bf16_is_off_where_it_does_not_pay(folder, tmp_path, monkeypatch):
    for pays in (True, False):
        monkeypatch.setattr(loop, "bf16_pays", lambda pays=pays: pays)
        assert trainer(folder, tmp_path, 8, bf16=True).half is pays
    assert not trainer(folder, tmp_path, 8).half


def test_the_last_checkpoint_ends_in_time(folder, tmp_path, monkeypatch):
    """A clock of its own: a step takes one second, a checkpoint ten."""
    clock = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    one = trainer(folder, tmp_path, 4000, minutes=2.0)
    step, checkpoint = one.step, one._checkpoint

    def slow_step(batch):
        clock[0] += 1
        return step(batch)

    def slow_checkpoint(*row):
        checkpoint(*row)
        clock[0] += 10

    one.step, one._checkpoint = slow_step, slow_checkpoint
    one.fit()
    assert 118 <= clock[0] <= 122
    assert len(list(csv.DictReader((tmp_path / "log.csv").open()))) == 2


def test_the_log_has_the_speed(folder, tmp_path, monkeypatch):
    """A clock of its own: a second a step of eight pictures, which are three times forward."""
    clock = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    one = trainer(folder, tmp_path, 32)
    one.peak, step = 1e6, one.step

    def slow_step(batch):
        clock[0] += 1
        return step(batch)

    one.step = slow_step
    item = data.TrainingImages.__getitem__

    def slow_item(images, n):
        if images is one.task.data:  # and not what the codebooks start on
            clock[0] += 0.25 / one.options.batch
        return item(images, n)

    monkeypatch.setattr(data.TrainingImages, "__getitem__", slow_item)
    one.fit()
    (row,) = csv.DictReader((tmp_path / "log.csv").open())
    batch = one.options.batch
    assert float(row["share_waiting"]) == pytest.approx(0.2, rel=1e-4)
    assert float(row["images_per_second"]) == pytest.approx(batch / 1.25)
    work = float(row["multiply_adds_per_second"])
    forward = len(one.task.model.encoder.blocks) * 2 * batch * TINY.num_patches * TINY.dim**2 * 6
    assert 3 * forward < work < 9 * forward
    assert float(row["share_of_peak"]) == pytest.approx(work / 1e6, rel=1e-4)


@pytest.mark.parametrize("where", ["loader", "step"])
def test_an_error_leaves_no_process(folder, tmp_path, monkeypatch, where):
    """Loaders are deaf to the signals of an exit, which would wait for them without end."""
    one = trainer(folder, tmp_path, 32, workers=2)
    if where == "loader":
        other = lambda images, n: torch.zeros(3, n + 1, 1)  # noqa: E731
        monkeypatch.setattr(data.TrainingImages, "__getitem__", other)
    else:
        monkeypatch.setattr(one.optimizer, "step", lambda: torch.zeros(2) + torch.zeros(3))
    with pytest.raises(RuntimeError, match="size") as error:
        one.fit()
    assert error.traceback  # alive, as at an exit
    deadline = time.monotonic() + 20
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not multiprocessing.active_children()
