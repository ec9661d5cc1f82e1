"""The house: no crowded folder, no import circle, and one place where a thing is added."""

import ast
import dataclasses
import re
from pathlib import Path

import torch
from conftest import TINY, pictures

from tatok import TaTok, entropy, filtering
from tatok.tokenfile import pack, unpack

ROOT = Path(__file__).parents[1]
MOST_FILES = 25
NAMED = r"`((?:tatok|analysis|assets|tests)/[\w/.-]+?)/?`"


def modules():
    """Every module of the project by its dotted name."""
    files = [*(ROOT / "tatok").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]
    return {
        ".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f
        for f in files
    }


def imports(file, names):
    """The modules that a file imports anywhere, for types and inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & set(names)) or {node.module}
    return found & set(names)


def test_no_module_imports_itself_by_a_circle():
    every = modules()
    graph = {name: imports(file, every) for name, file in every.items()}
    done, path = set(), []

    def visit(name):
        assert name not in path, " → ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for other in sorted(graph[name]):
            visit(other)
        path.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_the_system_knows_nothing_of_what_is_built_on_it():
    every = modules()
    for name, file in every.items():
        if name.startswith("tatok"):
            assert not any(other.startswith("analysis") for other in imports(file, every)), name


def test_no_folder_is_crowded():
    folders = [f for top in ("tatok", "analysis", "tests") for f in (ROOT / top).rglob("*")]
    for folder in filter(Path.is_dir, folders):
        if folder.name != "__pycache__":
            assert sum(f.is_file() for f in folder.iterdir()) <= MOST_FILES, folder


def test_what_the_documents_name_is_there():
    documents = [ROOT / "README.md", *(ROOT / "assets").glob("*/README.md")]
    named = {m for d in documents for m in re.findall(NAMED, d.read_text())}
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]


def test_an_estimator_is_one_entry(monkeypatch):
    texture = lambda seen: seen.x.new_ones(seen.p.shape[:2]) * seen.p.var(dim=2)  # noqa: E731
    monkeypatch.setitem(entropy.ESTIMATORS, "texture", entropy.Estimator(texture, "variance"))
    model = TaTok(dataclasses.replace(TINY, estimator="texture")).eval()
    encoding = model.encode(pictures(2))
    selection = model.select(encoding, count=3)
    expected = filtering.top(encoding.patches.var(dim=2).double(), selection.count)
    assert torch.equal(selection.keep, expected) and selection.unit == "variance"


def test_a_policy_is_one_entry(monkeypatch):
    corner = filtering.Policy(lambda c: filtering.first(c.M, c.count))
    monkeypatch.setitem(filtering.POLICIES, "corner", corner)
    model = TaTok(TINY).eval()
    encoding = model.encode(pictures(1))
    selection = model.select(encoding, policy="corner", count=5)
    assert selection.keep[0].nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4]
    tokens = model.quantize(encoding, selection)
    assert tokens.places == "sent"
    assert torch.equal(unpack(pack(tokens, model), model).patch_codes, tokens.patch_codes)
