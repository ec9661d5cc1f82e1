"""The folder of a Space: what the page needs, and faults told before the Hub finds them."""

import shutil

import pytest

from analysis.base import space
from analysis.base.space import BadSpace


def test_the_folder_holds_the_page_and_no_tests(tmp_path):
    total = space.make(tmp_path / "space")
    made = {path.relative_to(tmp_path / "space") for path in (tmp_path / "space").rglob("*")}
    names = {str(path) for path in made}
    assert {"app.py", "README.md", "tatok/tokenizer.py", "analysis/view/page.css"} <= names
    assert {"assets/anygrid/tokenizer.safetensors", "assets/results/fig5.json"} <= names
    assert not any(path.parts[0] in ("tests", ".git", ".ci", "runs") for path in made)
    assert not any("__pycache__" in path.parts for path in made)
    assert total == sum(f.stat().st_size for f in (tmp_path / "space").rglob("*") if f.is_file())
    assert 20e6 < total < space.IN_ALL
    with pytest.raises(BadSpace, match="is there already"):
        space.make(tmp_path / "space")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sdk: gradio", "sdk: docker", "sdk is 'docker', not 'gradio'."),
        ("sdk_version: ", "sdk_version: 1", "sdk_version is '1"),
        ("app_file: app.py", "app_file: main.py", "app_file is 'main.py'"),
        ("colorTo: gray", "colorTo: beige", "colorTo is none of"),
        ("license: apache-2.0\n", "", "license is missing."),
        ("short_description: ", f"short_description: {60 * 'x'}", "more than 60 letters"),
        ("hardware: cpu-basic", "hardware: abacus", "suggested_hardware is none"),
        ("---\ntitle", "title", "sdk is None"),
    ],
)
def test_a_fault_of_the_front_matter_is_named(tmp_path, old, new, said):
    for name in ("README.md", "requirements.txt"):
        shutil.copy(space.ROOT / name, tmp_path / name)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert old in text and not space.front_matter(tmp_path)
    (tmp_path / "README.md").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadSpace, match=said):
        space.make(tmp_path / "space", tmp_path)
    assert not (tmp_path / "space").exists()


def test_what_is_too_large_is_named(tmp_path, monkeypatch):
    (tmp_path / "weights").write_bytes(bytes(200))
    monkeypatch.setattr(space, "LARGEST", 100)
    with pytest.raises(BadSpace, match="weights has 200 bytes"):
        space.size(tmp_path)
    monkeypatch.setattr(space, "IN_ALL", 150)
    with pytest.raises(BadSpace, match="together have 200 bytes"):
        space.size(tmp_path)
