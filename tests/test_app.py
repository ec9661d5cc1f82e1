"""The flags of app.py."""

import socket
from pathlib import Path

import gradio as gr
import pytest

import app


@pytest.fixture
def launched(monkeypatch):
    """What the page was built of and launched with."""
    seen = []
    monkeypatch.setattr(gr.Blocks, "launch", lambda self, **options: seen.append(options))
    monkeypatch.setattr(
        app, "build", lambda *given: seen.append(given) or (gr.Blocks(), "<script>")
    )
    return seen


def test_without_flags_the_weights_that_ship_are_shown(launched, monkeypatch):
    for name in ("TATOK_WEIGHTS", "TATOK_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    app.main([])
    given, options = launched
    assert given == (
        app.ASSETS / "anygrid",
        app.ASSETS / "demo",
        app.ASSETS / "examples",
        app.FOLDER,
    )
    asked = ("server_name", "server_port", "share", "root_path", "mcp_server")
    # None: the environment is asked
    assert [options[name] for name in asked] == [None] * 5 and options["head"] == "<script>"


def test_flags_reach_the_page(launched, monkeypatch):
    monkeypatch.setenv("TATOK_WEIGHTS", "elsewhere")
    app.main(["--port", "7999", "--host", "0.0.0.0", "--share", "--root-path", "/studio"])
    app.main(["--model", "me/weights", "--results", "mine"])
    first, options, second, _ = launched
    assert first[:2] == ("elsewhere", "elsewhere") and second[:2] == ("me/weights", "me/weights")
    assert second[3] == Path("mine")
    asked = ("server_name", "server_port", "share", "root_path")
    assert [options[name] for name in asked] == ["0.0.0.0", 7999, True, "/studio"]


def test_an_mcp_server_where_its_package_is(launched, monkeypatch, capsys):
    monkeypatch.setattr(app, "find_spec", lambda name: name)
    app.main(["--mcp"])
    assert launched[1]["mcp_server"]
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        app.main(["--mcp"])
    assert 'pip install "gradio[mcp]"' in capsys.readouterr().err and len(launched) == 2


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
    for name in ("--model", "--port", "--root-path", "TATOK_WEIGHTS", "GRADIO_SERVER_PORT"):
        assert name in told


def test_weights_that_are_not_there_end_in_one_sentence(tmp_path):
    with pytest.raises(SystemExit, match="There is no tokenizer.json in") as end:
        app.main(["--model", str(tmp_path)])
    assert "\n" not in str(end.value)


def test_a_port_that_is_taken_ends_in_one_sentence(monkeypatch):
    with gr.Blocks(analytics_enabled=False) as empty:
        gr.HTML("")
    monkeypatch.setattr(app, "build", lambda *given: (empty, ""))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=str(port)) as end:
            app.main(["--host", "127.0.0.1", "--port", str(port)])
    assert "\n" not in str(end.value)
