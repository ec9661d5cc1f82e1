"""The flags of app.py."""

import socket
from pathlib import Path

import gradio as gr
import pytest
import torch
from conftest import random_generator, random_model

import app
from analysis.view import models
from tatok.pretrained import find_device


@pytest.fixture
def launched(monkeypatch):
    """What the pages were built of, and what they were launched with."""
    seen = []
    monkeypatch.setattr(gr.Blocks, "launch", lambda self, **options: seen.append(options))
    monkeypatch.setattr(
        app, "build", lambda *given: seen.append(given) or (gr.Blocks(), f"<script> {given[0]}")
    )
    monkeypatch.setattr(app, "decode_seconds", lambda model, half: 1.0)  # measures nothing
    for name in ("TATOK_WEIGHTS", "TATOK_RESULTS", "TATOK_DEVICE", "GRADIO_ROOT_PATH"):
        monkeypatch.delenv(name, raising=False)
    return seen


@pytest.fixture
def weights(tmp_path):
    """A folder of two tokenizers, one with its generator, and of what is none."""
    for name in ("large", "small"):
        random_model(seed=len(name)).save_pretrained(tmp_path / name)
    random_generator(random_model(seed=5)).save_pretrained(tmp_path / "small")
    (tmp_path / "results").mkdir()
    return tmp_path


def test_without_flags_the_weights_that_ship_are_shown(launched):
    app.main([])
    first, second, options = launched
    assert [first[0], second[0]] == ["anygrid", "demo"] and first[1] == second[1]
    assert first[1] == {name: app.ASSETS / name for name in ("anygrid", "demo")}
    assert first[3] == app.FOLDER and {m.device.type for m in first[2].values()} == {
        find_device().type
    }
    asked = ("server_name", "server_port", "share", "mcp_server")  # None: the environment is asked
    assert [options[name] for name in asked] == [None] * 4 and options["root_path"] == ""
    assert options["head"] == "<script> anygrid" and "lifespan" in options["app_kwargs"]


def test_flags_reach_the_page(launched, monkeypatch, weights):
    monkeypatch.setenv("TATOK_WEIGHTS", str(weights / "large"))
    app.main(["--port", "7999", "--host", "0.0.0.0", "--share", "--root-path", "/studio"])
    app.main(["--model", str(weights / "small"), "--results", "mine", "--device", "cpu"])
    first, options, second, _ = launched
    assert first[:2] == ("large", {"large": str(weights / "large")}) and second[0] == "small"
    assert second[3] == Path("mine") and list(options["app_kwargs"]) == ["exception_handlers"]
    asked = ("server_name", "server_port", "share", "root_path")
    assert [options[name] for name in asked] == ["0.0.0.0", 7999, True, "/studio"]


def test_an_mcp_server_where_its_package_is(launched, monkeypatch, capsys):
    monkeypatch.setattr(app, "find_spec", lambda name: name)
    app.main(["--mcp"])
    assert launched[-1]["mcp_server"]
    before = len(launched)
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        app.main(["--mcp"])
    assert 'pip install "gradio[mcp]"' in capsys.readouterr().err and len(launched) == before


def test_weights_that_cannot_be_read_are_left_out(launched, weights, caplog):
    (weights / "large" / "tokenizer.safetensors").write_bytes(b"no")
    app.main(["--model", str(weights)])
    assert [given[0] for given in launched[:-1]] == ["small"]
    assert "large is left out: tokenizer.safetensors does not fit" in caplog.text
    (weights / "small" / "tokenizer.json").write_text("no")
    with pytest.raises(SystemExit, match="is not a model configuration"):
        app.main(["--model", str(weights)])


def test_the_generator_is_the_weights_own_or_the_first(weights):
    every = models.shelf(weights)
    assert list(every) == ["large", "small"]
    assert models.pair("large", every) == models.pair("small", every) == weights / "small"
    random_generator(random_model(seed=5)).save_pretrained(weights / "large")
    assert models.pair("large", every) == weights / "large"
    assert models.shelf("me/weights") == {"weights": "me/weights"}
    assert models.pair("weights", models.shelf("me/weights")) == "me/weights"


def test_a_device_that_is_not_there_is_refused(launched, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    for name in ("cuda", "cuda:7", "mps", "tpu", "-1"):
        with pytest.raises(SystemExit, match=f"There is no device {name} here; there is cpu"):
            app.main([f"--device={name}"])
    assert not launched and find_device().type == "cpu"
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert find_device().type == "mps"
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert find_device() == find_device("cuda") == torch.device("cuda:0")
    assert find_device("cuda:1").index == 1 and find_device("cpu").type == "cpu"


def test_pictures_are_decoded_in_what_is_faster_or_in_what_is_asked(launched, monkeypatch, capsys):
    asked = ["--model", str(app.ASSETS / "demo"), "--device", "cpu"]
    for half, took in ((True, 0.05), (False, 0.5)):
        monkeypatch.setattr(app, "decode_seconds", lambda _, bf16, t=took: t if bf16 else 0.1)
        app.main(asked)
        assert launched[-2][4] is half
        kind = "bfloat16" if half else "float32"
        told = f"Pictures are decoded in {kind} (float32 100 ms, bfloat16 {1000 * took:.0f} ms).\n"
        assert capsys.readouterr().out == told
        for kind in ("float32", "bfloat16"):
            app.main([*asked, "--arithmetic", kind])
            assert launched[-2][4] is (kind == "bfloat16")
    monkeypatch.setenv("TATOK_ARITHMETIC", "int4")
    with pytest.raises(SystemExit):
        app.main(asked)
    assert "auto, float32, bfloat16" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--prot", "1"], ["--port", "0"], ["--port", "x"], ["weights"]])
def test_what_is_unknown_is_refused(argv, launched, capsys):
    with pytest.raises(SystemExit) as end:
        app.main(argv)
    assert end.value.code == 2 and not launched
    assert argv[0] in capsys.readouterr().err


def test_help_tells_flags_and_environment(capsys):
    with pytest.raises(SystemExit):
        app.main(["--help"])
    told = capsys.readouterr().out
    for name in ("--model", "--device", "--root-path", "TATOK_WEIGHTS", "GRADIO_SERVER_PORT"):
        assert name in told


def test_weights_that_are_not_there_end_in_one_sentence(tmp_path):
    with pytest.raises(SystemExit, match="There is no tokenizer.json in") as end:
        app.main(["--model", str(tmp_path)])
    assert "\n" not in str(end.value)


def test_a_port_that_is_taken_ends_in_one_sentence(monkeypatch):
    with gr.Blocks(analytics_enabled=False) as empty:
        gr.HTML("")
    monkeypatch.setattr(app, "build", lambda *given: (empty, ""))
    monkeypatch.setenv("TATOK_WEIGHTS", str(app.ASSETS / "demo"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=str(port)) as end:
            app.main(["--host", "127.0.0.1", "--port", str(port), "--arithmetic", "float32"])
    assert "\n" not in str(end.value)
