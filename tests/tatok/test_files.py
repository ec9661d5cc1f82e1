"""Disks that take nothing more, and folders that may only be read: one sentence, nothing lost."""

import errno
import os
import sys

import pytest
import torch
from conftest import full_disk, pictures, random_generator, random_model

from tatok import TaTok
from tatok import __main__ as cli
from tatok.files import CannotWrite, write_bytes, write_tensors, write_text
from tatok.images import to_pil


def kept(path, write):
    """That a `write` which fails is one sentence, and leaves what was there."""
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    with full_disk(5), pytest.raises(CannotWrite, match="cannot be written: file too large") as end:
        write()
    assert "\n" not in str(end.value) and str(path) in str(end.value)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    kept(path, lambda: write_bytes(path, b"longer than there is room"))
    kept(path, lambda: write_tensors(path, {"a": torch.zeros(9)}))
    write_text(tmp_path / "deep" / "file", "ε")
    assert (tmp_path / "deep" / "file").read_text(encoding="utf-8") == "ε"


def test_weights_are_whole_or_as_they_were(tmp_path):
    old = random_model()
    old.save_pretrained(tmp_path)
    kept(tmp_path / "tokenizer.safetensors", lambda: random_model(1).save_pretrained(tmp_path))
    assert TaTok.from_pretrained(tmp_path).fingerprint == old.fingerprint


@pytest.fixture
def world(tmp_path):
    """Weights of both models, pictures, and a token file."""
    model = random_model()
    for maker in (model, random_generator(model)):
        maker.save_pretrained(tmp_path / "weights")
    (tmp_path / "pictures").mkdir()
    for n, x in enumerate(pictures(12)):
        to_pil(x).save(tmp_path / "pictures" / f"{n}.png")
    return tmp_path


def ends(monkeypatch, *arguments):
    """The sentence that a command ends with."""
    monkeypatch.setattr(sys, "argv", ["tatok", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert isinstance(end.value.code, str) and "\n" not in end.value.code
    return end.value.code


def commands(world, target):
    """Every command that writes, its output in the folder `target`."""
    weights = ("--weights", world / "weights")
    photo = world / "pictures" / "0.png"
    return (
        ("encode", photo, *weights, "-o", target / "a.tatok"),
        ("reconstruct", photo, *weights, "-o", target / "a.png"),
        ("generate", *weights, "-n", 1, "--steps", 1, "-o", target / "a.png"),
        ("generate", *weights, "-n", 1, "--steps", 1, "--tokens", target, "-o", world / "b.png"),
    )


def test_a_full_disk_is_one_sentence(world, monkeypatch, capsys):  # else it is in a file, too
    target = world / "out"
    for arguments in commands(world, target):
        with full_disk():
            said = ends(monkeypatch, *arguments)
        assert "cannot be written: file too large." in said and not list(target.iterdir()), said


def test_a_folder_that_may_only_be_read_is_one_sentence(world, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    for arguments in commands(world, world / "out"):
        assert "cannot be written: read-only file system." in ends(monkeypatch, *arguments)


def test_training_asks_the_disk_before_it_works(world, monkeypatch):
    monkeypatch.setattr(TaTok, "from_pretrained", lambda *_: pytest.fail("it has begun"))
    (world / "file").write_text("")
    options = ("--data", world / "pictures", "--images", 64, "--batch", 2, "--workers", 0)
    tokenizer = ("train", "tokenizer", "--init", world / "weights", *options)
    said = ends(monkeypatch, *tokenizer, "--out", world / "file")
    assert said == f"Nothing can be written to {world / 'file'}: file exists."
    generator = ("train", "generator", "--tokenizer", world / "weights", *options)
    assert ends(monkeypatch, *generator, "--out", world / "file") == said


def test_no_picture_has_that_ending(world, monkeypatch):
    arguments = commands(world, world / "out")[1][:-1]
    said = ends(monkeypatch, *arguments, world / "a.foo")
    assert said.startswith("a.foo does not end as the name of a picture does")


def test_weights_of_several_files_are_new_all_together_or_not(tmp_path, monkeypatch):
    """The room ends in the configuration, which is written last."""
    monkeypatch.setattr(TaTok, "largest_file", 100_000)
    old = random_model()
    old.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    record = {"note": "x" * 300_000}  # larger than any of the weights' files
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with full_disk(200_000), pytest.raises(CannotWrite, match=f"{path} cannot be written"):
        random_model(1).save_pretrained(tmp_path, extra=record)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert TaTok.from_pretrained(tmp_path).fingerprint == old.fingerprint
