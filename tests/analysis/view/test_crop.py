"""What the page lets in as a picture."""

from pathlib import Path

import pytest
from conftest import random_model
from PIL import Image

from analysis.view.shared.crop import accept, uploaded
from analysis.view.shared.engine import Engine
from analysis.view.tokenize.picker import example_files, picker
from tatok.images import BadImage


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "uploads").mkdir()
    return str(tmp_path / "uploads")


def test_a_file_in_the_upload_folder_is_handed_over_unread(folder):
    path = Path(folder) / "damaged.png"
    path.write_bytes(b"no picture")
    assert uploaded({"path": str(path)}, folder) == str(path.resolve())
    for nothing in (None, {}, {"path": None}, {"url": "data:image/png;base64,AAAA"}, "x", 3):
        assert uploaded(nothing, folder) is None


def test_a_file_elsewhere_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (16, 16)).save("secret.png")
    Path("uploads/link.png").symlink_to(tmp_path / "secret.png")
    for path in [
        "/etc/passwd",
        "secret.png",
        "uploads/../secret.png",
        "uploads/link.png",
        f"{folder}/../secret.png",
        f"{folder}-other/secret.png",
        "https://example.com/x.png",
        "a\0b",
        "x" * 5000,
        7,
        ["secret.png"],
    ]:
        with pytest.raises(BadImage, match="^The picture has to be uploaded.$"):
            uploaded({"path": path}, folder)


def test_the_preview_is_small_upright_and_tells_the_true_size(tmp_path):
    path = tmp_path / "photo.jpg"
    image = Image.new("RGB", (2000, 1000), "navy")
    exif = image.getexif()
    exif[274] = 6  # the camera was held on its side
    image.save(path, exif=exif)
    engine = Engine(random_model())
    accepted, shown = accept(engine, str(path))
    assert accepted.path == str(path)
    assert shown["id"] == accepted.id != accept(engine, str(path))[0].id
    assert (shown["width"], shown["height"]) == (1000, 2000)
    assert len(shown["preview"]) < 60_000
    assert str(tmp_path) not in str(shown)


def test_examples_are_what_lies_in_the_folder(tmp_path):
    assert example_files(tmp_path / "none") == []
    for name in ("b.png", "a.webp", "c <x>.png"):
        Image.new("RGB", (20, 30)).save(tmp_path / name)
    Path(tmp_path / "LICENSES.md").write_text("text")
    files = example_files(tmp_path)
    assert [path.name for path in files] == ["a.webp", "b.png", "c <x>.png"]
    template = picker(files).html_template
    assert template.count("<button") == 3 and "<x>" not in template
