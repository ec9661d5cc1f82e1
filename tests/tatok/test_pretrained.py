"""Checkpoints: the same model back, half precision, and damage told in one sentence."""

import json

import pytest
import torch
from conftest import pictures, random_model

from tatok import BadCheckpoint, MaskGIT, TaTok
from tatok.config import SIZES


def test_save_and_load(tmp_path):
    model = random_model(layout="sequence")
    model.save_pretrained(tmp_path, extra={"images": 7})
    back = TaTok.from_pretrained(tmp_path)
    assert back.config == model.config and back.fingerprint == model.fingerprint
    assert TaTok.training_record(tmp_path) == {"images": 7}
    for name, value in back.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, model.state_dict()[name].half().float())
    again = TaTok.from_pretrained(tmp_path)
    x = pictures(1)
    tokens = [m.quantize(e := m.encode(x), m.select(e)) for m in (back, again)]
    assert torch.equal(tokens[0].patch_codes, tokens[1].patch_codes)
    assert not back.training


def test_the_fingerprint_names_the_weights():
    assert random_model(0).fingerprint == random_model(0).fingerprint
    assert random_model(0).fingerprint != random_model(1).fingerprint
    assert random_model(0).fingerprint != random_model(0, target_psnr=11.0).fingerprint


def spoil(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tokenizer.json", lambda data: b"{"),
        ("tokenizer.json", lambda data: b"[]"),
        ("tokenizer.json", lambda data: b"\xff\xfe"),
        ("tokenizer.json", lambda data: data.replace(b'"dim": 48', b'"dim": 64')),
        ("tokenizer.json", lambda data: data.replace(b'"dim"', b'"dimension"')),
        ("tokenizer.json", lambda data: data.replace(b'"heads": 4', b'"heads": 5')),
        ("tokenizer.json", lambda data: data.replace(b'"heads": 4', b'"heads": 0')),
        ("tokenizer.json", lambda data: data.replace(b'_dim": 32', b'_dim": 6')),
        ("tokenizer.json", lambda data: data.replace(b'"grid"', b'"ring"')),
        ("tokenizer.json", lambda data: b"[" * 100_000),
        ("tokenizer.json", lambda data: data.replace(b'"training": {}', b'"training": [1]')),
        ("tokenizer.json", lambda data: data.replace(b'"mlp_ratio": 2.0', b'"mlp_ratio": 1e308')),
        ("tokenizer.json", lambda data: data.replace(b'"mlp_ratio": 2.0', b'"mlp_ratio": NaN')),
        ("tokenizer.json", lambda data: data.replace(b'"depth": 2', b'"depth": "2"')),
        ("tokenizer.safetensors", lambda data: data[:500]),
        ("tokenizer.safetensors", lambda data: data[:-500]),
        ("tokenizer.safetensors", lambda data: data[:-500] + b"\xff" * 500),  # NaN
        ("tokenizer.safetensors", lambda data: data.replace(b"F16", b"I16")),
        ("tokenizer.safetensors", lambda data: data.replace(b"encoder.", b"uncoder.")),
        ("tokenizer.safetensors", lambda data: b""),
        ("tokenizer.safetensors", lambda data: b"\x80\x04}" + data[3:]),
    ],
)
def test_damage_is_one_sentence(tmp_path, name, change):
    random_model().save_pretrained(tmp_path)
    spoil(tmp_path, name, change)
    with pytest.raises(BadCheckpoint) as error:
        TaTok.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("dim", 1 << 20), ("codebook_size", 1 << 40), ("depth", 1 << 30), ("image_size", 8 << 20)],
)
def test_a_configuration_is_compared_before_memory_is_taken(tmp_path, monkeypatch, name, value):
    """At these sizes a model would not fit into this machine; only shapes are looked at."""
    random_model().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps(meta | {"config": meta["config"] | {name: value}}))
    made = []
    build = TaTok.__init__

    def watch(self, config):
        made.append(torch.get_default_device().type)
        build(self, config)

    monkeypatch.setattr(TaTok, "__init__", watch)
    with pytest.raises(BadCheckpoint, match="does not fit its configuration"):
        TaTok.from_pretrained(tmp_path)
    assert made in ([], ["meta"])


def test_large_weights_are_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(TaTok, "largest_file", 100_000)
    model = random_model()
    model.save_pretrained(tmp_path)
    parts = sorted(tmp_path.glob("tokenizer-*-of-*.safetensors"))
    assert len(parts) > 2 and not (tmp_path / "tokenizer.safetensors").exists()
    assert all(path.stat().st_size < 110_000 for path in parts)
    assert TaTok.from_pretrained(tmp_path).fingerprint == model.fingerprint
    index = tmp_path / "tokenizer.safetensors.index.json"
    text = index.read_text()
    for wrong in (text.replace(parts[0].name, "../x.safetensors"), "[]", "{", '{"weight_map": 3}'):
        index.write_text(wrong)
        with pytest.raises(BadCheckpoint, match="not an index"):
            TaTok.from_pretrained(tmp_path)
    index.write_text(text)
    parts[1].unlink()
    with pytest.raises(BadCheckpoint, match=parts[1].name):
        TaTok.from_pretrained(tmp_path)
    monkeypatch.undo()
    model.save_pretrained(tmp_path)  # as one file again
    assert not index.exists() and TaTok.from_pretrained(tmp_path).fingerprint == model.fingerprint


def test_the_size_base_is_as_large_as_it_says():
    with torch.device("meta"):
        model = TaTok(SIZES["base"])
    assert 18e6 < sum(p.numel() for p in model.parameters()) < 24e6
    assert 2 * sum(t.numel() for t in model.state_dict().values()) < 48e6


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    random_model().save_pretrained(tmp_path)
    with pytest.raises(BadCheckpoint, match=r"generator\.json"):
        MaskGIT.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.safetensors").unlink()
    with pytest.raises(BadCheckpoint, match=r"no tokenizer\.safetensors"):
        TaTok.from_pretrained(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BadCheckpoint, match="neither a folder nor a model"):
        TaTok.from_pretrained("someone/nothing")


def test_the_demo_weights_are_what_they_say():
    """The shipped weights load, are small enough, and know how they were made."""
    import pathlib

    folder = pathlib.Path(__file__).parents[2] / "assets" / "demo"
    assert (folder / "tokenizer.safetensors").stat().st_size <= 13_000_000
    model, record = TaTok.from_pretrained(folder), TaTok.training_record(folder)
    assert model.config.num_patches == 256 and model.config.k_max == 32
    assert record["images"] > 0 and record["hours"] > 0
    assert json.loads((folder / "tokenizer.json").read_text())["config"]["codebook_size"] == 4096
