"""The command line prints what Python computes, and a user's mistake ends in one sentence."""

import math
import sys

import pytest
import torch
from conftest import pictures, random_model

from tatok import __main__ as cli
from tatok import load_image
from tatok.images import to_pil
from tatok.report import report
from tatok.tokenfile import HEADER_BYTES


@pytest.fixture
def files(tmp_path):
    """Weights and a picture."""
    random_model().save_pretrained(tmp_path / "weights")
    to_pil(pictures(1, size=48)[0]).save(tmp_path / "photo.png")
    return tmp_path


def run(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["tatok", *map(str, arguments)])
    cli.main()
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    return {line[0]: line[1] for line in lines}


def test_reconstruct_prints_the_report_and_writes_the_picture(files, capsys, monkeypatch):
    from tatok import TaTok

    weights, photo = files / "weights", files / "photo.png"
    printed = run(
        capsys, monkeypatch, "reconstruct", photo, "--weights", weights, "--epsilon", 0.3, "-k", 3,
        "--estimator", "gaussian", "-o", files / "out.png",
    )  # fmt: skip
    model = TaTok.from_pretrained(weights)
    x = load_image(photo, size=32)
    encoding = model.encode(x, 3)
    selection = model.select(encoding, 0.3, "gaussian")
    tokens = model.quantize(encoding, selection)
    y = model.decode(tokens)
    numbers = report(x, y, selection, tokens)
    assert 0 < numbers.kept < 16
    for name, value in vars(numbers).items():
        if isinstance(value, float):
            assert float(printed[name]) == pytest.approx(value, rel=1e-3)
        else:
            assert printed[name] == str(value)
    written = load_image(files / "out.png", size=32)
    torch.testing.assert_close(written, y, atol=1 / 127, rtol=0)


def test_encode_and_decode(files, capsys, monkeypatch):
    weights, code = ("--weights", files / "weights"), files / "photo.tatok"
    printed = run(
        capsys, monkeypatch, "encode", files / "photo.png", *weights, "--count", 5, "-o", code
    )
    assert code.stat().st_size == HEADER_BYTES + math.ceil(int(printed["bits"]) / 8)
    run(capsys, monkeypatch, "decode", code, *weights, "-o", files / "a.png")
    run(
        capsys, monkeypatch, "reconstruct", files / "photo.png", *weights, "--count", 5,
        "-o", files / "b.png",
    )  # fmt: skip
    assert (files / "a.png").read_bytes() == (files / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["reconstruct", "nowhere.png"], "There is no file named nowhere.png."),
        (["reconstruct", "photo.png", "--epsilon", "1"], "epsilon must lie in [0, 1)"),
        (["reconstruct", "photo.png", "-k", "9"], "k must lie in 0..6"),
        (["reconstruct", "photo.png", "--count", "99"], "count must be whole numbers in 0..16"),
        (["decode", "photo.png", "-o", "x.png"], "This is not a .tatok file."),
        (["decode", "nowhere.tatok", "-o", "x.png"], "nowhere.tatok"),
        (["reconstruct", "photo.png", "--weights", "nothing-here"], "neither a folder nor a model"),
    ],
)
def test_mistakes_are_one_sentence(files, monkeypatch, arguments, says):
    monkeypatch.chdir(files)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if "--weights" not in arguments:
        arguments = [*arguments, "--weights", "weights"]
    monkeypatch.setattr(sys, "argv", ["tatok", *arguments])
    with pytest.raises(SystemExit) as error:
        cli.main()
    assert says in str(error.value) and "\n" not in str(error.value)
