"""A result's origin: the commit, the list's hash, and a command that names no private folder."""

import hashlib
import re
import shutil
import subprocess
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone

import pytest
import torch

from analysis.base import provenance as origin
from tatok import TaTok, TokenizerConfig

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *arguments):
    options = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *options, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


@needs_git
def test_the_commit_and_whether_files_differ_from_it(repository):
    head = git(repository, "rev-parse", "HEAD")
    assert origin.commit(repository) == head[:12]
    (repository / "file").write_text("two")
    assert origin.commit(repository) == head[:12] + "+"
    git(repository, "checkout", "-q", "file")
    (repository / "assets/results").mkdir(parents=True)
    (repository / "assets/results/bias.json").write_text("{}")  # of the command before
    assert origin.commit(repository) == head[:12]
    (repository / "new").write_text("new")
    assert origin.commit(repository) == head[:12] + "+"


@needs_git
def test_no_commit_is_made_up(repository, tmp_path_factory):
    inner = repository / "inner"
    inner.mkdir()
    assert origin.commit(inner) == "unknown"  # a folder of someone else's repository
    assert origin.commit(tmp_path_factory.mktemp("plain")) == "unknown"
    empty = tmp_path_factory.mktemp("empty")
    git(empty, "init", "-q")
    assert origin.commit(empty) == "unknown"  # a repository without a commit


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert origin.commit(origin.ROOT) == "unknown"


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("assets/demo", "assets/demo"),
        ("owner/model", "owner/model"),
        ("500", "500"),
        ("0.05", "0.05"),
        ("--n", "--n"),
        ("--n=5", "--n=5"),
        ("/home/someone/data", "data"),
        ("--data=/home/someone/data", "--data=data"),
        ("../somewhere/data", "data"),
        (str(origin.ROOT / "assets" / "demo"), "assets/demo"),
        (f"--weights={origin.ROOT}/assets/demo", "--weights=assets/demo"),
        ("two words", "'two words'"),
    ],
)
def test_the_command_names_no_folder_outside_the_project(argument, shown, monkeypatch):
    monkeypatch.chdir(origin.ROOT)
    assert origin.command(["evaluate", argument]) == f"python -m analysis evaluate {shown}"


def test_the_data_are_named_by_the_hash_of_the_list(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"a.png\nb.png\n")
    data = origin.describe_list(path, 2)
    assert data == origin.Data("list.txt", hashlib.sha256(b"a.png\nb.png\n").hexdigest(), 2)


def test_fitted_pictures_are_named_by_their_place_in_the_folders(tmp_path):
    folders = [tmp_path / "a" / "train", tmp_path / "b" / "train"]
    files = [folders[0] / "x" / "1.png", folders[1] / "2.png"]
    data = origin.describe_folders(folders, files)
    assert (data.list, data.n) == ("a/train, b/train", 2)
    names = b"a/train/x/1.png\nb/train/2.png"
    assert data.sha256 == hashlib.sha256(names).hexdigest()
    assert origin.describe_folders(folders, files[::-1]) == data  # in whatever order
    assert origin.describe_folders(folders, [files[0], folders[1] / "3.png"]).sha256 != data.sha256
    assert origin.describe_folders(folders[:1], files[:1]).list == "train"
    made = origin.Provenance("c", "w", 1, None, data, 0, "e", "d", "t", "p", data)
    assert f"fitted to 2 images of a/train, b/train ({data.sha256[:12]})" in made.line()
    assert "fitted" not in replace(made, fitted=None).line()


def test_every_field_is_filled_from_its_source():
    config = TokenizerConfig(image_size=16, dim=16, heads=2, codebook_size=8, predictor_dim=8)
    torch.manual_seed(0)
    model, other = TaTok(config), TaTok(config)
    data = origin.Data("list.txt", "ab" * 32, 3)
    record = {"images": 12, "hours": 0.25, "options": {}}
    mark = model.fingerprint
    made = origin.provenance(mark, record, data, 4, "Lite", ["evaluate", "--n", "3"], 16)
    filled = [field.name for field in fields(made) if field.name != "fitted"]
    assert all(getattr(made, name) is not None for name in filled)
    assert made.weights == mark != other.fingerprint
    assert (made.training_images, made.training_hours) == (12, 0.25)
    assert (made.data, made.seed, made.extractor) == (data, 4, "Lite")
    assert made.torch == torch.__version__
    assert made.command == "python -m analysis evaluate --n 3"
    assert made.commit == origin.commit(origin.ROOT)
    assert re.fullmatch(r"unknown|[0-9a-f]{12}\+?", made.commit)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(made.date)
    assert timedelta(0) <= age < timedelta(minutes=1)
    line = made.line()
    for part in (
        "3 images of list.txt (abababababab) at 16 px",
        "ababababab",
        made.weights,
        made.commit,
        "Lite",
        made.date,
    ):
        assert part in line
    without = origin.provenance(mark, {}, data, 4, "Lite", [])
    assert without.training_images is None


@pytest.mark.parametrize(
    ("images", "hours", "told"),
    [
        (250_000, 4.108, "weights w (250,000 images, 4.1 h), "),
        (250_000, None, "weights w (250,000 images), "),
        (None, 2.0, "weights w (2.0 h), "),
        (None, None, "weights w, "),
    ],
)
def test_the_line_says_how_long_the_weights_were_trained(images, hours, told):
    data = origin.Data("l.txt", "s", 3)
    made = origin.Provenance("c", "w", images, hours, data, 0, "e", "d", "t", "p")
    assert told in made.line()
