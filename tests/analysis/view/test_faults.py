"""A full disk and an upload: one sentence, and the next one is taken."""

import gradio as gr
import pytest
from conftest import full_disk
from gradio.routes import App
from starlette.testclient import TestClient

from analysis.view.faults import HANDLERS, SENTENCE


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gr.Blocks(analytics_enabled=False) as empty:
        gr.File()
    empty.max_file_size = None  # as `launch` sets it
    app = App.create_app(empty, app_kwargs={"exception_handlers": HANDLERS})
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


def test_an_upload_to_a_full_disk(client, tmp_path, caplog):
    send = lambda: client.post(  # noqa: E731
        "/gradio_api/upload", files={"files": ("a.png", bytes(300_000))}
    )
    with full_disk(1000):
        refused = send()
    assert (refused.status_code, refused.text) == (507, SENTENCE)
    assert "an upload cannot be kept" in caplog.text
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and f.stat().st_size > 1000]
    assert send().status_code == 200
