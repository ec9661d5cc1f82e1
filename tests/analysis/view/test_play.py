"""A run of Play shows what the model decodes, and the GIF shows the run."""

import dataclasses
import io

import numpy as np
import pytest
from conftest import pictures, random_model
from PIL import Image

from analysis.base.metrics import psnr
from analysis.view.sections.play import BATCH, FRAMES, GAP, SIDE, Player, batches, gif, strides
from analysis.view.shared.engine import Engine
from analysis.view.shared.settings import Settings
from tatok.images import to_pil

SETTINGS = Settings(0.3, 4, "gaussian", "dtf")
ZEROS = Settings(0.3, 4, "rate", "dtf", target_psnr=5.0)  # G suffices for many patches: H = 0


@pytest.fixture
def engine():
    return Engine(random_model())


@pytest.fixture
def square(engine, tmp_path):
    to_pil(pictures(1, size=48)).save(tmp_path / "picture.png")
    return engine.square(str(tmp_path / "picture.png"), None)


@pytest.mark.parametrize("M", [1, 16, 40, 41, 256, 441])
def test_strides_run_from_none_to_all(M):
    counts = strides(M)
    assert counts[0] == 0 and counts[-1] == M
    assert len(counts) == min(M + 1, FRAMES)
    steps = np.diff(counts)
    assert steps.min() >= 1 and steps.max() - steps.min() <= 1
    assert (batches(M) - 1) * BATCH < len(counts) <= batches(M) * BATCH


@pytest.mark.parametrize("settings", [SETTINGS, ZEROS])
def test_frames_keep_what_the_model_keeps_at_every_count(engine, square, settings):
    frames = Player(engine).run(square, settings)
    assert [frame.count for frame in frames] == strides(16)
    codes, encoding = engine.quantize(square, 4).patch_codes, engine.encode(square, 4)
    evidence = engine.measure(square, 4, settings.estimator, settings.target_psnr)
    assert settings is SETTINGS or (evidence.entropy == 0).sum() > 3
    for frame in frames:
        right = engine.model.filter(encoding, evidence, count=frame.count).keep
        assert frame.keep.tolist() == right[0].tolist()
        alone = engine.decode(square, 4, codes.masked_fill(~right, -1))
        assert frame.psnr == pytest.approx(float(psnr(square.x, alone)), abs=1e-3)
    selection = engine.select(square, settings)
    at_N = frames[int(selection.count)]  # 16 patches: every n is a frame
    assert at_N.keep.tolist() == selection.keep[0].tolist()


def test_epsilon_and_policy_do_not_decode_again(engine, square, monkeypatch):
    player, calls = Player(engine), []
    decode = engine.decode
    monkeypatch.setattr(engine, "decode", lambda *args: calls.append(args) or decode(*args))
    player.run(square, SETTINGS)
    player.run(square, dataclasses.replace(SETTINGS, epsilon=0.8, policy="first"))
    assert len(calls) == batches(16)


def test_the_gif_shows_the_frames(engine, square):
    frames = Player(engine).run(square, SETTINGS)
    animation = Image.open(io.BytesIO(gif(square.x, frames, 4, 4)))
    assert animation.format == "GIF" and animation.n_frames == len(frames)
    for index, frame in enumerate(frames):
        animation.seek(index)
        assert animation.info["duration"] > 0
        page = np.asarray(animation.convert("RGB"), int)[GAP : GAP + SIDE]
        kept = np.kron(frame.keep.reshape(4, 4).numpy(), np.ones((64, 64)))[..., None]
        seen = enlarged(square.x) * (kept + 0.15 * (1 - kept)) + 255 * 0.85 * (1 - kept)
        for left, expected in ((GAP, seen), (SIDE + 2 * GAP, enlarged(frame.image))):
            error = np.abs(page[:, left : left + SIDE] - expected).mean()
            assert error < 10, f"frame {index}: {error:.1f} levels"  # 256 colours a frame
    widths = [blue_pixels(animation, index) for index in (1, 8, 16)]
    assert widths[0] < widths[1] < widths[2], "the curve does not grow"


def enlarged(x) -> np.ndarray:
    """(1, 3, S, S) as the GIF shows it, (SIDE, SIDE, 3)."""
    return np.asarray(to_pil(x).resize((SIDE, SIDE), Image.Resampling.NEAREST), int)


def blue_pixels(animation: Image.Image, index: int) -> int:
    """How much of the PSNR curve is drawn on a page."""
    animation.seek(index)
    chart = np.asarray(animation.convert("RGB"), int)[SIDE + 3 * GAP :]
    return int(((chart[..., 2] - chart[..., 0]) > 100).sum())
